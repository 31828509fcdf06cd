"""What a policy can be trained to maximize, from the true return to DAMO's maximin value, each with its exact gradient.

Every objective maps a policy to its value and the gradient in pi(a|s), rows free, [S, A]. That of D(pi) uses the
envelope theorem: the inner minimizer Q is held fixed.  Source: DAMO, sections 4 and 5; theory.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tabular.alignment.inner_minimum import InnerMinimum, inner_minimum, inner_minimum_closed_form
from tabular.alignment.ratio_program import generator_slope
from tabular.alignment.surrogate import check_coefficient, surrogate
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import Divergence
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy_gradient import occupancy_gradient
from tabular.types import Floats, Policy


class Objective(Protocol):
    """A function of the policy with its gradient."""

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """Value, per step in reward units, and gradient, [S, A]."""


@dataclass(frozen=True, eq=False)
class ModelReturn:
    """J(pi, P_hat): what a model-based method without pessimism maximizes."""

    support: TransitionSupport

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """See Objective."""
        model = self.support.model
        return expected_return(model, policy), occupancy_gradient(model, policy, occupancy(model, policy), model.reward)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """S(pi), DAMO's Eq. 1, computed with the truth that training does not have."""

    support: TransitionSupport
    alpha: float
    kind: Divergence

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """See Objective."""
        occupancies = self.support.occupancies(policy)
        value = surrogate(occupancies, self.alpha, self.kind)
        modeled = occupancies.model > 0.0
        ratio = np.divide(occupancies.truth, occupancies.model, out=np.ones_like(occupancies.model), where=modeled)
        met = ratio > 0.0  # elsewhere the slope of x log x is infinite, at a mass of zero
        slope = np.where(met, generator_slope(self.kind, np.where(met, ratio, 1.0)), 0.0)
        in_truth = self.support.reward - self.alpha * (occupancies.log_ratio() + slope)
        in_model = -self.alpha * (ratio + self.kind.generator(ratio) - ratio * slope)
        return value, _true_gradient(occupancies, in_truth) + _model_gradient(occupancies, in_model)


@dataclass(frozen=True, eq=False)
class AlignedModelReturn:
    """E_{rho_M}[r - alpha R], DAMO without behavior alignment ("w/o ir"): the return in the model minus alpha R."""

    support: TransitionSupport
    alpha: float

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """See Objective."""
        check_coefficient(self.alpha)
        occupancies = self.support.occupancies(policy)
        aligned = self.support.reward - self.alpha * occupancies.log_ratio()
        return float(occupancies.model @ aligned), _model_gradient(
            occupancies, aligned
        )  # R's own gradient has mean zero


@dataclass(frozen=True, eq=False)
class MaximinValue:
    """D(pi), DAMO's Eq. 2: the inner minimum over Q.

    Attributes:
        support: truth, model and data.
        alpha: coefficient of both regularizers.
        kind: f.
        data_alignment: without it, DAMO's variant "w/o er".
        closed_form: whether f = (x-1)^2 may take negative ratios, so that one linear solve suffices.
    """

    support: TransitionSupport
    alpha: float
    kind: Divergence
    data_alignment: bool = True
    closed_form: bool = False

    def inner(self, policy: Policy) -> tuple[TransitionOccupancies, InnerMinimum]:
        """The occupancies of the policy, and the solution of the inner problem."""
        occupancies = self.support.occupancies(policy)
        if self.closed_form:
            return occupancies, inner_minimum_closed_form(occupancies, self.alpha, data_alignment=self.data_alignment)
        return occupancies, inner_minimum(occupancies, self.alpha, self.kind, data_alignment=self.data_alignment)

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """See Objective."""
        occupancies, solution = self.inner(policy)
        slope = solution.residual / self.alpha
        conjugate: Callable[[Floats], Floats] = _quadratic if self.closed_form else self.kind.conjugate
        cost = conjugate(slope)
        if self.data_alignment:
            cost = cost - solution.ratio  # rho_M is in R as well
        in_model = self.alpha * np.where(occupancies.model > 0.0, cost, 0.0)
        discount, initial = self.support.mdp.discount, self.support.mdp.initial
        entering = (1.0 - discount) * initial + discount * self.support.by_next_state(solution.occupancy)
        return solution.value, entering[:, None] * solution.action_value + _model_gradient(occupancies, in_model)


def _quadratic(slope: Floats) -> Floats:
    """The conjugate of (x-1)^2 over all x."""
    return slope + slope**2 / 4.0


def _true_gradient(occupancies: TransitionOccupancies, slope: Floats) -> Floats:
    """Gradient in the policy of a function of rho_T whose derivative is `slope`, [K]."""
    support = occupancies.support
    reward = support.by_pair(support.true_row * slope)
    return occupancy_gradient(support.mdp, occupancies.policy, occupancies.true_visits, reward)


def _model_gradient(occupancies: TransitionOccupancies, slope: Floats) -> Floats:
    """The same for rho_M."""
    support = occupancies.support
    reward = support.by_pair(support.model_row * slope)
    return occupancy_gradient(support.model, occupancies.policy, occupancies.model_visits, reward)
