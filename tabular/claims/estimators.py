"""Claims about estimators of the weights: exact expectations, tabular classes.  Source: theory.md, section 7."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.errors import NotConvergedError
from tabular.claims.case import Case
from tabular.weights.contraction import NORMS
from tabular.weights.estimators.lagrangian import RegularizedLagrangian, dualdice, gendice
from tabular.weights.estimators.minimax_weight_learning import MinimaxWeightLearning
from tabular.weights.estimators.problem import EstimationProblem, Estimator, PlugIn, doubly_robust_return

_PAIRS = 60  # largest case: the solves cost the cube of the number of pairs
_ITERATIONS = 30
_LOST_MEAN = 1e-6


@lru_cache(maxsize=1)
def _problem(case: Case) -> EstimationProblem:
    """Exact expectations, from what the case has computed already."""
    return EstimationProblem(
        mass=case.behavior_occupancy,
        dynamics=case.mdp.dynamics,
        initial=case.mdp.initial,
        reward=case.mdp.reward,
        discount=case.discount,
        policy=case.policy,
    )


def _recovers_weights(*estimators: Estimator) -> Callable[[Case], Measurement | None]:
    """Measures the L1(d_b) distance of an estimator's weights to w*, against zero; the largest of several."""

    def measure(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        distances = []
        for found in (estimator.estimate(_problem(case)) for estimator in estimators):
            if abs(found.mean - 1.0) > _LOST_MEAN:  # implied by the flow of the data, (1 - discount) times as visibly
                raise NotConvergedError(f"the mean of the estimated weights is off one by {abs(found.mean - 1.0):.2g}.")
            distances.append(float(NORMS["L1(d_b)"](found.weights - case.weights, case.behavior_occupancy)))
        return Measurement(left=max(distances), right=0.0, rounding=_rounding(case))

    return measure


def _iteration_certificate(case: Case) -> Measurement | None:
    if case.n_pairs > _PAIRS:
        return None
    weights = np.where(case.operator.support, 1.0, 0.0)
    for _ in range(_ITERATIONS):
        weights = case.operator(weights)
    norm = NORMS["L1(d_b)"]
    moves = float(norm(case.operator(weights) - weights, case.behavior_occupancy))
    error = float(norm(weights - case.weights, case.behavior_occupancy))
    rounding = 1e-13 / (1.0 - case.discount)
    return Measurement(left=max(error - rounding, 0.0), right=moves / (1.0 - case.discount) + rounding)


def _critic_keeps_return(case: Case) -> Measurement | None:
    """J against (1 - discount) E[Q(s0, a0)] + lambda."""
    return _reading(case, RegularizedLagrangian(primal_weight=1.0, reward_weight=1.0, normalized=True))


def _positive_critic_keeps_return(case: Case) -> Measurement | None:
    if case.n_pairs > 12:
        return None
    positive = RegularizedLagrangian(primal_weight=1.0, reward_weight=1.0, positive=True)
    free = RegularizedLagrangian(primal_weight=1.0, reward_weight=1.0)
    slack = not (free.solve(_problem(case)).weights < 0.0).any()
    return _reading(case, positive, condition_met=slack)


def _reading(case: Case, family: RegularizedLagrangian, condition_met: bool = True) -> Measurement | None:
    if case.n_pairs > _PAIRS:
        return None
    reading = family.solve(_problem(case)).primal_return
    return Measurement(left=reading, right=case.expected_return, condition_met=condition_met, rounding=_rounding(case))


def _rounding(case: Case) -> float:
    """What rounding can do to the solution of equations in I - discount P_pi, whose condition grows like this."""
    return 1e-12 / (1.0 - case.discount)


def _doubly_robust(case: Case) -> Measurement | None:
    """Either side right: w* with a random Q, and a random w with Q_pi."""
    if case.n_pairs > _PAIRS:
        return None
    problem = _problem(case)
    critic, weights = case.random_function("critic"), 1.0 + case.random_function("weights")
    readings = (
        doubly_robust_return(problem, case.weights, critic),
        doubly_robust_return(problem, weights, _supported(case, problem)),
    )
    off = max(abs(reading - case.expected_return) for reading in readings)
    return Measurement(left=off, right=0.0, rounding=_rounding(case))


def _supported(case: Case, problem: EstimationProblem) -> np.ndarray:
    """Q_pi of the data's own MDP, [S, A], zero without data."""
    value = np.zeros_like(case.policy)
    value[problem.support] = problem.action_value
    return value


def _recovery(name: str, source: str, statement: str, *estimators: Estimator) -> Claim:
    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=Relation.EQUAL,
        measure=_recovers_weights(*estimators),
        expected=Verdict.HOLDS,
        tolerance=1e-6,  # conditioning: 1 / (1 - discount) times that of the least squares
    )


