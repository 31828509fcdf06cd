"""Figure 2 with the truth beside it: the weight estimators of AMPL and its ablations on a finite problem.

figure2-truth    estimated and exact log weights at each of nine retrainings, and the errors of weights and returns
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.finite_problem import FiniteProblem, find_finite_problem_provider
from ampl.interfaces import Array
from ampl.progress import progress
from ampl.randomness import stream
from continuous.experiments.finite import TableCritic, TablePolicy, transition_table
from continuous.networks.arithmetic import fast_arithmetic
from continuous.networks.streams import SeedStreams
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.estimator import EstimatorConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig
from continuous.weights.vpm import VPMConfig

SEED = 0
RETRAININGS = 9  # R
_SHOWN_ROWS = 2000  # M
_STEPS = 400  # of each estimation
_PUBLISHED_DISCOUNT = 0.99


def scaled_estimators(discount: float, steps: int = _STEPS) -> Mapping[str, EstimatorConfig]:
    """The estimators of the published runs, and ours, in sizes that suit a small finite problem.

    Networks, batches and, but for VPM, steps are smaller than published. Learning rates are the published ones, except
    AMPL's: raised so that steps times rate, the farthest that Adam can go, is as published. So is its target rate, so
    that as many of the fixed-point iteration's time constants, 1 / (rate (1 - discount)), pass in an estimation.

    Args:
        discount: of the problem.
        steps: of each estimation; VPM makes as many as it was published with.
    """
    sizes: dict[str, Any] = {"hidden": (64, 64), "batch_size": 256, "start_batch_size": 256}
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


def figure2_truth(path: Path) -> None:
    """Estimates weights at nine retrainings while the policy moves from the behavior policy to an almost greedy one.

    Estimators keep their networks and optimizers from one retraining to the next, as in a run. The critic is exact.

    Record: `estimator` [E], `retraining` [R], from 1; `log_weights` [E, R, M] and `true_log_weights` [R, M], in nats,
    at M rows of the data, estimates of mean one over all rows; `error_l1` [E, R], the mean of |w - w*| over all rows;
    `return_error` [E, R], |mean of w r - J|, in reward units; `scale` [E, R], the mean of the weights before they were
    divided by it; `steps` [E], of each estimation.
    """
    check_replaceable(path)
    problem = find_finite_problem_provider()(SEED, n_policies=RETRAININGS)
    estimators = scaled_estimators(problem.discount)
    with fast_arithmetic():
        estimates, scale = estimated_weights(problem, estimators)
    exact = problem.exact_weights[:, problem.state, problem.action]  # [R, N]
    shown = stream(SEED, "figure2-truth/rows").choice(problem.n_transitions, _SHOWN_ROWS, replace=False)
    with np.errstate(divide="ignore"):  # a weight that is zero in float32
        logs = np.log(estimates[..., shown])
    arrays = {
        "estimator": np.array(tuple(estimators)),
        "retraining": np.arange(1, problem.n_policies + 1),
        "log_weights": logs,
        "true_log_weights": np.log(exact[:, shown]),
        "error_l1": np.abs(estimates - exact).mean(axis=-1),
        "return_error": np.abs((estimates * problem.reward).mean(axis=-1) - problem.expected_return),
        "scale": scale,
        "steps": np.array([config.steps for config in estimators.values()]),
    }
    write_npz(path, arrays)


def estimated_weights(problem: FiniteProblem, estimators: Mapping[str, EstimatorConfig]) -> tuple[Array, Array]:
    """Weights at every row of the data by each estimator, retraining after retraining.

    Args:
        problem: with the policies of R retrainings, their exact action values standing for the critics.
        estimators: E of them, each with networks of its own.

    Returns:
        Weights of mean one, [E, R, N], and their mean before that, [E, R].
    """
    table = transition_table(problem)
    weights = np.empty((len(estimators), problem.n_policies, problem.n_transitions))
    scale = np.empty(weights.shape[:2])
    with progress("Figure 2 with the truth", len(estimators) * problem.n_policies) as bar:
        for row, (name, config) in enumerate(estimators.items()):
            estimator = config.build(problem.n_states, problem.n_actions, (SEED,), None, "cpu", problem.discount)
            streams = SeedStreams((SEED,), f"figure2-truth/{name}")
            for column, (policy, value) in enumerate(zip(problem.policies, problem.action_values, strict=True)):
                estimate = estimator.estimate(table, TablePolicy(policy), TableCritic(value), streams)[0].double()
                weights[row, column] = estimate / estimate.mean()
                scale[row, column] = estimator.network.of_table(table).double().mean()
                bar.advance()
    return weights, scale
