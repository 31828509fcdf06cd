"""The experiment behind figure `weights-help-finite`: what better weights in the refits change."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.processes import available_cores, map_in_processes
from ampl.progress import progress
from tabular.algorithms.ampl import AMPL
from tabular.algorithms.offline_learner import behavior_policy
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy
from tabular.experiments.alternation import COLUMNS, DISCOUNT, EPOCHS, SEEDS, TASKS, trained
from tabular.mdps.tasks import task_mdp

VARIANTS = ("nw", "one-moment", "main", "exact-weights")  # from no weights to the best there are


def weights_help(path: Path) -> None:
    """Trains AMPL on four MDPs with ten datasets each, with four kinds of weights in its refits.

    Record: `task` [T], `variant` [V]; `weights_error` E_b|w - w*|, `model_divergence` in nats and `true_return` in
    reward units a step, [T, V, N] each: means over the second half of the epochs; `behavior_return` and
    `optimal_return` [T].
    """
    places = [(task, variant) for task in TASKS for variant in VARIANTS]
    found = []
    with progress("AMPL with four kinds of weights", len(places)) as bar:
        for columns in map_in_processes(trained, places, available_cores()):
            found.append(columns[..., EPOCHS // 2 :].mean(axis=-1))
            bar.advance()
    values = np.array(found).reshape(len(TASKS), len(VARIANTS), len(SEEDS), len(COLUMNS))
    measured = dict(zip(COLUMNS, np.moveaxis(values, -1, 0), strict=True))
    mdps = [task_mdp(task, DISCOUNT) for task in TASKS]
    behaviors = [behavior_policy(mdp, AMPL.published.behavior_epsilon) for mdp in mdps]
    check_replaceable(path)
    write_npz(
        path,
        {
            "task": np.array(TASKS),
            "variant": np.array(VARIANTS),
            "weights_error": measured["weights_error_l1"],
            "model_divergence": measured["divergence_model_nats"],
            "true_return": measured["return_mean"],
            "behavior_return": np.array([expected_return(*pair) for pair in zip(mdps, behaviors, strict=True)]),
            "optimal_return": np.array([expected_return(mdp, optimal_policy(mdp)) for mdp in mdps]),
        },
    )
