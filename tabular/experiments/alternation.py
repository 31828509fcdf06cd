"""The experiment behind figure `alternation`: Algorithm 1 with weighted and with unweighted refits, beside the truth.

Every run goes through `ampl.training.train`, as `ampl train ampl TASK` does, in a folder that is thrown away.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.processes import available_cores, map_in_processes
from ampl.progress import progress
from ampl.runs.metrics_table import read_metrics
from ampl.training import train
from tabular.algorithms.ampl import AMPL
from tabular.algorithms.offline_learner import behavior_policy
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy
from tabular.mdps.tasks import task_mdp

TASKS = ("random-50x4", "gridworld-5x5", "cliffwalking", "frozenlake-4x4")
_VARIANTS = {"weighted": "main", "unweighted": "nw"}  # by the record's name
SEEDS = tuple(range(10))
EPOCHS = 40
DISCOUNT = 0.95
COLUMNS = ("lower_bound", "return_mean", "divergence_model_nats", "weights_error_l1")


def alternation(path: Path) -> None:
    """Trains AMPL on four MDPs with ten datasets each, with and without weights in the refits.

    Record: `task` [T], `variant` [2], `epoch` [E], `retraining` [R] epochs after which the model was refitted;
    `lower_bound` and `true_return` [T, 2, N, E] in reward units a step, `model_divergence` [T, 2, N, E] nats,
    `weights_error` [T, 2, N, E]; `behavior_return` and `optimal_return` [T].
    """
    tasks = [(task, variant) for task in TASKS for variant in _VARIANTS.values()]
    found = []
    with progress("AMPL: alternating model and policy", len(tasks)) as bar:
        for columns in map_in_processes(trained, tasks, available_cores()):
            found.append(columns)
            bar.advance()
    values = np.array(found).reshape(len(TASKS), len(_VARIANTS), len(SEEDS), len(COLUMNS), EPOCHS)
    lower, earned, divergence, error = np.moveaxis(values, 3, 0)
    mdps = [task_mdp(task, DISCOUNT) for task in TASKS]
    period = AMPL.published.retrain_period or EPOCHS
    check_replaceable(path)
    write_npz(
        path,
        {
            "task": np.array(TASKS),
            "variant": np.array(tuple(_VARIANTS)),
            "epoch": np.arange(1.0, EPOCHS + 1.0),
            "retraining": np.arange(float(period), float(EPOCHS), float(period)),
            "lower_bound": lower,
            "true_return": earned,
            "model_divergence": divergence,
            "weights_error": error,
            "behavior_return": np.array(
                [expected_return(mdp, behavior_policy(mdp, AMPL.published.behavior_epsilon)) for mdp in mdps]
            ),
            "optimal_return": np.array([expected_return(mdp, optimal_policy(mdp)) for mdp in mdps]),
        },
    )


def trained(which: tuple[str, str]) -> np.ndarray:
    """Metrics of all seeds, [N, columns, E], of a task and a variant."""
    task, variant = which
    algorithm = AMPL.make(task_mdp(task, DISCOUNT), SEEDS, variant=variant)
    with TemporaryDirectory() as folder:
        runs = train(algorithm, task=task, variant=variant, epochs=EPOCHS, out=Path(folder), checkpoint_seconds=1e9)
        tables = [read_metrics(run.path / "metrics.csv") for run in runs]
    return np.array([[table[f"evaluation/{name}"] for name in COLUMNS] for table in tables])
