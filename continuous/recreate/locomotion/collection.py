"""Running a policy and recording what D4RL records: whole episodes under D4RL's keys.

Many episodes step side by side (`continuous/environments/batch.py`), equal step for step to Gymnasium's environments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.progress import progress
from continuous.algorithms.sac.policy import SquashedGaussian
from continuous.environments.batch import BatchSimulator
from continuous.networks.streams import SeedStreams
from continuous.recreate.online_sac.replay_file import Columns

# from states to actions and the logarithms of their probability densities
Actor: TypeAlias = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]  # [n, D] to [n, A] and [n]

_EPISODES_AT_ONCE = 100  # part of what a seed means: another number, another dataset
EPISODE_LIMIT = 1000


def policy_actor(policy: SquashedGaussian, streams: SeedStreams) -> Actor:
    """Samples actions of a policy of one seed, with its noise from `streams`."""

    @torch.inference_mode()
    def act(states: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        state = torch.from_numpy(states.astype(np.float32))[None]
        actions, log_densities = policy.sample_with_log_probability(state, policy.noise(streams, len(states)))
        return actions[0].numpy(), log_densities[0].numpy()

    return act


def uniform_actor(action_size: int, generator: np.random.Generator) -> Actor:
    """Actions uniform in [-1, 1]; the density of each is 2^-A."""

    def act(states: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        actions = generator.uniform(-1.0, 1.0, size=(len(states), action_size)).astype(np.float32)
        return actions, np.full(len(states), -action_size * np.log(2.0))

    return act


def roll_out(
    simulator: BatchSimulator, actor: Actor, starts: Sequence[np.random.Generator], limit: int
) -> list[Columns]:
    """One episode from each start, until it terminates or is `limit` steps long.

    Args:
        simulator: of the robot.
        actor: chooses actions for the episodes that still run.
        starts: one generator an episode, for its first state.
        limit: steps, >= 1.

    Returns:
        Episodes under D4RL's keys, float64 and bool: states of the simulator before each step, next observations true
        also at the end; `terminals` where the robot fell, `timeouts` where the limit cut.
    """
    observations, count = simulator.reset(starts), len(starts)
    steps: list[tuple[NDArray[np.intp], Columns]] = []  # which episodes ran, and one row for each of them
    for _ in range(limit):
        rows = np.flatnonzero(simulator.running)
        if not len(rows):
            break
        before = simulator.snapshot
        some_actions, log_densities = actor(observations[rows])
        actions = np.zeros((count, some_actions.shape[1]), dtype=some_actions.dtype)
        actions[rows] = some_actions
        step = simulator.step(actions)
        row = {
            "observations": observations[rows],
            "actions": some_actions,
            "rewards": step.rewards[rows],
            "terminals": step.terminated[rows],
            "next_observations": step.observations[rows],
            "infos/qpos": before.position[rows],
            "infos/qvel": before.velocity[rows],
            "infos/action_log_probs": log_densities,
        }
        steps.append((rows, row))
        observations = step.observations
    return _by_episode(steps, count)


def collect(simulator: BatchSimulator, actor: Actor, rows: int, generator: np.random.Generator) -> Columns:
    """D4RL's collection: whole episodes of at most 1000 steps until there are `rows` steps, then cut to that number.

    A fall in the last allowed step counts as a time-out, as in D4RL's script.
    """
    episodes: list[Columns] = []
    done = 0
    with progress("collecting", rows) as bar:
        while done < rows:
            starts = generator.spawn(min(_EPISODES_AT_ONCE, math.ceil((rows - done) / EPISODE_LIMIT)))
            for episode in roll_out(simulator, actor, starts, EPISODE_LIMIT):
                episodes.append(_limit_is_timeout(episode))
                bar.advance(min(len(episode["rewards"]), max(rows - done, 0)))
                done += len(episode["rewards"])
    return concatenate(episodes, rows)


def concatenate(episodes: Sequence[Columns], rows: int | None = None) -> Columns:
    """Episodes one after another, cut to the first `rows` steps."""
    return {key: np.concatenate([episode[key] for episode in episodes])[:rows] for key in episodes[0]}


def episode_returns(episodes: Sequence[Columns]) -> NDArray[np.float64]:
    """Sum of rewards of each episode."""
    return np.array([episode["rewards"].sum() for episode in episodes])


def _limit_is_timeout(episode: Columns) -> Columns:
    if len(episode["rewards"]) < EPISODE_LIMIT:
        return episode
    last = np.zeros(EPISODE_LIMIT, dtype=bool)
    last[-1] = True
    return episode | {"terminals": np.zeros(EPISODE_LIMIT, dtype=bool), "timeouts": last}


def _by_episode(steps: Sequence[tuple[NDArray[np.intp], Columns]], count: int) -> list[Columns]:
    """From rows of time steps to columns of episodes."""
    owner = np.concatenate([rows for rows, _ in steps])
    order = np.argsort(owner, kind="stable")
    together = {key: np.concatenate([row[key] for _, row in steps])[order] for key in steps[0][1]}
    cuts = np.cumsum(np.bincount(owner, minlength=count))
    together["timeouts"] = np.zeros(len(owner), dtype=bool)
    together["timeouts"][cuts - 1] = ~together["terminals"][cuts - 1]
    parts = {key: np.split(column, cuts[:-1]) for key, column in together.items()}
    return [{key: parts[key][episode] for key in parts} for episode in range(count)]
