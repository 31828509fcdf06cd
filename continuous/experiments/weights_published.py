"""AMPL's own estimator as published, update by update, where the exact weights are known.

weights-published    does it move, and towards w*? One retraining on lqr-pointmass, and what changes if other things do
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from ampl.files import check_replaceable, write_npz
from ampl.progress import progress
from ampl.randomness import stream
from continuous.experiments.linear_gaussian import AffinePolicy, ExactCritic, TaskData, on_the_way
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.linear_gaussian.weights import agreement
from continuous.networks.arithmetic import fast_arithmetic
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams
from continuous.weights.estimator import EstimatorConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig

SEED = 0
TASK = "lqr-pointmass"
_MEASUREMENTS = 100  # of each estimation, after the one before it begins
_SHOWN_ROWS = 2000  # M
# With fewer steps targets follow faster, so that as many time constants 1 / (target rate (1 - discount)) pass: ten.
ESTIMATORS: Mapping[str, EstimatorConfig] = {
    "as published": QMomentConfig(),
    "1,000 times the rate": QMomentConfig(learning_rate=1e-3, steps=2500, target_rate=0.4),
    "multi-moment (ours)": MultiMomentConfig(steps=5000),
}


def weights_published(path: Path) -> None:
    """Estimates the weights of one policy: the optimum's gain, with half the noise of the behavior policy. An hour.

    The critic is exact.

    Record: `estimator` [E]; `step` [E, P]; `error` [E, P], E_b|w - w*| with w of mean one; `rank_correlation` and
    `effective_share` [E, P]; `distance_from_one` [E, P], E_b|w - 1|; `scale` [E, P], the mean of the weights before
    they were divided by it; `residual` [E, P], left minus right side of AMPL's Eq. 10 with those, in units of rescaled
    rewards; `weights` [E, M] at the end and `exact_weights` [M] at M rows of the data; `exact_distance_from_one` and
    `exact_effective_share`, of w* over all rows.
    """
    check_replaceable(path)
    write_npz(path, measured(TASK, ESTIMATORS, _MEASUREMENTS))


def measured(name: str, estimators: Mapping[str, EstimatorConfig], measurements: int) -> dict[str, np.ndarray]:
    """The record's arrays.

    Args:
        name: of a task lqr-...
        estimators: E of them.
        measurements: P - 1, after equally many updates each.
    """
    task = find_linear_gaussian(name)
    data, policy = TaskData(task), on_the_way(task, 1.0)
    exact = data.exact_weights(policy)
    shown = stream(SEED, "weights-published/rows").choice(len(exact), min(_SHOWN_ROWS, len(exact)), replace=False)
    left, right = _moment(data, AffinePolicy(policy), data.critic(policy))
    rows: list[list[tuple[float, ...]]] = []
    final = []
    with fast_arithmetic(), progress("weights as published", len(estimators) * measurements) as bar:
        for label, config in estimators.items():
            sizes = data.table.observation_size, data.table.action_size
            estimator = config.build(*sizes, (SEED,), None, "cpu", task.mdp.discount)
            streams = SeedStreams((SEED,), f"weights-published/{label}")
            step = estimator.start(data.table, AffinePolicy(policy), data.critic(policy), streams)
            repetition = Repetition(step, [streams], "cpu")
            rows.append([])
            for count in range(measurements + 1):
                if count:
                    repetition.run(config.steps // measurements)
                    bar.advance()
                raw = estimator.network.of_table(data.table)[0].double().numpy()
                weights = raw / raw.mean()
                away, residual = float(np.abs(weights - 1.0).mean()), float((raw * left).mean() - right)
                done = count * (config.steps // measurements)
                rows[-1].append((done, *agreement(weights, exact), away, raw.mean(), residual))
            final.append(weights[shown])
    names = ("step", "error", "rank_correlation", "effective_share", "distance_from_one", "scale", "residual")
    return {
        "estimator": np.array(tuple(estimators)),
        **dict(zip(names, np.moveaxis(np.array(rows), -1, 0), strict=True)),
        "weights": np.array(final),
        "exact_weights": exact[shown],
        "exact_distance_from_one": np.array(np.abs(exact - 1.0).mean()),
        "exact_effective_share": np.array(exact.sum() ** 2 / (len(exact) * np.square(exact).sum())),
    }


@torch.no_grad()
def _moment(data: TaskData, policy: AffinePolicy, critic: ExactCritic) -> tuple[Floats, float]:
    """Q - gamma Q' at every row, [N], and (1 - gamma) E[Q_0]: Eq. 10 says that E_b[w (Q - gamma Q')] is the latter."""
    network, table, gamma = critic.first_head(), data.table, data.task.mdp.discount
    streams = SeedStreams((SEED,), "weights-published/moment")

    def value(state: torch.Tensor, action: torch.Tensor) -> Floats:
        return np.asarray(network(torch.cat((state, action), dim=-1))[0, :, 0].double().numpy())

    def acted(state: torch.Tensor) -> Floats:
        return value(state, policy.act(state, streams)[0])

    left = value(table.state, table.action) - gamma * acted(table.next_state)
    return left, (1.0 - gamma) * float(acted(table.start_state).mean())
