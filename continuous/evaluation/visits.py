"""Samples of where data, model and policy are, for figures of how well they overlap.

One dictionary a seed, written to its run directory as samples.npz when training ends:

    offline_state, offline_action       rows of the data
    synthetic_state, synthetic_action   rows of the model's buffer: short branches from states of the data; not there
                                        where the model has not been rolled out
    model_state, model_action           visited by the policy's best actions in the model, from where episodes start
    real_state, real_action             the same in the simulator

What is the model's is not there without one; the last two are not where the data come without an environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.interfaces import Array, State
from continuous.environments.robot import Flags
from continuous.evaluation.certificates import ModelReturns
from continuous.evaluation.evaluator import Evaluator, Policy
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import ReplayBuffer, TransitionTable

ROWS = 1000  # of each kind, at most


class Visits:
    """Collects what episodes visit; a `continuous.evaluation.evaluator.Visitor`."""

    def __init__(self) -> None:
        self._steps: list[tuple[NDArray[np.float32], NDArray[np.float32], Flags]] = []

    def __call__(self, observations: NDArray[np.float32], actions: NDArray[Any], running: Flags) -> None:
        """One step of all episodes: [K, E, D], [K, E, A] and [K, E]."""
        self._steps.append((observations, actions.astype(np.float32), running))

    @property
    def starts(self) -> NDArray[np.float32]:
        """Where the episodes started, [K, E, D]."""
        return self._steps[0][0]

    def of_seed(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Every state and action of a seed's running episodes, [n, D] and [n, A]."""
        states = [states[index, running[index]] for states, _, running in self._steps]
        actions = [actions[index, running[index]] for _, actions, running in self._steps]
        return np.concatenate(states), np.concatenate(actions)


def real_visits(evaluator: Evaluator, policies: Sequence[Policy], seeds: Sequence[int]) -> Visits:
    """What the policies of K seeds visit in the simulator, from starts that are common to all epochs."""
    visits = Visits()
    evaluator.evaluate(policies, seeds, visit=visits)
    return visits


def sample_visits(
    table: TransitionTable,
    buffer: ReplayBuffer | None,
    model_returns: ModelReturns | None,
    real: Visits,
    seeds: Sequence[int],
) -> Sequence[State]:
    """The module's samples of every seed; the same bytes each time."""
    samples = sample_rows(table, buffer, seeds)
    visits = {"real": real}
    if model_returns is not None:
        visits = {"model": Visits(), **visits}
        model_returns.follow(torch.from_numpy(real.starts).to(table.rows.device), visits["model"])
    for index, arrays in enumerate(samples):
        for name, visited in visits.items():
            state, action = visited.of_seed(index)
            chosen = torch.linspace(0, len(state) - 1, min(ROWS, len(state))).long().numpy()  # evenly over the episodes
            arrays[f"{name}_state"], arrays[f"{name}_action"] = state[chosen], action[chosen]
    return samples


def sample_rows(table: TransitionTable, buffer: ReplayBuffer | None, seeds: Sequence[int]) -> list[dict[str, Array]]:
    """The samples of data and buffer alone."""
    streams = SeedStreams(seeds, "visits", table.rows.device)
    rows = {"offline": table.sample(ROWS, streams)}
    if buffer is not None and buffer.n_transitions:
        rows["synthetic"] = buffer.sample(ROWS, streams)
    return [
        {
            f"{name}_{part}": getattr(batch, part)[index].cpu().numpy()
            for name, batch in rows.items()
            for part in ("state", "action")
        }
        for index in range(len(seeds))
    ]