CLAIMS = (
    _recovery("plug-in-exact", "theory.md, section 7", "the model-based plug-in gives w*", PlugIn()),
    Claim(
        name="iteration-certificate",
        source="AMPL, Proposition 2",
        statement="T iteration is off by at most ‖w - T w‖ / (1 - γ) in L1(d_b)",
        relation=Relation.AT_MOST,
        measure=_iteration_certificate,
        expected=Verdict.HOLDS,
        tolerance=1e-6,
    ),
    _recovery(
        "gendice-exact",
        "Zhang et al. (2020), GenDICE",
        "the saddle point of GenDICE's corner of the regularized Lagrangian gives w*",
        gendice(),
    ),
    _recovery(
        "dualdice-exact",
        "Nachum et al. (2019), DualDICE",
        "the saddle point of DualDICE with f = |x|^{3/2} gives w*",
        dualdice(),
    ),
    _recovery(
        "minimax-weights-exact",
        "Uehara et al. (2020), minimax weight learning",
        "minimax weight learning with the indicator kernel gives w*",
        MinimaxWeightLearning(),
    ),
    _recovery(
        "dual-regularization-keeps-weights",
        "Yang et al. (2020), regularized Lagrangian",
        "with dual regularization alone the weights are w*, the reward in the objective or not",
        RegularizedLagrangian(dual_weight=1.0, reward_weight=1.0),
        RegularizedLagrangian(dual_weight=1.0),
    ),
    Claim(
        name="primal-regularization-keeps-weights",
        source="converse of a finding of Yang et al. (2020)",
        statement="with primal regularization alone and the reward in the objective the weights are w*",
        relation=Relation.EQUAL,
        measure=_recovers_weights(RegularizedLagrangian(primal_weight=1.0, reward_weight=1.0, normalized=True)),
        expected=Verdict.FAILS_AS_PRINTED,
        tolerance=1e-6,
    ),
    Claim(
        name="primal-regularization-keeps-value",
        source="Yang et al. (2020), regularized Lagrangian",
        statement="with primal regularization alone and the reward, (1-γ) E[Q(s0,a0)] + λ = J without w ≥ 0",
        relation=Relation.EQUAL,
        measure=_critic_keeps_return,
        expected=Verdict.HOLDS,
        tolerance=1e-6,
    ),
    Claim(
        name="primal-regularization-positive",
        source="Yang et al. (2020), regularized Lagrangian",
        statement="with primal regularization alone, the reward and w ≥ 0, (1-γ) E[Q(s0,a0)] = J",
        relation=Relation.EQUAL,
        measure=_positive_critic_keeps_return,
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="the constraint w ≥ 0 does not bind",
        tolerance=1e-6,
    ),
    Claim(
        name="doubly-robust-return",
        source="Yang et al. (2020), the unregularized Lagrangian",
        statement="(1-γ) E[Q(s0,a0)] + E[w (r + γ Q' - Q)] = J if w = w* or Q = Q_π",
        relation=Relation.EQUAL,
        measure=_doubly_robust,
        expected=Verdict.HOLDS,
        tolerance=1e-6,
    ),
)
