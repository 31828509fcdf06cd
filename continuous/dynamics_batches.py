"""Which transitions the members of the ensemble are trained on, step by step.

AMPL's code draws the batch of every member anew at every step. MOPO's code and OfflineRL-Kit draw once for each member
as many transitions as there are, with replacement (its bootstrap), and walk through them in a new order in every pass;
the last batch of a pass has the transitions that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from continuous.streams import SeedStreams


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


class BootstrapBatches:
    """Every member walks through its own bootstrap of the training transitions, shuffled from pass to pass.

    A step on a GPU is recorded once, so the place in the pass is kept on the device, where the step itself moves it.

    Args:
        training: the transitions of each seed that are not held out, [K, n].
        members: E.
        streams: of the seeds, for the bootstraps and their orders.
    """

    def __init__(self, training: Tensor, members: int, streams: SeedStreams) -> None:
        size = training.shape[1]
        drawn = (
            training.gather(1, streams.integers(size, size)) for _ in range(members)
        )  # one at a time: they are large
        self._bootstrap = torch.stack([rows.int() for rows in drawn], dim=1)  # [K, E, n]
        self._streams = streams
        self._left = size  # transitions of the pass that are still to come
        self._place = torch.zeros((), dtype=torch.int64, device=training.device)

    def plan(self, steps: int, batch_size: int) -> Iterator[tuple[int, int]]:
        """Whole batches until the pass ends, then one of what is left, then the next pass."""
        while steps > 0:
            if self._left == 0:
                self._shuffle()
            whole, rest = divmod(self._left, batch_size)
            count, size = (min(whole, steps), batch_size) if whole else (1, rest)
            yield count, size
            self._left -= count * size
            steps -= count

    def next(self, size: int) -> Tensor:
        """The next of the pass."""
        place = self._place + torch.arange(size, device=self._place.device)
        self._place += size
        return self._bootstrap.index_select(2, place).long()

    def select(self, streams: SeedStreams, seeds: Tensor) -> BootstrapBatches:
        """The same bootstraps at the same place of the pass."""
        copy = BootstrapBatches.__new__(BootstrapBatches)
        copy._bootstrap, copy._streams = self._bootstrap[seeds], streams
        copy._place, copy._left = self._place.clone(), self._left
        return copy

    def _shuffle(self) -> None:
        size = self._bootstrap.shape[2]
        for rows in self._bootstrap.unbind(1):  # [K, n], of one member
            rows.copy_(rows.gather(1, self._streams.uniform(size).argsort(-1)))
        self._left = size
        self._place.zero_()
