"""Variational power iteration (VPM): T iteration with a regression in a function class at every step.

    w <- argmin over the class of E_{d_D}[(w - (1 - a_k) w_k - a_k T w_k)^2], then divided by its mean;  a_k = k^-power

Source: Wen, Dai, Li, Schuurmans (2020), "Batch stationary distribution estimation", as AMPL uses it. The regression is
solved exactly rather than by gradient steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidDistributionError, NotConvergedError, check_at_least, check_fraction
from tabular.weights.estimators.iteration import check_positive
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem, WeightEstimate


@dataclass(frozen=True, kw_only=True)
class VariationalPowerIteration:
    """VPM in a linear class; in the tabular class on covered data its limit is the plug-in.

    Attributes:
        weight_functions: what w is linear in, [K, S, A]; every function of the pair if None.
        step_power: in [0, 1]: 0 takes full steps, AMPL's program has 1/2.
        tolerance: on ||projected T w - w|| / (1 - discount) in L1(d_D), > 0.
        max_iterations: >= 1.
    """

    weight_functions: BasisFunctions | None = None
    step_power: float = 0.0
    tolerance: float = 1e-9
    max_iterations: int = 200_000

    def __post_init__(self) -> None:
        check_fraction("step_power", self.step_power)
        check_positive("tolerance", self.tolerance)
        check_at_least("max_iterations", self.max_iterations, 1)

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator.

        Raises:
            NotConvergedError: still moving after `max_iterations`; a projected T need not be a contraction.
            InvalidDistributionError: an iterate has no positive mean to be divided by.
        """
        basis = problem.basis(self.weight_functions)  # [n, k]
        change = basis.T @ problem.bellman.T @ (problem.data[:, None] * basis)  # of T's linear part, [k, k]
        constant = basis.T @ problem.start  # [k]
        mean = basis.T @ problem.data  # of each function; also the coefficients of the member nearest to one
        absolute = np.abs(problem.data[:, None] * basis)
        weights = mean / (mean @ mean) if mean.any() else mean
        for k in range(1, self.max_iterations + 1):
            step = constant - change @ weights  # projected T w - w
            moved = weights + k**-self.step_power * step
            total = mean @ moved
            if not 0.0 < total < np.inf:
                raise InvalidDistributionError(
                    f"VPM: iterate {k} has mean {total:.3g}; expected a positive mean to normalize by. Enlarge the "
                    "function class or collect more transitions."
                )
            moved = moved / total
            left = absolute.sum(axis=0) @ np.abs(moved - weights) * k**self.step_power / (1.0 - problem.discount)
            weights = moved
            if left <= self.tolerance:
                return problem.finish("VPM", basis @ weights, left)
        raise NotConvergedError(
            f"VPM still moves by {left:.3g} after {self.max_iterations} iterations; expected {self.tolerance:g}. "
            "Raise max_iterations or enlarge the function class."
        )
