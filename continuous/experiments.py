"""Figure 2 with the truth beside it: the weight estimators of AMPL and its ablations on a finite problem.

figure2-truth    estimated and exact log weights at each of nine retrainings, and the errors of weights and returns
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from ampl.files import check_replaceable, write_npz
from ampl.finite_problem import FiniteProblem, find_finite_problem_provider
from ampl.interfaces import Array
from ampl.progress import progress
from ampl.randomness import stream
from continuous.arithmetic import one_fast_thread
from continuous.dualdice import DualDICEConfig
from continuous.finite import TableCritic, TablePolicy, transition_table
from continuous.gendice import GenDICEConfig
from continuous.multi_moment import MultiMomentConfig
from continuous.q_moment import QMomentConfig
from continuous.streams import SeedStreams
from continuous.vpm import VPMConfig
from continuous.weights import EstimatorConfig

SEED = 0
_SHOWN_ROWS = 2000  # M
_HIDDEN = (64, 64)  # units, in place of 400 and 300
_STEPS = 1000

ESTIMATORS: Mapping[str, EstimatorConfig] = {
    "Q-moment (AMPL)": QMomentConfig(hidden=_HIDDEN, steps=_STEPS),
    "VPM": VPMConfig(hidden=_HIDDEN, steps=_STEPS),
    "GenDICE": GenDICEConfig(hidden=_HIDDEN, steps=_STEPS),
    "DualDICE": DualDICEConfig(hidden=_HIDDEN, steps=_STEPS),
    "multi-moment": MultiMomentConfig(hidden=_HIDDEN, steps=_STEPS),
}


def figure2_truth(path: Path) -> None:
    """Estimates weights at nine retrainings, in which the policy moves from the behavior policy to an almost greedy one.

    Estimators keep their networks and optimizers from one retraining to the next, as in a run. The critic is exact.

    Record: `estimator` [E], `retraining` [R], from 1; `log_weights` [E, R, M] and `true_log_weights` [R, M], in nats,
    at M rows of the data, estimates of mean one over all rows; `error_l1` [E, R], the mean of |w - w*| over all rows;
    `return_error` [E, R], |mean of w r - J|, in reward units.
    """
    check_replaceable(path)
    problem = find_finite_problem_provider()(SEED)
    with one_fast_thread():
        estimates = estimated_weights(problem, ESTIMATORS)  # [E, R, N]
    exact = problem.exact_weights[:, problem.state, problem.action]  # [R, N]
    shown = stream(SEED, "figure2-truth/rows").choice(problem.n_transitions, _SHOWN_ROWS, replace=False)
    with np.errstate(divide="ignore"):  # a weight that is zero in float32
        logs = np.log(estimates[..., shown])
    arrays = {
        "estimator": np.array(tuple(ESTIMATORS)),
        "retraining": np.arange(1, problem.n_policies + 1),
        "log_weights": logs,
        "true_log_weights": np.log(exact[:, shown]),
        "error_l1": np.abs(estimates - exact).mean(axis=-1),
        "return_error": np.abs((estimates * problem.reward).mean(axis=-1) - problem.expected_return),
    }
    write_npz(path, arrays)


def estimated_weights(problem: FiniteProblem, estimators: Mapping[str, EstimatorConfig]) -> Array:
    """Weights of mean one at every row of the data, by each estimator, retraining after retraining, [E, R, N].

    Args:
        problem: with the policies of the retrainings.
        estimators: E of them, each with networks of its own.
    """
    table = transition_table(problem)
    found = []
    with progress("Figure 2 with the truth: estimating weights", len(estimators) * problem.n_policies) as bar:
        for name, config in estimators.items():
            estimator = config.build(problem.n_states, problem.n_actions, (SEED,), None, "cpu")
            streams = SeedStreams((SEED,), f"figure2-truth/{name}")
            policy = TablePolicy(problem.policies[0])
            for probability, value in zip(problem.policies, problem.action_values, strict=True):
                policy.set(probability)
                weights = estimator.estimate(table, policy, TableCritic(value), streams)[0].double()
                found.append((weights / weights.mean()).numpy())
                bar.advance()
    return np.stack(found).reshape(len(estimators), problem.n_policies, problem.n_transitions)
