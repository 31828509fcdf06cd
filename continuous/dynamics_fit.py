"""Fitting the dynamics ensemble: weighted maximum likelihood, with early stopping of every member.

A fit goes on from the parameters and the optimizer it finds; its hold-out transitions are drawn anew. Now and then it
looks at them: each member is judged there, and kept if it is better than its last kept self by more than 1 %. A seed
ends when none of its members was kept at so many looks in a row as its patience says; then every member goes back to
its kept self. The bounds on log standard deviations, which members share, stay as they are. Seeds end one by one: those
that have ended are no longer computed.

Source: AMPL, Eqs. 4 and 6, and the released codes for the schedule (`DynamicsConfig`):

    AMPL                    a look every 1000 steps, by the likelihood, patience 10
    MOPO, OfflineRL-Kit     a look after every pass over the data, by the squared error of the means, patience 6 and 5
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ampl.errors import InvalidShapeError, check_at_least
from ampl.progress import progress
from continuous.dynamics_batches import Batches, BootstrapBatches, FreshBatches
from continuous.dynamics_network import DynamicsConfig, DynamicsNetwork, HoldoutCriterion
from continuous.repetition import Repetition
from continuous.streams import SeedStreams

_CHUNK = 2048  # hold-out rows at a time
_NEVER = 1e32  # hold-out loss of a member that was not kept yet


class ModelLoss(Protocol):
    """What a fit minimizes, transition by transition."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """The loss of every member at every transition, [K, E, B].

        Args:
            network: K seeds with E members each.
            inputs: standardized (s, a), [K, E, B, D + A], or [K, 1, B, D + A] for all members.
            target: standardized (r, s' - s), with D + 1 in place of D + A.
            streams: for losses that draw.
        """

    def select(self, seeds: Sequence[int]) -> ModelLoss:
        """The same loss for networks of some of the seeds."""


class LikelihoodLoss:
    """Negative log likelihood of standardized (r, s' - s): twice the nats for each dimension, without the constant."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """[K, E, B]; draws nothing."""
        mean, log_std = network(inputs)
        return gaussian_loss(mean, log_std, target).mean(-1)

    def select(self, seeds: Sequence[int]) -> LikelihoodLoss:
        """Itself: it knows nothing of seeds."""
        return self


class SquaredError:
    """Squared error of the mean, averaged over the dimensions of (r, s' - s), in the units of the network's targets."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """[K, E, B]; draws nothing."""
        mean, _ = network(inputs)
        return (mean - target).square().mean(-1)

    def select(self, seeds: Sequence[int]) -> SquaredError:
        """Itself: it knows nothing of seeds."""
        return self


def gaussian_loss(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """((mean - target) / std)^2 + 2 log std, elementwise."""
    return ((mean - target) * (-log_std).exp()).square() + 2.0 * log_std


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """How the fit of one seed went."""

    holdout_loss: Tensor  # of each member as it was put back, on the CPU, [E]
    training_loss: float  # mean over members and the steps before the last look
    looks: int  # at the transitions held out


def fit_network(
    network: DynamicsNetwork,
    rows: Tensor,
    weights: Tensor | None,
    streams: SeedStreams,
    loss: ModelLoss,
) -> list[FitResult]:
    """Fits all seeds of a network, in place.

    Args:
        network: K seeds.
        rows: all transitions standardized, x beside y, [N, D + A + D + 1] (see `Standardization.fit`).
        weights: w of every transition for each seed, [K, N], >= 0; divided by their mean here. None: all one.
        streams: for the hold-out transitions, the batches and what the loss draws.
        loss: what to minimize.

    Returns:
        One result a seed.

    Raises:
        InvalidArgumentError: too few transitions to hold any out.
        InvalidShapeError: weights of another shape.
    """
    n_seeds, n_rows = len(streams), len(rows)
    if weights is not None and weights.shape != (n_seeds, n_rows):
        raise InvalidShapeError(f"weights have shape {list(weights.shape)}; expected {[n_seeds, n_rows]}.")
    n_holdout = holdout_size(n_rows, network.config)
    order = streams.uniform(n_rows).argsort(-1)  # a random order of each seed, [K, N]
    normalized = None if weights is None else weights / weights.mean(-1, keepdim=True, dtype=torch.float64)
    run: _Run | None = _Run(
        network=network.select(range(n_seeds)),
        rows=rows,
        weights=None if normalized is None else normalized.to(rows.dtype),
        training=order[:, n_holdout:],
        holdout=order[:, :n_holdout],
        streams=streams,
        loss=loss,
        seeds=range(n_seeds),
    )
    results: dict[int, FitResult] = {}
    with progress("looks at the hold-out loss", None) as bar:
        while run is not None:
            run.look()
            bar.show(f"hold-out loss {run.mean_holdout_loss:.4g} of {len(run.seeds)} seeds")
            bar.advance()
            ended, going = run.ended()
            if ended:
                done = run.select(ended)
                done.restore()
                for index, holdout_loss in enumerate(done.holdout_loss().cpu()):
                    network.load_state(done.seeds[index], done.network.state(index))
                    results[done.seeds[index]] = FitResult(
                        holdout_loss=holdout_loss, training_loss=float(done.training_loss[index]), looks=done.looks
                    )
                run = run.select(going) if going else None
    return [results[seed] for seed in range(n_seeds)]


def holdout_size(n_rows: int, config: DynamicsConfig) -> int:
    """Transitions that are held out: a share of all, rounded up, up to a limit.

    So in AMPL's code; MOPO's and OfflineRL-Kit round down, which matters for fewer than 5000 transitions only.

    Raises:
        InvalidArgumentError: none would be held out, or none be left to train on.
    """
    held_out = min(n_rows - int((1.0 - config.holdout_share) * n_rows), config.holdout_limit)
    hint = f"holdout_share is {config.holdout_share:g} of {n_rows} transitions."
    check_at_least("transitions held out", held_out, 1, hint)
    check_at_least("transitions left for training", n_rows - held_out, 1, hint)
    return held_out


class _Run:
    """The seeds of a fit that are still going, as a stack of their own.

    Attributes:
        seeds: which of the fit's seeds they are.
        training_loss: mean over members and the steps before the last look, [K], on the CPU.
        mean_holdout_loss: over seeds and members, at the last look.
        looks: how many so far.
    """

    def __init__(
        self,
        *,
        network: DynamicsNetwork,
        rows: Tensor,
        weights: Tensor | None,
        training: Tensor,
        holdout: Tensor,
        streams: SeedStreams,
        loss: ModelLoss,
        seeds: Sequence[int],
        batches: Batches | None = None,
    ) -> None:
        config = network.config
        self.network, self.seeds, self._streams, self._loss = network, list(seeds), streams, loss
        self._rows, self._weights, self._training, self._holdout = rows, weights, training, holdout
        draw_batches = BootstrapBatches if config.fixed_bootstrap else FreshBatches
        self._batches: Batches = batches or draw_batches(training, config.members, streams)
        self._criterion = SquaredError() if config.holdout_criterion is HoldoutCriterion.SQUARED_ERROR else loss
        stack = network.members.parameters.stack  # (K, E)
        self._best = network.members.parameters.frozen()  # every member when it was kept
        self._best_loss = torch.full(stack, _NEVER)  # on the CPU, [K, E]
        self._last_kept = [0] * len(self.seeds)  # the look when some member was
        self._loss_sum = torch.zeros(stack, device=network.device)
        self.training_loss = torch.zeros(len(self.seeds))
        self.mean_holdout_loss = math.nan
        self.looks = self._steps = 0
        self._repetition = Repetition(self._step, [streams], network.device)

    def look(self) -> None:
        """Some steps, then a look at the hold-out loss; the only time that the host waits for the device."""
        config = self.network.config
        pass_steps = -(-self._training.shape[1] // config.batch_size)
        steps = min(config.steps_per_look or pass_steps, config.max_steps - self._steps)
        self._loss_sum.zero_()
        for count, size in self._batches.plan(steps, config.batch_size):
            if size == config.batch_size:
                self._repetition.run(count)
            else:  # the last batch of a pass
                self._step(size)
        self._steps += steps
        self.looks += 1
        holdout_loss, training_loss = torch.stack((self.holdout_loss(), self._loss_sum / steps)).cpu()
        self.training_loss = training_loss.mean(-1)
        kept = (self._best_loss - holdout_loss) / self._best_loss.abs() > config.improvement  # [K, E]
        self._best_loss = torch.where(kept, holdout_loss, self._best_loss)
        index = kept.nonzero(as_tuple=True)
        for name, view in self.network.members.parameters.views.items():
            self._best.views[name][index] = view.detach()[index]
        for seed in kept.any(-1).nonzero().flatten().tolist():
            self._last_kept[seed] = self.looks
        self.mean_holdout_loss = float(holdout_loss.mean())

    def ended(self) -> tuple[list[int], list[int]]:
        """Which of the seeds have ended, and which go on."""
        config = self.network.config
        ended: list[int] = []
        going: list[int] = []
        for seed, last in enumerate(self._last_kept):
            spent = self.looks - last >= config.patience or self._steps >= config.max_steps
            broken = not math.isfinite(float(self.training_loss[seed]))
            (ended if spent or broken else going).append(seed)
        return ended, going

    def restore(self) -> None:
        """Puts every member back to when it was kept."""
        self.network.members.parameters.copy_(self._best)

    @torch.no_grad()
    def holdout_loss(self) -> Tensor:
        """Weighted mean loss of every member on the transitions held out, [K, E]."""
        total = torch.zeros_like(self._loss_sum)
        for index in torch.split(self._holdout, _CHUNK, dim=1):
            inputs, target = self._gather(index[:, None])
            losses = self._criterion.rows(self.network, inputs, target, self._streams)
            total += self._weighted(losses, index[:, None]).sum(-1)
        return total / self._holdout.shape[1]

    def select(self, seeds: Sequence[int]) -> _Run:
        """An independent copy of some of the seeds; it draws from the same streams."""
        streams = SeedStreams.of([self._streams.generators[seed] for seed in seeds])
        index = torch.tensor(seeds, device=self._training.device)
        copy = _Run(
            network=self.network.select(seeds),
            rows=self._rows,
            weights=None if self._weights is None else self._weights[index],
            training=self._training[index],
            holdout=self._holdout[index],
            streams=streams,
            loss=self._loss.select(seeds),
            seeds=[self.seeds[seed] for seed in seeds],
            batches=self._batches.select(streams, index),
        )
        for name, view in self._best.views.items():
            copy._best.views[name].copy_(view[index])
        copy._best_loss = self._best_loss[index.cpu()]
        copy._last_kept = [self._last_kept[seed] for seed in seeds]
        copy.training_loss, copy.looks, copy._steps = self.training_loss[index.cpu()], self.looks, self._steps
        return copy

    def _step(self, batch_size: int | None = None) -> None:
        """One step of every member on its own batch."""
        index = self._batches.next(batch_size or self.network.config.batch_size)  # [K, E, B]
        inputs, target = self._gather(index)
        losses = self._weighted(self._loss.rows(self.network, inputs, target, self._streams), index).mean(-1)  # [K, E]
        self.network.update(losses.sum() + self.network.bounds_penalty().sum())
        self._loss_sum += losses.detach()

    def _gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """x and y at transitions [K, ...]: [K, ..., D + A] and [K, ..., D + 1]."""
        rows = self._rows.index_select(0, index.flatten()).view(*index.shape, -1)
        inputs = self.network.observation_size + self.network.action_size
        return rows[..., :inputs], rows[..., inputs:]

    def _weighted(self, losses: Tensor, index: Tensor) -> Tensor:
        """Losses [K, E, B] times the weights of their transitions [K, E or 1, B]."""
        if self._weights is None:
            return losses
        return losses * self._weights.gather(1, index.flatten(1)).view(index.shape)
