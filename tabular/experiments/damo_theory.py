"""The computations behind the figures of DAMO's theory; each writes one record that `figures/` draws.

damo-gap       J, J - alpha KL, S, D and J in the model of one policy, against alpha and against the model's error
damo-maximin   what the maximizer of each objective earns in the truth, and what it was said to earn
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.processes import available_cores, map_in_processes
from ampl.progress import progress
from tabular.alignment.inner_minimum import inner_minimum
from tabular.alignment.maximin import maximize
from tabular.alignment.policy_objectives import AlignedModelReturn, MaximinValue, ModelReturn, Surrogate
from tabular.alignment.surrogate import regularized_return, surrogate
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler
from tabular.dice.regularized_optimum import regularized_optimum
from tabular.exact.occupancy import action_value, expected_return, occupancy
from tabular.exact.policy import (
    epsilon_greedy_policy,
    mix_policies,
    optimal_policy,
    random_policy,
    softmax_policy,
    uniform_policy,
)
from tabular.mdps.generators import random_dynamics, random_mdp
from tabular.types import Policy

SEED = 0
KINDS: tuple[Divergence, ...] = (ChiSquared(), KullbackLeibler(), Cubic())
_ALPHAS = np.geomspace(0.01, 10.0, 25)
_ERRORS = np.linspace(0.0, 0.9, 19)  # share of the model's rows that is noise
_FIXED_ALPHA, _FIXED_ERROR = 0.1, 0.3
_N_MDPS = 50  # for the shares
_MAXIMIN_ALPHAS = np.geomspace(0.01, 10.0, 7)
_MAXIMIN_MDPS = 12
_DATA = 0.1  # rows of data a pair in the mean; the noise counts for one row of every pair
_VALUES = ("J(π, P*)", "J − α KL(ρ_T‖ρ_B)", "surrogate S", "inner minimum D", "J(π, P̂)")


def damo_gap(path: Path) -> None:
    """Five values of one policy on a random MDP of 6 states, and how often D exceeds J over 50 such MDPs.

    Record: `divergence` [F], `value_name` [V], `alpha` [G], `model_error` [H], `by_alpha` [F, V, G], `by_error`
    [F, V, H] in reward units a step; `share_by_alpha` [F, G] and `share_by_error` [F, H] of MDPs with D > J; and the
    numbers `fixed_alpha`, `fixed_error`, `mdps`.
    """
    n_points = len(_ALPHAS) + len(_ERRORS)
    by_alpha = np.zeros((len(KINDS), len(_VALUES), len(_ALPHAS)))
    by_error = np.zeros((len(KINDS), len(_VALUES), len(_ERRORS)))
    exceeds = np.zeros((_N_MDPS, len(KINDS), n_points))
    with progress("DAMO: surrogate and inner minimum", _N_MDPS) as bar:
        for number, found in enumerate(map_in_processes(_gap_values, range(_N_MDPS), available_cores())):
            if number == 0:
                by_alpha, by_error = found[..., : len(_ALPHAS)], found[..., len(_ALPHAS) :]
            exceeds[number] = found[:, 3] > found[:, 0] + 1e-9
            bar.advance()
    share = exceeds.mean(axis=0)
    check_replaceable(path)
    write_npz(
        path,
        {
            "divergence": np.array(["f = (x−1)²", "f = x log x", "f = x³/3"]),
            "value_name": np.array(_VALUES),
            "alpha": _ALPHAS,
            "model_error": _ERRORS,
            "by_alpha": by_alpha,
            "by_error": by_error,
            "share_by_alpha": share[:, : len(_ALPHAS)],
            "share_by_error": share[:, len(_ALPHAS) :],
            "fixed_alpha": np.float64(_FIXED_ALPHA),
            "fixed_error": np.float64(_FIXED_ERROR),
            "mdps": np.float64(_N_MDPS),
        },
    )


def _gap_values(number: int) -> np.ndarray:
    """The five values at each f and point, [F, V, G + H]."""
    settings = [(alpha, _FIXED_ERROR) for alpha in _ALPHAS] + [(_FIXED_ALPHA, error) for error in _ERRORS]
    values = np.empty((len(KINDS), len(_VALUES), len(settings)))
    for point, (alpha, error) in enumerate(settings):
        support = _support(number, float(error))
        policy = epsilon_greedy_policy(action_value(support.mdp, optimal_policy(support.mdp)), 0.2)
        occupancies = support.occupancies(policy)
        for row, kind in enumerate(KINDS):
            values[row, :, point] = _five_values(occupancies, float(alpha), kind)
    return values


def _five_values(occupancies: TransitionOccupancies, alpha: float, kind: Divergence) -> list[float]:
    support, policy = occupancies.support, occupancies.policy
    return [
        expected_return(support.mdp, policy),
        regularized_return(occupancies, alpha),
        surrogate(occupancies, alpha, kind),
        inner_minimum(occupancies, alpha, kind).value,
        expected_return(support.model, policy),
    ]


def _support(number: int, error: float, behavior_epsilon: float = 0.6) -> TransitionSupport:
    """A random MDP with rewards in [0, 1], a model of which a share is noise, and an epsilon-greedy behavior policy."""
    mdp = random_mdp(6, 3, np.random.default_rng([SEED, number]), discount=0.9, nonnegative_reward=True)
    noise = random_dynamics(6, 3, np.random.default_rng([SEED, number, 1]), 0.3)
    model = mdp.with_dynamics((1.0 - error) * mdp.to_dense().dynamics + error * noise)
    behavior = epsilon_greedy_policy(action_value(mdp, optimal_policy(mdp)), behavior_epsilon)
    return TransitionSupport(mdp, model, mix_policies(behavior, uniform_policy(mdp), 0.05))


def _scarce_support(number: int) -> TransitionSupport:
    """A random MDP of 6 states, a narrow random behavior policy, and a model that is noise where it seldom goes."""
    generator = np.random.default_rng([SEED, number, 2])
    mdp = random_mdp(6, 3, generator, discount=0.95, concentration=0.1, nonnegative_reward=True)
    behavior = mix_policies(random_policy(6, 3, generator, 0.5), uniform_policy(mdp), 0.05)
    rows = _DATA * mdp.reward.size * occupancy(mdp, behavior)[..., None]
    noise = random_dynamics(6, 3, generator, 0.1)
    return TransitionSupport(mdp, mdp.with_dynamics((rows * mdp.to_dense().dynamics + noise) / (rows + 1.0)), behavior)


@dataclass(frozen=True)
class _Outcome:
    """What a method's policy was said to earn, and earns."""

    claimed: float
    policy: Policy


