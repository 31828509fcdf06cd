"""The experiment behind figure `conservatism`: what each algorithm takes for its policy's return, and what that earns.

All have the same data and the same class of models, one row a pair, so that they differ in their pessimism alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ampl.files import check_replaceable, write_npz
from ampl.progress import progress
from ampl.randomness import stream
from tabular.algorithms.combo import COMBO
from tabular.algorithms.cql import CQL
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.mopo import MOPO
from tabular.algorithms.morel import MOREL
from tabular.algorithms.optidice import OPTIDICE
from tabular.algorithms.rambo import RAMBO
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.tasks import task_mdp

ALGORITHMS: dict[str, tuple[ExactFactory[Any], str, str]] = {
    "no pessimism": (MOPO, "no-penalty", "evaluation/penalized_return"),
    "MOPO": (MOPO, "main", "evaluation/penalized_return"),
    "MOReL": (MOREL, "main", "evaluation/value_estimate"),
    "RAMBO": (RAMBO, "main", "evaluation/value_estimate"),
    "COMBO": (COMBO, "main", "evaluation/value_estimate"),
    "CQL(H)": (CQL, "main", "evaluation/value_estimate"),
    "CQL, Eq. 1": (CQL, "eq1", "evaluation/value_estimate"),
    "CQL, Eq. 2": (CQL, "eq2", "evaluation/value_estimate"),
    "OptiDICE": (OPTIDICE, "main", "policy/objective"),
}
"""Factory, variant, and the column that has its estimate of the return."""

SIZES = tuple(round(10.0 ** (half / 2.0)) for half in range(4, 11))  # 10^2, 10^2.5, ..., 10^5 transitions
_DATASETS = 8
_EPOCHS = 10
_DISCOUNT = 0.95
_CONCENTRATIONS = {"random": 1.0, "nearly deterministic": 0.05}  # of the rows of new MDPs


def conservatism(path: Path) -> None:
    """Trains each algorithm on samples of three kinds of MDPs.

    Record: `algorithm` [L], `task` [T], `size` [N]; `estimate` and `truth` [L, T, N, D] of D datasets, each divided by
    the return of the optimal policy. Random MDPs are new ones for each dataset.
    """
    tasks = (*_CONCENTRATIONS, "gridworld-5x5")
    estimate, truth = np.zeros((2, len(ALGORITHMS), len(tasks), len(SIZES), _DATASETS))
    with progress("Conservatism", len(tasks) * len(SIZES)) as bar:
        for t, task in enumerate(tasks):
            mdps = [_mdp(task, d) for d in range(_DATASETS)]
            best = [expected_return(mdp, optimal_policy(mdp)) for mdp in mdps]
            for n, size in enumerate(SIZES):
                for d, mdp in enumerate(mdps):
                    for a, (factory, variant, column) in enumerate(ALGORITHMS.values()):
                        found = _trained(factory, variant, mdp, size, d)
                        estimate[a, t, n, d] = found[column] / best[d]
                        truth[a, t, n, d] = found["evaluation/return_mean"] / best[d]
                bar.advance()
    check_replaceable(path)
    arrays = {
        "algorithm": np.array(list(ALGORITHMS)),
        "task": np.array(tasks),
        "size": np.array(SIZES, dtype=np.float64),
        "estimate": estimate,
        "truth": truth,
    }
    write_npz(path, arrays)


def _mdp(task: str, number: int) -> FiniteMDP:
    if task not in _CONCENTRATIONS:
        return task_mdp(task, _DISCOUNT)
    generator = stream(number, f"conservatism/{task}")
    concentration = _CONCENTRATIONS[task]
    return random_mdp(10, 3, generator, discount=_DISCOUNT, concentration=concentration, nonnegative_reward=True)


def _trained(factory: ExactFactory[Any], variant: str, mdp: FiniteMDP, size: int, seed: int) -> dict[str, float]:
    """The metrics of the last epoch."""
    config = replace(factory.published, n_transitions=size, cell_share=1.0)
    learner = factory.learner(mdp, config, variant, seed)
    learner.fit_model(None)
    metrics = [learner.improve_policy() for _ in range(min(_EPOCHS, factory.default_epochs(mdp, variant)))]
    return {**metrics[-1], **learner.evaluate()}
