"""The experiment behind figure `return-gap-finite`: the gap of the model's best policy, by the size of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.progress import progress
from ampl.randomness import stream
from tabular.algorithms.offline_learner import behavior_policy
from tabular.bounds.return_gap import dense_pairs, split_return_gap
from tabular.exact.dataset import sample_dataset
from tabular.exact.dynamics import maximum_likelihood
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy import optimal_policy
from tabular.mdps.tasks import task_mdp

TASKS = ("gridworld-5x5", "random-50x4", "frozenlake-4x4")
SIZES = tuple(round(10.0 ** (half / 2.0)) for half in range(4, 11))  # 10^2, 10^2.5, ..., 10^5 transitions
_DATASETS = 10
_DISCOUNT = 0.95
_EPSILON = 0.5  # the behavior policy: uniform with this probability, else optimal


def return_gap(path: Path) -> None:
    """Splits the gap of the policy that is optimal in a model estimated by maximum likelihood from N transitions.

    Record: `task` [T], `size` [N]; `optimization`, `dense` and `sparse` [T, N, D] of D datasets, in units of one step's
    reward; `behavior_gap` [T], the behavior policy's gap to the optimum.
    """
    parts = np.zeros((3, len(TASKS), len(SIZES), _DATASETS))
    behavior_gap = []
    with progress("The return gap", len(TASKS) * len(SIZES)) as bar:
        for t, task in enumerate(TASKS):
            mdp = task_mdp(task, _DISCOUNT)
            best, behavior = optimal_policy(mdp), behavior_policy(mdp, _EPSILON)
            dense = dense_pairs(occupancy(mdp, behavior))
            behavior_gap.append(expected_return(mdp, best) - expected_return(mdp, behavior))
            for n, size in enumerate(SIZES):
                for d in range(_DATASETS):
                    data = sample_dataset(mdp, behavior, size, stream(d, f"return gap/{task}/{size}"))
                    model = mdp.with_dynamics(maximum_likelihood(data.transition_counts()))
                    split = split_return_gap(mdp, model, optimal_policy(model), best, dense)
                    parts[:, t, n, d] = split.optimization, split.dense, split.sparse
                bar.advance()
    check_replaceable(path)
    arrays = {
        "task": np.array(TASKS),
        "size": np.array(SIZES, dtype=np.float64),
        **dict(zip(("optimization", "dense", "sparse"), parts, strict=True)),
        "behavior_gap": np.array(behavior_gap),
    }
    write_npz(path, arrays)
