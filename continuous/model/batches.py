"""Which transitions the members of the ensemble are trained on, step by step.

AMPL's code draws the batch of every member anew at every step. MOPO's code and OfflineRL-Kit draw once for each member
as many transitions as there are, with replacement (its bootstrap), and walk through them in a new order in every pass;
the last batch of a pass has the transitions that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from continuous.model.network import DynamicsConfig
from continuous.networks.streams import SeedStreams

BatchesState: TypeAlias = Mapping[str, NDArray[Any]]


class Batches(Protocol):
    """The batches of K seeds with E members each."""

    def plan(self, steps: int, batch_size: int) -> Iterator[tuple[int, int]]:
        """How the next steps are to be made: pairs of a number of steps and the size of their batches.

        The steps of a pair are made before the next pair is asked for.
        """

    def next(self, size: int) -> Tensor:
        """The transitions of one step, [K, E, size]: indices into all rows. A function of tensors only."""

    def select(self, streams: SeedStreams, seeds: Tensor) -> Batches:
        """An independent copy of some of the seeds, which draws from `streams`."""

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """What one seed goes on with, besides its training transitions and its stream."""


class FreshBatches:
    """Every batch is drawn with replacement from all training transitions.

    Args:
        training: the transitions of each seed that are not held out, [K, n].
        members: E.
        streams: of the seeds.
    """

    def __init__(self, training: Tensor, members: int, streams: SeedStreams) -> None:
        self._training, self._members, self._streams = training, members, streams

    def plan(self, steps: int, batch_size: int) -> Iterator[tuple[int, int]]:
        """All alike."""
        yield steps, batch_size

    def next(self, size: int) -> Tensor:
        """Fresh draws."""
        draw = self._streams.integers(self._training.shape[1], self._members * size)
        return self._training.gather(1, draw).view(-1, self._members, size)

    def select(self, streams: SeedStreams, seeds: Tensor) -> FreshBatches:
        """It remembers nothing but its transitions."""
        return FreshBatches(self._training[seeds], self._members, streams)

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Nothing."""
        return {}


class BootstrapBatches:
    """Every member walks through its own bootstrap of the training transitions, shuffled from pass to pass.

    A step on a GPU is recorded once, so the place in the pass is kept on the device, where the step itself moves it.

    Args:
        bootstrap: of each member, in the order of the pass, [K, E, n].
        streams: of the seeds, for the orders.
        walked: how many transitions of the pass are behind, in [0, n].
    """

    def __init__(self, bootstrap: Tensor, streams: SeedStreams, walked: int = 0) -> None:
        self._bootstrap, self._streams, self._walked = bootstrap, streams, walked
        self._place = torch.full((), walked, dtype=torch.int64, device=bootstrap.device)  # where the next batch begins

    @classmethod
    def drawn(cls, training: Tensor, members: int, streams: SeedStreams) -> BootstrapBatches:
        """New bootstraps, from the transitions of each seed that are not held out, [K, n]."""
        size = training.shape[1]
        drawn = (
            training.gather(1, streams.integers(size, size)) for _ in range(members)
        )  # each is as large as the data
        return cls(torch.stack([rows.int() for rows in drawn], dim=1), streams)

    @classmethod
    def restored(cls, states: Sequence[BatchesState], streams: SeedStreams, device: torch.device) -> BootstrapBatches:
        """From what `state` gave for each seed, all of the same place."""
        bootstrap = torch.from_numpy(np.stack([state["bootstrap"] for state in states])).to(device)
        return cls(bootstrap, streams, int(states[0]["walked"]))

    def plan(self, steps: int, batch_size: int) -> Iterator[tuple[int, int]]:
        """Whole batches until the pass ends, then one of what is left, then the next pass."""
        while steps > 0:
            if self._walked == self._bootstrap.shape[2]:
                self._shuffle()
            whole, rest = divmod(self._bootstrap.shape[2] - self._walked, batch_size)
            count, size = (min(whole, steps), batch_size) if whole else (1, rest)
            yield count, size
            self._walked += count * size
            steps -= count

    def next(self, size: int) -> Tensor:
        """The next of the pass."""
        place = self._place + torch.arange(size, device=self._place.device)
        self._place += size
        return self._bootstrap.index_select(2, place).long()

    def select(self, streams: SeedStreams, seeds: Tensor) -> BootstrapBatches:
        """The same bootstraps at the same place of the pass."""
        return BootstrapBatches(self._bootstrap[seeds], streams, self._walked)

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """The bootstraps in the order of the pass, and the place in it."""
        return {"bootstrap": self._bootstrap[index].cpu().numpy().copy(), "walked": np.array(self._walked)}

    def _shuffle(self) -> None:
        size = self._bootstrap.shape[2]
        for rows in self._bootstrap.unbind(1):  # [K, n], of one member
            rows.copy_(rows.gather(1, self._streams.uniform(size).argsort(-1)))
        self._walked = 0
        self._place.zero_()


def drawn_batches(config: DynamicsConfig, training: Tensor, streams: SeedStreams) -> Batches:
    """As the configuration says, from the transitions of each seed that are not held out, [K, n]."""
    draw = BootstrapBatches.drawn if config.fixed_bootstrap else FreshBatches
    return draw(training, config.members, streams)


def restored_batches(
    config: DynamicsConfig, training: Tensor, states: Sequence[BatchesState], streams: SeedStreams
) -> Batches:
    """The same, from what `Batches.state` gave for each seed."""
    if config.fixed_bootstrap:
        return BootstrapBatches.restored(states, streams, training.device)
    return FreshBatches(training, config.members, streams)
