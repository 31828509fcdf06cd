"""The computation behind the figure `mopo-tradeoff`: what MOPO guarantees, and what its policy earns.

On a random MDP all deterministic policies are enumerated; on a grid world the trade-off is traced numerically, so that
its J(pi^delta) may be below the best possible one. In both, the model was fitted to data of a behavior policy and u is
the exact integral metric.  Source: MOPO, section 4.3 (Theorem 4.4, Eq. 11); theory.md, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.progress import progress
from tabular.bounds.integral_metrics import IntegralMetric, L1Distance, Wasserstein1
from tabular.bounds.penalized_mdp import (
    least_uncertain_policy,
    mean_uncertainty,
    penalized_optimum,
    penalized_return,
    penalty_weight,
    value_interval,
)
from tabular.bounds.penalty_tradeoff import TradeOff, ascend, enumerate_trade_off, norm_over_policies
from tabular.exact.dataset import sample_dataset
from tabular.exact.dynamics import maximum_likelihood
from tabular.exact.occupancy import action_value, expected_return
from tabular.exact.policy import epsilon_greedy_policy, mix_policies, optimal_policy, uniform_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.grid_world import GridLayout, grid_world
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Policy

_RANDOM_SEED, _GRID_SEED = (4, 1), (0, 2)
_RANDOM_ROWS, _GRID_ROWS = 300, 1_000  # of data
FRACTIONS = (0.0, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Penalty coefficients, as multiples of discount * c."""

_DELTAS = 400
_TRACE = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # multiples of 2 discount c at which the grid world's trade-off is traced
_MIXTURES = 9  # policies between two traced ones

_GRID = """
S....
.###.
.###.
....G
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One MDP with a model of it, and a metric with a constant c that serves every policy."""

    mdp: FiniteMDP
    model: FiniteMDP
    behavior: Policy
    metric: IntegralMetric
    norm: float
    is_enumerable: bool


def mopo_tradeoff(path: Path) -> None:
    """Both sides of Theorem 4.4 and Eq. 11 on two MDPs, each with two integral metrics; returns against lambda.

    Record, for M settings, D values of delta and L coefficients: `mdp`, `metric` [M], `delta` [M, D] in the unit of u,
    `best_return` [M, D] J(pi^delta), `bound` [M, D] Eq. 11's right side, `guarantee` [M] J(pi_hat) at lambda =
    discount c, `supremum` [M] Theorem 4.4's right side, `penalty_weight` [M], `behavior_point`, `optimum_point` and
    `chosen_point` [M, 2] (eps_u, J) of pi_b, pi* and pi_hat, `fraction` [L] of discount c, `true_return` and
    `claimed_return` [M, L] of each coefficient's optimum in the truth and in its penalized model, and `enumerated` [M].
    """
    settings = [*_random_settings(), *_grid_settings()]
    rows = []
    with progress("MOPO: trade-off of return and uncertainty", len(settings)) as bar:
        for setting in settings:
            rows.append(_measure(setting))
            bar.advance()
    check_replaceable(path)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    write_npz(path, columns | {"fraction": np.array(FRACTIONS)})


def _measure(setting: Setting) -> dict[str, object]:
    """One row of the record."""
    mdp, model = setting.mdp, setting.model
    uncertainty = setting.metric.distance(mdp, model)
    weight = penalty_weight(mdp.discount, setting.norm)
    optima = [penalized_optimum(model, uncertainty, fraction * weight) for fraction in FRACTIONS]
    chosen = optima[FRACTIONS.index(1.0)]
    if setting.is_enumerable:
        trade_off = enumerate_trade_off(mdp, model, uncertainty)
    else:
        trade_off = _traced_trade_off(setting, uncertainty, weight, optima)
    best = optimal_policy(mdp)
    last = max(mean_uncertainty(model, uncertainty, policy) for policy in (best, setting.behavior, chosen))
    deltas = np.linspace(trade_off.least_uncertainty, 1.05 * last, _DELTAS)
    returns = np.array([trade_off.best_return_within(delta) for delta in deltas])

    def point(policy: Policy) -> tuple[float, float]:
        return mean_uncertainty(model, uncertainty, policy), expected_return(mdp, policy)

    return {
        "mdp": mdp.name,
        "metric": setting.metric.name,
        "delta": deltas,
        "best_return": returns,
        "bound": returns - 2.0 * weight * deltas,
        "guarantee": expected_return(mdp, chosen),
        "supremum": trade_off.supremum(weight),
        "penalty_weight": weight,
        "behavior_point": point(setting.behavior),
        "optimum_point": point(best),
        "chosen_point": point(chosen),
        "true_return": [expected_return(mdp, policy) for policy in optima],
        "claimed_return": [
            penalized_return(model, uncertainty, fraction * weight, policy)
            for fraction, policy in zip(FRACTIONS, optima, strict=True)
        ],
        "enumerated": float(setting.is_enumerable),
    }