def _model_return(support: TransitionSupport, alpha: float) -> _Outcome:
    found = maximize(ModelReturn(support), [uniform_policy(support.mdp)], scale=support.mdp.reward_bound)
    return _Outcome(found.value, found.policy)


def _without_behavior_alignment(support: TransitionSupport, alpha: float) -> _Outcome:
    found = maximize(AlignedModelReturn(support, alpha), [uniform_policy(support.mdp)], scale=support.mdp.reward_bound)
    return _Outcome(found.value, found.policy)


def _maximin(support: TransitionSupport, alpha: float, *, data_alignment: bool = True) -> _Outcome:
    objective = MaximinValue(support, alpha, ChiSquared(), data_alignment=data_alignment)
    found = maximize(objective, [uniform_policy(support.mdp)], scale=support.mdp.reward_bound)
    return _Outcome(_critic_estimate(objective, found.policy), found.policy)


def _without_data_alignment(support: TransitionSupport, alpha: float) -> _Outcome:
    return _maximin(support, alpha, data_alignment=False)


def _inconsistent(support: TransitionSupport, alpha: float) -> _Outcome:
    """DAMO's critic with an actor that maximizes Q itself, as SAC's does: the last of many damped soft improvements."""
    objective = MaximinValue(support, alpha, ChiSquared())
    policy = uniform_policy(support.mdp)
    for _ in range(_INCONSISTENT_STEPS):
        _, solution = objective.inner(policy)
        policy = mix_policies(policy, softmax_policy(solution.action_value, _TEMPERATURE), 0.3)
        policy = mix_policies(policy, uniform_policy(support.mdp), 1e-6)
    return _Outcome(_critic_estimate(objective, policy), policy)


