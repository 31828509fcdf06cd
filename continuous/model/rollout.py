"""Branched rollouts of the model from states of the data: what fills the buffer of model transitions.

The released code repeats, until 32,000 transitions are collected: roll out for h steps from up to 2048 states of the
data and cut every path after its first terminal. If none is cut, its count is 32,000 for h = 1, 34,560 for h = 3 and
37,120 for h = 5. Here exactly those counts are collected whatever ends, so that shapes are fixed and the host never
waits: a path that ends hands its place over to a new one, which starts from a fresh state of the data.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ampl.errors import check_at_least
from ampl.interfaces import Policy
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, ReplayBuffer, TransitionTable

START_BATCH = 2048  # states of the data from which the released code starts at once
_GPU_ROWS = 2**22  # of all seeds and members: the output of a layer of 200 units is 3.4 GB


class Model(Protocol):
    """What is rolled out: `continuous.model.ensemble.EnsembleDynamics`."""

    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, Tensor, Tensor]:
        """Next states [K, B, D], rewards [K, B] and ends [K, B] from states [K, B, D] and actions [K, B, A]."""


@torch.no_grad()
def roll_out(
    model: Model,
    policy: Policy,
    table: TransitionTable,
    buffer: ReplayBuffer,
    *,
    length: int,
    paths: int,
    streams: SeedStreams,
    shared_action: bool = False,
    chunk: int = START_BATCH,
) -> dict[str, Tensor]:
    """Rolls the model out and adds `paths * length` transitions a seed to the buffer.

    Args:
        model: of K seeds.
        policy: of K seeds.
        table: the data, whose states the paths start from, drawn uniformly with replacement.
        buffer: gets the transitions, all at once.
        length: h >= 1, steps of a path.
        paths: how many at a time, >= 1; one that ends is followed by another.
        streams: for starts, actions and the model.
        shared_action: a defect of the released code, for sensitivity tests: all paths of a start batch take the action
            of the first one (it unpacks the actions as if they were a tuple). The paper's rollouts do not.
        chunk: paths at a time, >= 1; see `paths_at_once`; a shared action fixes it.

    Returns:
        Metrics, [K] each, left on the device.

    Raises:
        InvalidArgumentError: a number below one.
    """
    check_at_least("chunk", chunk, 1)
    check_at_least("length", length, 1, "A rollout has at least one step.")
    check_at_least("paths", paths, 1)
    together = START_BATCH if shared_action else chunk
    parts: list[Batch] = []
    for first in range(0, paths, together):
        lanes = min(together, paths - first)
        state = _sample_states(table, lanes, streams)
        for step in range(length):
            action = policy.act(state, streams)  # [K, lanes, A]
            if shared_action:
                action = action[:, :1].expand_as(action)
            next_state, reward, terminal = model.step(state, action, streams)
            parts.append(Batch(state, action, reward, next_state, terminal))
            if step < length - 1:
                state = torch.where(terminal[..., None], _sample_states(table, lanes, streams), next_state)
    joined = Batch(*(torch.cat(columns, dim=1) for columns in zip(*parts, strict=True)))
    buffer.append(joined)
    return {
        "rollout/reward_mean": joined.reward.mean(-1),
        "rollout/terminal_share": joined.terminal.float().mean(-1),
    }


def paths_at_once(device: torch.device, copies: int) -> int:
    """How many paths of each seed are rolled out at a time: on a CPU what fits its cache, on a GPU its memory.

    Where so many seeds are stacked on a GPU that a rollout is cut, a seed draws other numbers than it does alone.

    Args:
        device: where the model is.
        copies: of the model's network, seeds times members, >= 1.
    """
    return START_BATCH if device.type == "cpu" else max(1, _GPU_ROWS // copies)


def published_transitions(length: int, transitions: int) -> int:
    """How many transitions the released code's loop collects when no path ends early.

    Args:
        length: h >= 1, steps of a path.
        transitions: the loop ends when it has as many, >= 1.

    Raises:
        InvalidArgumentError: a number below one.
    """
    check_at_least("length", length, 1, "A rollout has at least one step.")
    check_at_least("transitions", transitions, 1)
    collected = 0
    while collected < transitions:
        collected += length * min(START_BATCH, transitions - collected)
    return collected


def published_paths(length: int, transitions: int) -> int:
    """Paths that give as many transitions as the released code's loop collects when none ends early."""
    return published_transitions(length, transitions) // length


class UniformPolicy:
    """Actions uniform in [-1, 1], for rollouts of MOPO's out-of-distribution tasks; an `ampl.interfaces.Policy`."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """[K, B, D] to [K, B, A]."""
        return 2.0 * generator.uniform(state.shape[-2], self._action_size) - 1.0


def _sample_states(table: TransitionTable, rows: int, streams: SeedStreams) -> Tensor:
    """States of the data, [K, rows, D]."""
    return table.state[streams.integers(table.n_transitions, rows)]
