"""Figure 2 with the truth beside it: the weight estimators of AMPL and its ablations where exact weights are known.

figure2-truth    on a finite problem: estimated and exact log weights at each of nine retrainings, and the errors

`figure2_continuous.py` has the same on a linear-Gaussian problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.finite_problem import find_finite_problem_provider
from ampl.interfaces import Array
from ampl.progress import progress
from ampl.randomness import stream
from continuous.experiments.finite import TableCritic, TablePolicy, transition_table
from continuous.networks.arithmetic import fast_arithmetic
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.estimator import Critic, EstimatorConfig, Policy
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig
from continuous.weights.vpm import VPMConfig

SEED = 0
RETRAININGS = 9  # R
_SHOWN_ROWS = 2000  # M
_STEPS = 400  # of each estimation
_PUBLISHED_DISCOUNT = 0.99


def scaled_estimators(
    discount: float, steps: int = _STEPS, hidden: tuple[int, ...] = (64, 64)
) -> Mapping[str, EstimatorConfig]:
    """The estimators of the published runs, and ours, on a smaller scale.

    Batches and, but for VPM, steps are smaller than published. Learning rates are the published ones, except AMPL's:
    raised so that steps times rate, the farthest that Adam can go, is as published. So is its target rate, so that as
    many of the fixed-point iteration's time constants, 1 / (rate (1 - discount)), pass in an estimation.

    Args:
        discount: of the problem.
        steps: of each estimation; VPM makes as many as it was published with.
        hidden: units of the networks; (400, 300) as published.
    """
    sizes: dict[str, Any] = {"hidden": hidden, "batch_size": 256, "start_batch_size": 256}
    published = QMomentConfig()
    fewer = published.steps / steps
    time_constants = published.target_rate * (1.0 - _PUBLISHED_DISCOUNT) * fewer
    q_moment = QMomentConfig(
        steps=steps,
        learning_rate=published.learning_rate * fewer,
        target_rate=min(1.0, time_constants / (1.0 - discount)),
        **sizes,
    )
    return {
        "Q-moment (AMPL)": q_moment,
        "VPM": VPMConfig(**sizes),
        "GenDICE": GenDICEConfig(steps=steps, **sizes),
        "DualDICE": DualDICEConfig(steps=steps, **sizes),
        "multi-moment": MultiMomentConfig(steps=steps, **sizes),
    }


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """One policy whose weights are estimated, and what is true of it."""

    policy: Policy
    critic: Critic  # exact
    exact_weights: Array  # w* at every row of the data, [N]
    expected_return: float  # J


def figure2_truth(path: Path) -> None:
    """Estimates weights at nine retrainings while the policy moves from the behavior policy to an almost greedy one.

    Record: see `record_of`.
    """
    check_replaceable(path)
    problem = find_finite_problem_provider()(SEED, n_policies=RETRAININGS)
    policies = zip(problem.policies, problem.action_values, problem.exact_weights, problem.expected_return, strict=True)
    retrainings = [
        Retraining(
            policy=TablePolicy(policy),
            critic=TableCritic(value),
            exact_weights=weights[problem.state, problem.action],
            expected_return=float(earned),
        )
        for policy, value, weights, earned in policies
    ]
    estimators = scaled_estimators(problem.discount)
    table = transition_table(problem)
    arrays, _ = record_of("figure2-truth", table, problem.reward, retrainings, estimators, problem.discount)
    write_npz(path, arrays)


def record_of(
    figure: str,
    table: TransitionTable,
    reward: Array,
    retrainings: Sequence[Retraining],
    estimators: Mapping[str, EstimatorConfig],
    discount: float,
) -> tuple[dict[str, Array], Array]:
    """Estimators keep their networks and optimizers from one retraining to the next, as in a run.

    Args:
        figure: whose record it is; names the random streams.
        table: the data, N transitions.
        reward: of the task, [N].
        retrainings: R of them.
        estimators: E of them.
        discount: gamma.

    Returns:
        The arrays of the record, and the estimated weights of mean one at every row, [E, R, N]. Arrays: `estimator`
        [E], `retraining` [R], from 1; `log_weights` [E, R, M] and `true_log_weights` [R, M], in nats, at M rows of the
        data, estimates of mean one over all rows; over all rows `error_l1` [E, R], the mean of |w - w*|, and
        `flat_error` [R], that of w = 1;
        `return_error` [E, R], |mean of w r - J|, in reward units; `scale` [E, R], the mean of the weights before they
        were divided by it; `steps` [E], of each estimation.
    """
    with fast_arithmetic():
        estimates, scale = estimated_weights(figure, table, retrainings, estimators, discount)
    exact = np.stack([each.exact_weights for each in retrainings])  # [R, N]
    returns = np.array([each.expected_return for each in retrainings])
    shown = stream(SEED, f"{figure}/rows").choice(table.n_transitions, _SHOWN_ROWS, replace=False)
    with np.errstate(divide="ignore"):  # a weight that is zero in float32
        logs = np.log(estimates[..., shown])
    arrays = {
        "estimator": np.array(tuple(estimators)),
        "retraining": np.arange(1, len(retrainings) + 1),
        "log_weights": logs,
        "true_log_weights": np.log(exact[:, shown]),
        "error_l1": np.abs(estimates - exact).mean(axis=-1),
        "flat_error": np.abs(1.0 - exact).mean(axis=-1),
        "return_error": np.abs((estimates * reward).mean(axis=-1) - returns),
        "scale": scale,
        "steps": np.array([config.steps for config in estimators.values()]),
    }
    return arrays, estimates


def estimated_weights(
    figure: str,
    table: TransitionTable,
    retrainings: Sequence[Retraining],
    estimators: Mapping[str, EstimatorConfig],
    discount: float,
) -> tuple[Array, Array]:
    """Weights at every row of the data by each estimator, retraining after retraining.

    Args:
        figure: names the random streams.
        table: the data, N transitions.
        retrainings: R of them.
        estimators: E of them, each with networks of its own.
        discount: gamma.

    Returns:
        Weights of mean one, [E, R, N], and their mean before that, [E, R].
    """
    weights = np.empty((len(estimators), len(retrainings), table.n_transitions))
    scale = np.empty(weights.shape[:2])
    with progress("Figure 2 with the truth", len(estimators) * len(retrainings)) as bar:
        for row, (name, config) in enumerate(estimators.items()):
            estimator = config.build(table.observation_size, table.action_size, (SEED,), None, "cpu", discount)
            streams = SeedStreams((SEED,), f"{figure}/{name}")
            for column, each in enumerate(retrainings):
                estimate = estimator.estimate(table, each.policy, each.critic, streams)[0].double()
                weights[row, column] = estimate / estimate.mean()
                scale[row, column] = estimator.network.of_table(table).double().mean()
                bar.advance()
    return weights, scale
