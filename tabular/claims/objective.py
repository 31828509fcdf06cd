"""Claims about the tractable objective for the weights: Eqs. 10-11.  Source: theory.md, section 3."""

from __future__ import annotations

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.errors import NotConvergedError
from tabular.claims.case import Case
from tabular.exact.occupancy import one_step_value
from tabular.weights.contraction import NORMS
from tabular.weights.moments import indicator_conditions, moment_conditions, q_moment

_RANK_PAIRS = 120  # the rank of all indicator conditions costs the cube of the number of pairs


def _every_test_function(case: Case) -> Measurement:
    functions = np.stack([case.random_function(f"test {k}") for k in range(3)])
    conditions = moment_conditions(case.mdp, case.policy, case.behavior_occupancy, functions)
    return Measurement(left=float(np.abs(conditions.residual(case.weights)).max()), right=0.0)


def _moment_is_the_return(case: Case) -> Measurement:
    """The level discount J / (1 - discount) is taken out of Q_pi, and its share of the condition put back.

    So the digits of Q_pi that matter near discount 1 are kept: Eq. 10 is linear in the test function.
    """
    level = case.discount * case.expected_return  # (1 - discount) times the level
    relative = one_step_value(case.mdp, case.relative_value)
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, relative)
    coefficients = condition.coefficients[0] + level * case.behavior_occupancy
    coefficients_are_rewards = np.abs(coefficients - case.behavior_occupancy * case.mdp.reward).max()
    off = coefficients_are_rewards + abs(condition.constants[0] + level - case.expected_return)
    return Measurement(left=float(off), right=0.0, rounding=case.value_rounding)


def _moment_determines_weights(case: Case) -> Measurement | None:
    """TV(w d_b, d_pi), in [0, 1], for another nonnegative, mean-one solution w of Eq. 10 with AMPL's test function."""
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, case.model_action_value)
    direction = case.generator("direction").normal(size=int(condition.support.sum()))
    other = condition.farthest_solution(case.weights, case.behavior_occupancy, direction)
    scale = max(1.0, float(np.abs(condition.coefficients).sum()))
    residual = abs(float(condition.residual(other)[0]))
    if residual > 1e-9 * scale:
        raise NotConvergedError(f"The second solution of Eq. 10 leaves {residual:.2g}, expected {1e-9 * scale:.2g}.")
    distance = NORMS["L1(d_b)"](other - case.weights, case.behavior_occupancy)
    return Measurement(left=float(distance) / 2.0, right=0.0)


def _indicators_determine_weights(case: Case) -> Measurement | None:
    if case.n_pairs > _RANK_PAIRS:
        return None
    conditions = indicator_conditions(case.mdp, case.policy, case.behavior_occupancy)
    mass = np.where(case.operator.support, case.behavior_occupancy, 1.0)
    scaled = (conditions.coefficients / mass)[:, conditions.support]  # columns of I - discount P_pi, well conditioned
    rank = np.linalg.matrix_rank(scaled)
    return Measurement(left=float(conditions.support.sum() - rank), right=0.0)


CLAIMS = (
    Claim(
        name="moment-condition",
        source="AMPL, Eq. 10",
        statement="w* satisfies Eq. 10 with every test function",
        relation=Relation.EQUAL,
        measure=_every_test_function,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="moment-is-the-return",
        source="finding on AMPL, Eq. 10",
        statement="with Q_π under P* as the test function, Eq. 10 reads E_{d_b}[w r] = J(π,P*)",
        relation=Relation.EQUAL,
        measure=_moment_is_the_return,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="moment-determines-weights",
        source="AMPL, Eqs. 10-11 (implied)",
        statement="Eq. 10 with the action value as its only test function determines w (left: TV of w d_b to d_π)",
        relation=Relation.EQUAL,
        measure=_moment_determines_weights,
        expected=Verdict.FAILS_AS_PRINTED,
    ),
    Claim(
        name="indicators-determine-weights",
        source="remedy for AMPL, Eqs. 10-11",
        statement="Eq. 10 with one indicator test function a pair determines w (left: dimensions left free)",
        relation=Relation.EQUAL,
        measure=_indicators_determine_weights,
        expected=Verdict.HOLDS,
    ),
)
