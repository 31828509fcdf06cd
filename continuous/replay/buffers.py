"""Transitions on the device, packed so that a batch is one gather: the offline data, and a buffer of newer ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import InvalidShapeError, check_at_least
from continuous.networks.streams import SeedStreams

_LARGE = 2**62  # far above any buffer's size: a remainder by the size is uniform to 1e-12


class Batch(NamedTuple):
    """B transitions on a device; those of K stacked seeds have an axis more, [K, B, ...]."""

    state: Tensor  # s, [B, D]
    action: Tensor  # a, [B, A]
    reward: Tensor  # r, [B]
    next_state: Tensor  # s', [B, D]
    terminal: Tensor  # bool, [B]; a time-out is no terminal


class Layout:
    """How a transition lies in a row: s, a, r, s', and whether it is terminal as 0 or 1; W = 2 D + A + 2 numbers."""

    def __init__(self, observation_size: int, action_size: int) -> None:
        self.observation_size, self.action_size = observation_size, action_size
        self.sizes = [observation_size, action_size, 1, observation_size, 1]
        self.width = sum(self.sizes)

    def pack(self, batch: Batch) -> Tensor:
        """Columns [..., D] and [...] to rows [..., W]."""
        reward, terminal = batch.reward[..., None], batch.terminal[..., None].to(batch.reward.dtype)
        return torch.cat((batch.state, batch.action, reward, batch.next_state, terminal), dim=-1)

    def unpack(self, rows: Tensor) -> Batch:
        """Rows [..., W] to columns, views except for `terminal`."""
        state, action, reward, next_state, terminal = torch.split(rows, self.sizes, dim=-1)
        return Batch(state, action, reward[..., 0], next_state, terminal[..., 0] > 0.5)


class TransitionTable:
    """The offline data for stacked seeds: N transitions that all seeds share.

    Args:
        state, action, reward, next_state, terminal: columns as in `Batch`, with B = N.
        start_state: draws from mu0, [M, D].
        episode_return: undiscounted return of the episode that each transition belongs to, [N]; None: not known.
        episode_complete: whether an end closes that episode, bool, [N]; None: not known.

    Raises:
        InvalidShapeError: the columns differ in length.
    """

    def __init__(
        self,
        *,
        state: Tensor,
        action: Tensor,
        reward: Tensor,
        next_state: Tensor,
        terminal: Tensor,
        start_state: Tensor,
        episode_return: Tensor | None = None,
        episode_complete: Tensor | None = None,
    ) -> None:
        columns = Batch(state, action, reward, next_state, terminal)
        if len(set(map(len, columns))) != 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in columns._asdict().items())
            raise InvalidShapeError(f"the columns have lengths {lengths}; expected equal ones.")
        self.layout = Layout(state.shape[1], action.shape[1])
        self.rows = self.layout.pack(columns)  # [N, W]
        self.state, self.action, self.reward, self.next_state, self.terminal = self.layout.unpack(self.rows)
        self.start_state = start_state
        self.episode_return, self.episode_complete = episode_return, episode_complete

    def changed(self, **columns: Tensor) -> TransitionTable:
        """The same data with other columns or start states."""
        own = self.layout.unpack(self.rows)._asdict() | self._of_episodes() | {"start_state": self.start_state}
        return TransitionTable(**own | columns)

    def selected(self, rows: Tensor) -> TransitionTable:
        """Some of the transitions, and all start states.

        Args:
            rows: which, int64, [M].
        """
        episodes = {name: None if column is None else column[rows] for name, column in self._of_episodes().items()}
        return TransitionTable(**self.gather(rows)._asdict() | episodes, start_state=self.start_state)

    @property
    def n_transitions(self) -> int:
        """N."""
        return len(self.rows)

    @property
    def observation_size(self) -> int:
        """D."""
        return self.layout.observation_size

    @property
    def action_size(self) -> int:
        """A."""
        return self.layout.action_size

    def return_range(self, *, only_complete: bool = False) -> float | None:
        """Best minus worst return of the episodes; None: not known.

        Args:
            only_complete: leaves out the episode that the data cut off, unless there is no other.
        """
        returns, complete = self.episode_return, self.episode_complete
        if returns is None:
            return None
        if only_complete and complete is not None and complete.any():
            returns = returns[complete]
        return float(returns.max() - returns.min())

    def gather(self, index: Tensor) -> Batch:
        """The transitions at `index`, int64 of any shape."""
        return self.layout.unpack(self.rows[index])

    def sample(self, batch_size: int, generator: SeedStreams) -> Batch:
        """Transitions drawn uniformly with replacement, each seed from its own stream: columns [K, B, ...].

        Raises:
            InvalidArgumentError: batch_size < 1.
        """
        check_at_least("batch_size", batch_size, 1)
        return self.layout.unpack(self.sample_rows(batch_size, generator))

    def sample_rows(self, batch_size: int, streams: SeedStreams) -> Tensor:
        """The same, packed, [K, B, W]."""
        return self.rows[streams.integers(self.n_transitions, batch_size)]

    def sample_starts(self, batch_size: int, streams: SeedStreams) -> Tensor:
        """Start states drawn uniformly with replacement, [K, B, D]."""
        return self.start_state[streams.integers(len(self.start_state), batch_size)]

    def _of_episodes(self) -> dict[str, Tensor | None]:
        return {"episode_return": self.episode_return, "episode_complete": self.episode_complete}


