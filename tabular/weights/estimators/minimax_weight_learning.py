"""Minimax weight learning: the weights whose flow residual a whole ball of test functions cannot see.

    min over the class of w of  max over |f|_K <= 1 of <c(w), f>^2  =  c(w)^T K c(w)

Source: Uehara, Huang, Jiang (2020), "Minimax weight and Q-function learning for off-policy evaluation".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from tabular.types import Floats
from tabular.weights.estimators.iteration import check_positive
from tabular.weights.estimators.moments import match_moments
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem, WeightEstimate

_SYMMETRY = 1e-5  # of a kernel, relative to its largest entry
_CUT = 1e-13  # eigenvalues of the kernel below this share of the largest are rounding


@dataclass(frozen=True, kw_only=True)
class MinimaxWeightLearning:
    """Least squares in the norm of a kernel on pairs; a full-rank kernel and tabular weights give the plug-in.

    Attributes:
        kernel: [S*A, S*A], symmetric and positive semidefinite, or None for the indicator kernel.
        weight_functions: what w is linear in, [K, S, A]; every function of the pair if None.
    """

    kernel: Floats | None = None
    weight_functions: BasisFunctions | None = None

    def __post_init__(self) -> None:
        if (
            self.kernel is not None
            and np.abs(self.kernel - self.kernel.T).max() > _SYMMETRY * np.abs(self.kernel).max()
        ):
            raise InvalidArgumentError("kernel is not symmetric; expected K(x, y) = K(y, x). Pass (K + K.T) / 2.")

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator.

        Raises:
            InvalidShapeError: a kernel of another size.
            InvalidArgumentError: a kernel with negative eigenvalues.
            NotConvergedError: the least squares was not solved.
        """
        weights, residual = match_moments(problem, self._root(problem), self.weight_functions)
        return problem.finish("minimax weight learning", weights, residual)

    def _root(self, problem: EstimationProblem) -> Floats:
        """L with K = L L^T on the support, [n, m]: its columns are the test functions that the ball amounts to."""
        if self.kernel is None:
            return np.eye(len(problem.data))
        if self.kernel.shape != (problem.mass.size, problem.mass.size):
            raise InvalidShapeError(
                f"kernel has shape {self.kernel.shape}; the problem has {problem.mass.size} pairs, expected "
                f"[{problem.mass.size}, {problem.mass.size}]."
            )
        pairs = np.flatnonzero(problem.support)
        size, directions = np.linalg.eigh(self.kernel[np.ix_(pairs, pairs)])
        if size.min() < -1e-9 * max(size.max(), 0.0):
            raise InvalidArgumentError(f"kernel has the eigenvalue {size.min():.3g}; expected none below zero.")
        kept = size > _CUT * size.max()
        return directions[:, kept] * np.sqrt(size[kept])


def rbf_kernel(positions: Floats, n_actions: int, bandwidth: float) -> Floats:
    """exp(-|x - x'|^2 / (2 bandwidth^2)) if the actions agree, else 0: [S, D] positions to [S*A, S*A]."""
    check_positive("bandwidth", bandwidth)
    check_at_least("n_actions", n_actions, 1)
    distance = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    return np.kron(np.exp(-distance / (2.0 * bandwidth**2)), np.eye(n_actions))