def _traced_trade_off(setting: Setting, uncertainty: Floats, weight: float, optima: Sequence[Policy]) -> TradeOff:
    """Policies that maximize J - coefficient * eps_u for several coefficients, and mixtures of neighbors."""
    mdp, model = setting.mdp, setting.model
    found = [optimal_policy(mdp)]
    starts = [mix_policies(policy, uniform_policy(mdp), 0.05) for policy in (found[0], setting.behavior, *optima[-2:])]
    for fraction in _TRACE:
        last = mix_policies(found[-1], uniform_policy(mdp), 0.01)
        found.append(ascend(mdp, model, uncertainty, 2.0 * weight * fraction, [last, *starts]).policy)
    found += [least_uncertain_policy(model, uncertainty)]
    shares = np.linspace(0.0, 1.0, _MIXTURES + 2)[:-1]
    between = [mix_policies(first, second, float(share)) for first, second in pairwise(found) for share in shares]
    policies = [*between, found[-1], *optima, setting.behavior]
    return TradeOff(
        expected_return=np.array([expected_return(mdp, policy) for policy in policies]),
        mean_uncertainty=np.array([mean_uncertainty(model, uncertainty, policy) for policy in policies]),
    )


def _random_settings() -> list[Setting]:
    """Six states on a line, in the order of their optimal values, and three actions: 729 deterministic policies."""
    generator = np.random.default_rng(_RANDOM_SEED)
    mdp = random_mdp(6, 3, generator, discount=0.8, concentration=0.3, nonnegative_reward=True)
    mdp = FiniteMDP(mdp.dynamics, mdp.reward, mdp.initial, mdp.discount, name="random MDP")
    value = action_value(mdp, optimal_policy(mdp))
    behavior = epsilon_greedy_policy(value + generator.normal(0.0, 0.5, (6, 3)), 0.1)
    model = _fitted_model(mdp, behavior, _RANDOM_ROWS, generator)
    positions = np.argsort(np.argsort(value.max(axis=1))) / 5.0
    metrics = (L1Distance(centered=True), Wasserstein1(metric=np.abs(positions[:, None] - positions)))
    return [
        Setting(
            mdp=mdp,
            model=model,
            behavior=behavior,
            metric=metric,
            norm=norm_over_policies(mdp, metric.norm),
            is_enumerable=True,
        )
        for metric in metrics
    ]


def _grid_settings() -> list[Setting]:
    """Fourteen cells around a block of walls, and the end; the metric counts the moves between two cells."""
    layout = GridLayout.from_text(_GRID)
    mdp = grid_world(layout, slip=0.2, discount=0.9).to_dense()
    generator = np.random.default_rng(_GRID_SEED)
    behavior = epsilon_greedy_policy(action_value(mdp, optimal_policy(mdp)), 0.3)
    model = _fitted_model(mdp, behavior, _GRID_ROWS, generator)
    cells = np.concatenate([layout.state_cells, np.argwhere(layout.goals)])  # the goal stands for the end
    moves = np.abs(cells[:, None] - cells).sum(axis=-1).astype(np.float64)
    lowest, highest = value_interval(mdp)
    transport = Wasserstein1(metric=moves)
    metrics: tuple[tuple[IntegralMetric, float], ...] = (
        (L1Distance(centered=True), float(highest.max() - lowest.min()) / 2.0),
        (transport, transport.norm_between(lowest, highest)),
    )
    return [
        Setting(mdp=mdp, model=model, behavior=behavior, metric=metric, norm=norm, is_enumerable=False)
        for metric, norm in metrics
    ]


def _fitted_model(mdp: FiniteMDP, behavior: Policy, n_rows: int, generator: np.random.Generator) -> FiniteMDP:
    """The maximum-likelihood model of a data set; where there are no data, a next state drawn at random."""
    counts = sample_dataset(mdp, behavior, n_rows, generator).transition_counts()
    stray = np.eye(mdp.n_states)[generator.integers(mdp.n_states, size=counts.shape[:2])]
    unseen = counts.sum(axis=2, keepdims=True) == 0
    return mdp.with_dynamics(maximum_likelihood(counts + unseen * stray))
