"""Moment conditions: the weights nearest to one at which finitely many test functions see no error.

A test function f asks for <c(w), f> = 0 (AMPL, Eq. 10). Gradient descent on the sum of squares from w = 1 ends, for
small steps, at the solution nearest to w = 1 in the norm of the parametrization: here L2(d_D), in closed form.
Source: AMPL, Eqs. 10-11; theory.md, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq

from ampl.errors import NotConvergedError, check_at_least
from tabular.types import Floats
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem, WeightEstimate

_ROUNDING = 1e-8


@dataclass(frozen=True, kw_only=True)
class QMoment:
    """AMPL's objective: one test function, the action value of the data's own MDP unless another is given.

    It fixes E[w r] = J and leaves every other direction of w where it started.

    Attributes:
        test_function: [S, A], or None for the action value.
        keep_mean: adds the constant test function, which reads E[w] = 1; AMPL's program divides by the mean instead.
        weight_functions: what w is linear in, [K, S, A]; every function of the pair if None.
    """

    test_function: Floats | None = None
    keep_mean: bool = False
    weight_functions: BasisFunctions | None = None

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator."""
        value = problem.action_value if self.test_function is None else self.test_function[problem.support]
        tests = [value, np.ones_like(value)] if self.keep_mean else [value]
        weights, residual = match_moments(problem, np.stack(tests, axis=1), self.weight_functions)
        return problem.finish("Q-moment", weights, residual)


@dataclass(frozen=True, kw_only=True)
class MultiMoment:
    """Many test functions at once, by least squares; with a basis of all functions it is the plug-in.

    Attributes:
        test_functions: [K, S, A].
        weight_functions: what w is linear in, [K', S, A]; every function of the pair if None.
    """

    test_functions: BasisFunctions
    weight_functions: BasisFunctions | None = None

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator."""
        tests = problem.basis(self.test_functions)
        weights, residual = match_moments(problem, tests, self.weight_functions)
        return problem.finish("multi-moment", weights, residual)


def match_moments(
    problem: EstimationProblem, tests: Floats, weight_functions: BasisFunctions | None
) -> tuple[Floats, float]:
    """Weights [n] that minimize |<c(w), tests>|^2, the nearest to one in L2(d_D) among equals.

    Args:
        problem: with n pairs in its support.
        tests: [n, m].
        weight_functions: the class of w.

    Returns:
        The weights and the largest violation of the normal equations, relative to the size of their terms.

    Raises:
        NotConvergedError: that violation is more than rounding.
    """
    basis = problem.basis(weight_functions)  # [n, k]
    ones = basis.T @ problem.data  # coefficients of the member nearest to one, [k]
    matrix = tests.T @ (problem.bellman.T @ (problem.data[:, None] * basis))  # [m, k]
    owed = tests.T @ problem.start - matrix @ ones  # [m]
    change = least_squares(matrix, owed)
    gradient = np.abs(matrix.T @ (matrix @ change - owed)).max(initial=0.0)
    size = np.abs(matrix).max(initial=0.0) * max(np.abs(owed).max(initial=0.0), 1.0)
    residual = float(gradient / max(size, 1e-300))
    if not residual <= _ROUNDING:
        raise NotConvergedError(
            f"the least squares over {len(owed)} moments leaves a relative gradient of {residual:.3g}; expected at "
            f"most {_ROUNDING:g}. Rescale the test functions."
        )
    return basis @ (ones + change), residual


def least_squares(matrix: Floats, right: Floats) -> Floats:
    """The least-squares solution of least norm; singular values that are only rounding count as zero."""
    cut = max(matrix.shape) * np.finfo(np.float64).eps
    return np.asarray(lstsq(matrix, right, cond=cut, lapack_driver="gelsd")[0], dtype=np.float64)


def random_test_functions(count: int, shape: tuple[int, int], generator: np.random.Generator) -> BasisFunctions:
    """The constant and `count` - 1 Gaussian functions of the pair, [count, S, A]."""
    check_at_least("count", count, 1)
    functions = generator.normal(size=(count, *shape))
    functions[0] = 1.0
    return functions