def _surrogate(support: TransitionSupport, alpha: float) -> _Outcome:
    found = maximize(
        Surrogate(support, alpha, ChiSquared()), [uniform_policy(support.mdp)], scale=support.mdp.reward_bound
    )
    return _Outcome(found.value, found.policy)


def _regularized(support: TransitionSupport, alpha: float) -> _Outcome:
    behavior = support.by_pair(support.data)
    policy = behavior / behavior.sum(axis=1, keepdims=True)
    found = regularized_optimum(support.mdp, policy, alpha)
    return _Outcome(found.value, found.policy)


def _critic_estimate(objective: MaximinValue, policy: Policy) -> float:
    """(1 - discount) E_{mu0,pi}[Q] of the inner minimizer: what DAMO's Table 1 compares with the return."""
    _, solution = objective.inner(policy)
    mdp = objective.support.mdp
    return float((1.0 - mdp.discount) * mdp.initial @ (policy * solution.action_value).sum(axis=1))


_TEMPERATURE = 0.05  # of the inconsistent actor, in units of Q
_INCONSISTENT_STEPS = 100
_METHODS: dict[str, Callable[[TransitionSupport, float], _Outcome]] = {
    "J in the model, no alignment": _model_return,
    "DAMO without behavior alignment": _without_behavior_alignment,
    "DAMO without data alignment": _without_data_alignment,
    "DAMO's critic, inconsistent actor": _inconsistent,
    "DAMO: max D": _maximin,
    "max S (needs the truth)": _surrogate,
    "max J − α KL (needs the truth)": _regularized,
}


def damo_maximin(path: Path) -> None:
    """Maximizes each objective on 12 random MDPs whose models are wrong where data are scarce, at seven coefficients.

    How scarce was chosen after looking: of three amounts of data (1, 0.1 and 0.01 rows a pair) this is the one at which
    alignment helped a small coefficient; with more or with less, plain J in the model earns more than max D. Two other
    families of MDPs, where every model was good enough without alignment, were tried before and dropped.

    Record: `method` [M], `alpha` [G], `earned` [N, M, G] true return of the maximizer, 0 at the behavior policy's and 1
    at the optimum; `claimed` [N, M, G] what the method's objective or critic said, minus what the policy earns, in
    reward units a step.
    """
    tasks = [(number, float(alpha)) for number in range(_MAXIMIN_MDPS) for alpha in _MAXIMIN_ALPHAS]
    found = []
    with progress("DAMO: maximizing each objective", len(tasks)) as bar:
        for outcome in map_in_processes(_outcomes, tasks, available_cores()):
            found.append(outcome)
            bar.advance()
    values = np.array(found).reshape(_MAXIMIN_MDPS, len(_MAXIMIN_ALPHAS), len(_METHODS), 2).transpose(3, 0, 2, 1)
    check_replaceable(path)
    write_npz(
        path,
        {
            "method": np.array(tuple(_METHODS)),
            "alpha": _MAXIMIN_ALPHAS,
            "earned": values[0],
            "claimed": values[1],
        },
    )


def _outcomes(task: tuple[int, float]) -> list[tuple[float, float]]:
    number, alpha = task
    support = _scarce_support(number)
    mdp = support.mdp
    low, high = _behavior_return(support), expected_return(mdp, optimal_policy(mdp))
    outcomes = [method(support, alpha) for method in _METHODS.values()]
    returns = [expected_return(mdp, outcome.policy) for outcome in outcomes]
    return [
        ((value - low) / (high - low), outcome.claimed - value)
        for value, outcome in zip(returns, outcomes, strict=True)
    ]


def _behavior_return(support: TransitionSupport) -> float:
    return float(support.data @ support.reward)
