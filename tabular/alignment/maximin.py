"""Maximizes objectives over softmax policies.  Source: theory.md, section 6."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ampl.errors import NotConvergedError
from tabular.alignment.policy_objectives import Objective
from tabular.exact.policy import softmax_policy
from tabular.exact.policy_gradient import logit_gradient
from tabular.types import Floats, Policy

_LARGEST_LOGIT = 30.0  # beyond it an action's probability is zero for every purpose: exp(-60)
_RESTARTS = 10
_SLOPE = 1e-5  # per logit, relative to the objective's scale


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum:
    """A policy that no small change improves.

    Attributes:
        policy: [S, A].
        value: the objective there.
        slope: largest |derivative| in a logit that is free to move, in the objective's unit.
    """

    policy: Policy
    value: float
    slope: float


def ascend(objective: Objective, policy: Policy, max_iterations: int, scale: float = 1.0) -> Maximum:
    """At most so many L-BFGS iterations on the logits of a softmax policy; not necessarily to a maximum.

    Args:
        objective: to rise.
        policy: to start from, [S, A].
        max_iterations: at most.
        scale: r_max, > 0, by which the objective is divided: L-BFGS's tolerances are absolute.
    """
    shape = policy.shape

    def loss(flat: Floats) -> tuple[float, Floats]:
        current = softmax_policy(flat.reshape(shape))
        value, gradient = objective(current)
        return -value / scale, -logit_gradient(current, gradient).ravel() / scale

    logits = np.log(np.maximum(policy, 1e-300))
    logits = np.clip(logits - logits.max(axis=1, keepdims=True), -_LARGEST_LOGIT, 0.0)
    found = minimize(
        loss,
        logits.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_LARGEST_LOGIT, _LARGEST_LOGIT)] * policy.size,
        options={"maxiter": max_iterations, "ftol": 1e-15, "gtol": 1e-12},
    )
    at_bound = np.abs(found.x) >= _LARGEST_LOGIT
    slope = float(np.abs(np.where(at_bound, 0.0, found.jac)).max()) * scale
    return Maximum(policy=softmax_policy(found.x.reshape(shape)), value=-float(found.fun) * scale, slope=slope)


def maximize(objective: Objective, starts: list[Policy], *, scale: float, max_iterations: int = 2000) -> Maximum:
    """The best of the maxima that L-BFGS finds from several policies; objectives need not be concave.

    Args:
        objective: to rise.
        starts: policies, [S, A] each.
        scale: r_max, > 0: slopes are small or large beside it, or beside the value where that is larger.
        max_iterations: at most, from each.

    Raises:
        NotConvergedError: the best one is still rising.
    """
    climbed = (_climb(objective, start, max_iterations, scale) for start in starts)
    found = max(climbed, key=lambda maximum: maximum.value)
    if not found.slope <= _allowed(found, scale):
        raise NotConvergedError(
            f"the objective still rises by {found.slope:.3g} per logit after {max_iterations} iterations; "
            f"expected at most {_allowed(found, scale):.3g}. Raise max_iterations."
        )
    return found


def _allowed(found: Maximum, scale: float) -> float:
    return _SLOPE * max(scale, abs(found.value))


def _climb(objective: Objective, start: Policy, max_iterations: int, scale: float) -> Maximum:
    """Ascends again from where a line search gave up, as long as that still helps."""
    found = ascend(objective, start, max_iterations, scale)
    for _ in range(_RESTARTS):
        if found.slope <= _allowed(found, scale):
            break
        again = ascend(objective, found.policy, max_iterations, scale)
        if not again.value > found.value:
            break
        found = again
    return found
