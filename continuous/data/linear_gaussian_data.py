"""The data of a task `lqr-...`: sampled from its behavior policy when they are needed, without a file."""

from __future__ import annotations

import numpy as np

from continuous.data.d4rl_data import D4RLData, Provenance, Source
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.tasks.registry import Task


def sampled_data(task: Task, seed: int = 0) -> D4RLData:
    """200 episodes of 100 steps, cut but never ended; the same seed gives the same bytes."""
    episodes = find_linear_gaussian(task.name).episodes(seed)
    count, length = episodes.rewards.shape
    pairs = episodes.pairs().astype(np.float32)
    return D4RLData(
        observations=np.ascontiguousarray(pairs[:, : task.observation_size]),
        actions=np.ascontiguousarray(pairs[:, task.observation_size :]),
        rewards=episodes.rewards.ravel().astype(np.float32),
        terminals=np.zeros(count * length, dtype=bool),
        timeouts=np.tile(np.arange(length) == length - 1, count),
        next_observations=episodes.next_states().astype(np.float32),
        provenance=Provenance(source=Source.SAMPLED, recipe=task.name, seed=seed, steps=count * length),
    )
