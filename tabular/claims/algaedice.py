"""Claims of AlgaeDICE.  Source: theory.md, section 6."""

from __future__ import annotations

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.dice_case import FIRST_ORDER, DiceCase, dice_claim
from tabular.exact.policy_gradient import logit_gradient, occupancy_gradient


def _dual_is_the_regularized_return(case: DiceCase) -> Measurement:
    dual = case.objective.dual(case.case.policy, case.inner.action_value)
    return equal(dual, case.inner.value, case.scale + abs(case.inner.value))


def _dual_is_a_minimum(case: DiceCase) -> Measurement:
    other = case.inner.action_value + case.alpha * case.case.random_function("other nu")
    dual = case.objective.dual(case.case.policy, other)
    return at_least(dual, case.inner.value, case.scale + abs(case.inner.value))


def _policy_gradient(case: DiceCase) -> Measurement:
    """The largest difference of the two gradients in a logit, beside the largest one."""
    policy, found = case.case.policy, case.inner
    off_policy = logit_gradient(policy, case.objective.dual_gradient(policy, found.action_value))
    reward = case.objective.augmented_reward(found.weights)
    on_policy = logit_gradient(policy, occupancy_gradient(case.mdp, policy, found.occupancy, reward))
    size = case.scale + float(np.abs(found.occupancy * found.action_value).max())
    return Measurement(left=float(np.abs(off_policy - on_policy).max()) / size, right=0.0)


def _stationary(case: DiceCase) -> Measurement:
    """The largest slope in a logit at OptiDICE's policy."""
    policy = case.optimum.policy
    slope = logit_gradient(policy, case.objective(policy)[1])
    return Measurement(left=float(np.abs(slope).max()) / case.scale, right=0.0)


def _one_sample_of_nu(case: DiceCase) -> Measurement:
    """AlgaeDICE's dual with one (s', a') in place of their mean, at its minimizer and the case's policy."""
    policy, value = case.case.policy, case.inner.action_value
    following = case.mdp.reward[..., None, None] + case.mdp.discount * value - value[..., None, None]
    slope = following / case.alpha  # [S, A, S', A']
    mass = case.data[:, :, None, None] * case.mdp.dynamics[..., None] * policy
    start = (1.0 - case.mdp.discount) * float(case.mdp.initial @ (policy * value).sum(axis=1))
    met = mass > 0.0
    with np.errstate(over="ignore"):  # of KL: then the larger side is infinite
        sampled = start + case.alpha * float(mass[met] @ case.kind.conjugate(slope[met]))
    return at_least(sampled, case.inner.value, case.scale + abs(case.inner.value))


CLAIMS = (
    dice_claim(
        "algaedice-dual",
        "AlgaeDICE, section 3",
        "at ν* = Q of r - α f'(d_π/d_D) the dual over ν is J(π) - α D_f(d_π‖d_D)",
        _dual_is_the_regularized_return,
        relation=Relation.EQUAL,
    ),
    dice_claim(
        "algaedice-dual-minimum",
        "AlgaeDICE, section 3",
        "at any other ν the dual is at least as large",
        _dual_is_a_minimum,
    ),
    dice_claim(
        "algaedice-gradient",
        "AlgaeDICE, section 3",
        "with ν* held fixed the dual's gradient is the on-policy policy gradient for r - α f'(d_π/d_D)",
        _policy_gradient,
        relation=Relation.EQUAL,
        tolerance=FIRST_ORDER,
    ),
    dice_claim(
        "algaedice-optimum",
        "AlgaeDICE, section 3",
        "OptiDICE's policy is a maximum over π of min_ν: the gradient there is zero",
        _stationary,
        relation=Relation.EQUAL,
        tolerance=FIRST_ORDER,
    ),
    dice_claim(
        "algaedice-one-sample",
        "finding on AlgaeDICE, section 3",
        "with one sampled (s', a') in place of their mean the dual at ν* is larger",
        _one_sample_of_nu,
    ),
)
