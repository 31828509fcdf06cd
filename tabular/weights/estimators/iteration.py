"""T iteration: w <- T w until it stands still.  Source: AMPL, Eq. 9, Proposition 2; theory.md, section 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError, NotConvergedError, check_at_least
from tabular.weights.estimators.problem import EstimationProblem, WeightEstimate


@dataclass(frozen=True, kw_only=True)
class WeightIteration:
    """Iterates Eq. 9 from w = 1; in L1(d_D) each step shrinks the error to at most `discount` times itself.

    Attributes:
        tolerance: bound on the L1(d_D) error that is left, > 0; ||w - T w|| / (1 - discount) certifies it.
        max_iterations: >= 1.
    """

    tolerance: float = 1e-9
    max_iterations: int = 200_000

    def __post_init__(self) -> None:
        check_positive("tolerance", self.tolerance)
        check_at_least("max_iterations", self.max_iterations, 1)

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator; ends at the fixed point of T on the data, which is the plug-in.

        Raises:
            NotConvergedError: the certificate is above the tolerance after `max_iterations`.
        """
        mass = problem.data.copy()  # w d_D at w = 1: T acts on it as mass -> mass + c(w)
        for _ in range(self.max_iterations):
            step = problem.start - problem.bellman.T @ mass
            left = np.abs(step).sum() / (1.0 - problem.discount)
            if left <= self.tolerance:
                return problem.finish("T iteration", mass / problem.data, left)
            mass = mass + step
        raise NotConvergedError(
            f"T iteration may still be off by {left:.3g} in L1(d_D) after {self.max_iterations} iterations; expected "
            f"{self.tolerance:g}. Raise max_iterations."
        )


def check_positive(name: str, value: float) -> None:
    """Raises InvalidArgumentError unless 0 < value < infinity (NaN fails)."""
    if not 0.0 < value < np.inf:
        raise InvalidArgumentError(f"{name} is {value!r}; expected a finite positive number.")