class ReplayBuffer:
    """The newest transitions that were added, of each seed, first in first out: D_model, what the model made.

    Args:
        n_seeds: K.
        capacity: transitions of each seed, >= 1.
        layout: of the rows.
        device: where they live.
    """

    def __init__(self, n_seeds: int, capacity: int, layout: Layout, device: torch.device | str = "cpu") -> None:
        check_at_least("capacity", capacity, 1)
        self.layout, self.capacity = layout, capacity
        self._rows = torch.zeros(n_seeds, capacity, layout.width, device=device)
        self._offsets = torch.arange(n_seeds, device=device)[:, None] * capacity  # [K, 1]
        self._size = torch.zeros((), dtype=torch.int64, device=device)  # on the device, for captured steps
        self._written = [0] * n_seeds  # in all, of each seed; they differ only where a seed has stopped

    @property
    def n_transitions(self) -> int:
        """Transitions of each seed that can be sampled."""
        return min(self.capacity, max(self._written))

    def append(self, batch: Batch) -> None:
        """Adds n transitions to every seed, [K, n, ...]; the m-th ever added lies at row m modulo the capacity."""
        packed = self.layout.pack(batch)
        written = max(self._written) + packed.shape[1]
        rows = packed[:, -self.capacity :]
        place = (written - rows.shape[1]) % self.capacity
        first, rest = rows[:, : self.capacity - place], rows[:, self.capacity - place :]
        self._rows[:, place : place + first.shape[1]] = first
        self._rows[:, : rest.shape[1]] = rest
        self._set_written([written] * len(self._written))

    def sample(self, batch_size: int, streams: SeedStreams) -> Batch:
        """Transitions drawn uniformly with replacement among those written, [K, B, ...]; there must be some."""
        return self.layout.unpack(self.sample_rows(batch_size, streams))

    def sample_rows(self, batch_size: int, streams: SeedStreams) -> Tensor:
        """The same, packed, [K, B, W]."""
        check_at_least("transitions in the model buffer", self.n_transitions, 1)
        index = streams.integers(_LARGE, batch_size) % self._size
        return self._rows.view(-1, self.layout.width)[index + self._offsets]

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """One seed's transitions, and how many were written in all."""
        rows = self._rows[index, : self.n_transitions].cpu().numpy().copy()
        return {"rows": rows, "written": np.array(self._written[index])}

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Puts one seed back to where `state` was taken; seeds that go on must be put back to the same epoch.

        Raises:
            InvalidShapeError: the rows have another width, or are more than the capacity.
        """
        rows = state["rows"]
        if rows.shape[1] != self.layout.width or len(rows) > self.capacity:
            expected = f"at most {self.capacity} rows of {self.layout.width}"
            raise InvalidShapeError(f"the stored buffer has shape {list(rows.shape)}; expected {expected}.")
        self._rows[index, : len(rows)] = torch.from_numpy(np.array(rows)).to(self._rows.device)
        self._set_written([*self._written[:index], int(state["written"]), *self._written[index + 1 :]])

    def _set_written(self, written: list[int]) -> None:
        self._written = written
        self._size.fill_(self.n_transitions)
