"""Batches of real and model transitions in a fixed proportion, real rows first."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ampl.errors import check_at_least
from continuous.networks.streams import SeedStreams
from continuous.replay.batch import Batch
from continuous.replay.buffers import ModelBuffer, TransitionTable


@dataclass(frozen=True, kw_only=True)
class MixedSampler:
    """Draws batches of B rows, each seed from its own stream.

    Attributes:
        table: D_env.
        buffer: D_model.
        streams: one a seed.
        batch_size: B >= 1.
        real_rows: how many of them come from the data, in [0, B].
    """

    table: TransitionTable
    buffer: ModelBuffer
    streams: SeedStreams
    batch_size: int
    real_rows: int

    def __post_init__(self) -> None:
        """Checks the sizes."""
        check_at_least("batch_size", self.batch_size, 1)
        check_at_least("real_rows", self.real_rows, 0)
        check_at_least("batch_size", self.batch_size, self.real_rows, "Real rows are part of the batch.")

    def draw(self) -> Batch:
        """Columns [K, B, ...]."""
        sources = ((self.table, self.real_rows), (self.buffer, self.batch_size - self.real_rows))
        parts = [source.sample_rows(count, self.streams) for source, count in sources if count]
        return self.table.layout.unpack(torch.cat(parts, dim=1))


def joined(first: Batch, second: Batch) -> Batch:
    """Rows of two batches, one after the other: [K, B, ...] and [K, C, ...] to [K, B + C, ...]."""
    names = ("state", "action", "reward", "next_state", "terminal")
    return Batch(**{name: torch.cat((getattr(first, name), getattr(second, name)), dim=1) for name in names})
