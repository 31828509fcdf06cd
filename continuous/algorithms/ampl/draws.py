"""What is random in one iteration of AMPL: batches and noise, each seed from its own stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least
from continuous.algorithms.ampl.policy import StackedPolicy
from continuous.networks.streams import SeedStreams
from continuous.replay.batch import Batch
from continuous.replay.buffers import ModelBuffer, TransitionTable
from continuous.replay.mixed import MixedSampler


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Batches of B rows and standard noise, [K, B, ...]; everything on the device."""

    batch: Batch  # for the critics and the policy's value, real rows first
    fake_state: Tensor  # where the policy's first pairs begin, drawn like the batch, [K, B, D]
    true: Batch  # real rows, 2 B of them, to be told from the 2 B pairs of the policy; B if only second pairs count
    true_next: Batch  # the rows after them in the data, if only second pairs count; otherwise `true` again
    true_weight: Tensor  # w of the true rows, [K, 2 B] or [K, B]
    target_noise: Tensor  # of the target policy at s'
    value_noise: Tensor  # of the policy at s
    first_noise: Tensor  # of the policy in the first pair of Eq. 14
    second_noise: Tensor  # and in the second
    model_noise: Tensor  # of the model between them, [K, B, D + 1]
    model_shift: Tensor  # how its rows are dealt to the elites, [K, 1]
    label_uniform: Tensor  # in [0, 1), as many as true rows


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Draws what an iteration needs.

    Attributes:
        table: D_env.
        buffer: D_model.
        policy: whose noise is drawn.
        streams: one a seed.
        batch_size: B.
        elites: of the model.
        second_pair_only: see `RegularizerConfig`.
        weights: w of every row of the data, [K, N]; None: one.
    """

    table: TransitionTable
    buffer: ModelBuffer
    policy: StackedPolicy
    streams: SeedStreams
    batch_size: int
    elites: int
    second_pair_only: bool = False
    weights: Tensor | None = field(default=None)

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError for an empty batch, or data of one row where the next row is needed."""
        check_at_least("batch_size", self.batch_size, 1)
        if self.second_pair_only and self.table.n_transitions < 2:
            raise InvalidArgumentError("the data has one transition; pairs of rows need at least two.")

    def draw(self, real_rows: int) -> Draws:
        """Everything for one iteration.

        Args:
            real_rows: how many rows of a batch come from the data, in [0, B]; the others come from the model.
        """
        size, streams = self.batch_size, self.streams
        batch = self._mixed(real_rows)
        fake_state = batch.state if self.second_pair_only else self._mixed(real_rows).state
        n_true = size if self.second_pair_only else 2 * size
        rows = streams.integers(self.table.n_transitions - int(self.second_pair_only), n_true)
        true = self.table.gather(rows)
        weight = torch.ones_like(true.reward) if self.weights is None else self.weights.gather(1, rows)
        noise = self.policy.noise(streams, 4 * size).chunk(4, dim=1)  # one kernel a seed on a GPU
        target_noise, value_noise, first_noise, second_noise = noise
        return Draws(
            batch=batch,
            fake_state=fake_state,
            true=true,
            true_next=self.table.gather(rows + 1) if self.second_pair_only else true,
            true_weight=weight,
            target_noise=target_noise,
            value_noise=value_noise,
            first_noise=first_noise,
            second_noise=second_noise,
            model_noise=streams.normal(size, self.table.observation_size + 1),
            model_shift=streams.integers(self.elites, 1),
            label_uniform=streams.uniform(n_true),
        )

    def _mixed(self, real_rows: int) -> Batch:
        """B rows, from the data first and then from the model."""
        return MixedSampler(
            table=self.table,
            buffer=self.buffer,
            streams=self.streams,
            batch_size=self.batch_size,
            real_rows=real_rows,
        ).draw()
