"""Claims of AlgaeDICE.  Source: theory.md, section 6."""

from __future__ import annotations

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.dice_case import DiceCase, dice_claim
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


def _first_order_gain(case: DiceCase) -> Measurement:
    """What the best first-order change of OptiDICE's policy, to actions that the data have, would gain.

    The slope in a logit would not do: it is zero at every deterministic policy, however bad.
    """
    policy = case.optimum.policy
    slope = case.objective(policy)[1]
    best = np.where(case.data > 0.0, slope, -np.inf).max(axis=1)
    gain = np.where(case.data.sum(axis=1) > 0.0, best - (policy * slope).sum(axis=1), 0.0)
    return Measurement(left=float(gain.sum()) / case.scale, right=0.0)


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
        tolerance=1e-9,
    ),
    dice_claim(
        "algaedice-optimum",
        "AlgaeDICE, section 3",
        "OptiDICE's policy is a maximum over π of min_ν: no change of it gains to first order (left: the gain)",
        _first_order_gain,
        relation=Relation.EQUAL,
        tolerance=1e-5,  # a gain is as small as the square root of the duality gap
    ),
    dice_claim(
        "algaedice-one-sample",
        "finding on AlgaeDICE, section 3",
        "with one sampled (s', a') in place of their mean the dual at ν* is larger",
        _one_sample_of_nu,
    ),
)
