"""The seeds of a fit that go on: their steps, their looks at what is held out, and the members kept so far.

`fit.py` says what a fit is; here is what it repeats.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.progress import duration
from continuous.model.batches import Batches, drawn_batches
from continuous.model.loss import ModelLoss, SquaredError
from continuous.model.network import DynamicsNetwork, HoldoutCriterion
from continuous.networks.repetition import Repetition
from continuous.networks.seed_state import load_seed_state, prefixed, seed_state
from continuous.networks.stacks import frozen
from continuous.networks.streams import SeedStreams

_CHUNK = 2048  # hold-out rows at a time
_PART = 500  # steps between two pauses at most
_NEVER = 1e32  # hold-out loss of a member that was not kept yet

FitState: TypeAlias = Mapping[str, NDArray[Any]]


class FitRun:
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
        self._batches = batches or drawn_batches(config, training, streams)
        self._criterion = SquaredError() if config.holdout_criterion is HoldoutCriterion.SQUARED_ERROR else loss
        stack = network.members.stack  # (K, E)
        self._best = frozen(network.members)  # every member when it was kept
        self._best_loss = torch.full(stack, _NEVER)  # on the CPU, [K, E]
        self._last_kept = [0] * len(self.seeds)  # the look when some member was
        self._loss_sum = torch.zeros(stack, device=network.device)
        self.training_loss = torch.zeros(len(self.seeds))
        self.mean_holdout_loss = math.nan
        self.looks = self._steps = self._since_look = 0
        self._steps_per_look = config.steps_per_look or -(-training.shape[1] // config.batch_size)
        self._start, self._first_step = time.monotonic(), 0  # of this process
        self._repetition = Repetition(self._step, [streams], network.device)

    def advance(self) -> bool:
        """Some steps; whether a look at the hold-out loss ended them, where alone the host waits for the device."""
        config = self.network.config
        until_look = min(self._steps_per_look - self._since_look, config.max_steps - self._steps)
        steps = min(until_look, _PART)
        for count, size in self._batches.plan(steps, config.batch_size):
            if size == config.batch_size:
                self._repetition.run(count)
            else:  # the last batch of a pass
                self._step(size)
        self._steps += steps
        self._since_look += steps
        if steps == until_look:
            self._look()
        return steps == until_look

    def outlook(self) -> str:
        """How the fit goes and when it ends, in a few words."""
        config = self.network.config
        step_seconds = (time.monotonic() - self._start) / max(self._steps - self._first_step, 1)
        looks = config.patience - min(self.looks - last for last in self._last_kept)
        steps = config.max_steps - self._steps
        without = looks * self._steps_per_look - self._since_look  # steps, if no member improves any more
        words = [] if math.isnan(self.mean_holdout_loss) else [f"hold-out {self.mean_holdout_loss:.4g}"]
        if without < steps:
            count = "1 look" if looks == 1 else f"{looks} looks"
            words.append(f"ends in at most {count} without improvement (about {duration(without * step_seconds)})")
            words.append(f"its bound is {steps:,} steps away")
        else:
            words.append(f"ends in at most {steps:,} steps ({duration(steps * step_seconds)})")
        return ", ".join(words)

    def _look(self) -> None:
        config = self.network.config
        steps, self._since_look = self._since_look, 0
        self.looks += 1
        holdout_loss, training_loss = torch.stack((self.holdout_loss(), self._loss_sum / steps)).cpu()
        self.training_loss = training_loss.mean(-1)
        kept = (self._best_loss - holdout_loss) / self._best_loss.abs() > config.improvement  # [K, E]
        self._best_loss = torch.where(kept, holdout_loss, self._best_loss)
        index = kept.nonzero(as_tuple=True)
        for name, view in self.network.members.views.items():
            self._best.views[name][index] = view.detach()[index]
        for seed in kept.any(-1).nonzero().flatten().tolist():
            self._last_kept[seed] = self.looks
        self.mean_holdout_loss = float(holdout_loss.mean())
        self._loss_sum.zero_()

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
        self.network.members.copy_(self._best)

    @torch.no_grad()
    def holdout_loss(self) -> Tensor:
        """Weighted mean loss of every member on the transitions held out, [K, E]."""
        total = torch.zeros_like(self._loss_sum)
        for index in torch.split(self._holdout, _CHUNK, dim=1):
            inputs, target = self._gather(index[:, None])
            losses = self._criterion.rows(self.network, inputs, target, self._streams)
            total += self._weighted(losses, index[:, None]).sum(-1)
        return total / self._holdout.shape[1]

    def select(self, seeds: Sequence[int]) -> FitRun:
        """An independent copy of some of the seeds; it draws from the same streams."""
        streams = self._streams.select(seeds)
        index = torch.tensor(seeds, device=self._training.device)
        copy = FitRun(
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
        for place, seed in enumerate(seeds):
            copy.load_state(place, self._progress(seed))
        copy.mean_holdout_loss = self.mean_holdout_loss
        copy._start, copy._first_step = self._start, self._first_step
        return copy

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """What one seed goes on with, besides its network and its stream."""
        rows = {"training": self._training[index], "holdout": self._holdout[index]}
        return (
            {name: row.int().cpu().numpy() for name, row in rows.items()}
            | self._progress(index)
            | prefixed("batches", self._batches.state(index))
        )

    def load_state(self, index: int, state: FitState) -> None:
        """How far one seed is; its transitions and batches are given to the constructor."""
        load_seed_state(self._tensors(), index, state)
        self._last_kept[index] = int(state["last_kept"])
        self.looks, self._steps, self._since_look = (int(state[name]) for name in ("looks", "steps", "since_look"))
        self._first_step = self._steps

    def close(self) -> None:
        """Lets go of the step, which refers back to the run: on a GPU its recording holds much memory."""
        del self._repetition

    def _progress(self, index: int) -> dict[str, NDArray[Any]]:
        numbers = {"last_kept": self._last_kept[index], "looks": self.looks, "steps": self._steps}
        numbers |= {"since_look": self._since_look}
        return seed_state(self._tensors(), index) | {name: np.array(number) for name, number in numbers.items()}

    def _tensors(self) -> dict[str, Tensor]:
        losses = {"best_loss": self._best_loss, "loss_sum": self._loss_sum, "training_loss": self.training_loss}
        return prefixed("best", self._best.state_dict()) | losses

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
