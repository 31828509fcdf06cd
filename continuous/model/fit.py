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
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import InvalidShapeError, check_at_least
from ampl.pauses import pause
from ampl.progress import duration, progress
from continuous.model.batches import Batches, drawn_batches, restored_batches
from continuous.model.loss import ModelLoss, SquaredError
from continuous.model.network import DynamicsConfig, DynamicsNetwork, HoldoutCriterion
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams, prefixed, without_prefix

_CHUNK = 2048  # hold-out rows at a time
_PART = 500  # steps between two pauses at most
_NEVER = 1e32  # hold-out loss of a member that was not kept yet

FitState: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """How the fit of one seed went."""

    holdout_loss: Tensor  # of each member as it was put back, on the CPU, [E]
    training_loss: float  # mean over members and the steps before the last look
    looks: int  # at the transitions held out


def fit_network(
    network: DynamicsNetwork, rows: Tensor, weights: Tensor | None, streams: SeedStreams, loss: ModelLoss
) -> list[FitResult]:
    """Fits all seeds of a network, in place; arguments, results and errors as of `Fit`."""
    return Fit(network, rows, weights, streams, loss).finish()


class Fit:
    """A fit of all seeds of a network, in place, which can be saved in its pauses (`ampl.pauses`) and go on later.

    Args:
        network: K seeds.
        rows: all transitions standardized, x beside y, [N, D + A + D + 1] (see `Standardization.fit`).
        weights: w of every transition for each seed, [K, N], >= 0; divided by their mean here. None: all one.
        streams: for the hold-out transitions, the batches and what the loss draws.
        loss: what to minimize.
        begun: what `state` gave for each seed of a fit that goes on, whose network and streams are as they were then; a
            seed that is missing is left out. Empty: a new fit.

    Raises:
        InvalidArgumentError: too few transitions to hold any out.
        InvalidShapeError: weights of another shape.
    """

    def __init__(
        self,
        network: DynamicsNetwork,
        rows: Tensor,
        weights: Tensor | None,
        streams: SeedStreams,
        loss: ModelLoss,
        begun: Mapping[int, FitState] = MappingProxyType({}),
    ) -> None:
        n_seeds, n_rows, config = len(streams), len(rows), network.config
        if weights is not None and weights.shape != (n_seeds, n_rows):
            raise InvalidShapeError(f"weights have shape {list(weights.shape)}; expected {[n_seeds, n_rows]}.")
        n_holdout = holdout_size(n_rows, config)
        if weights is not None:
            weights = (weights / weights.mean(-1, keepdim=True, dtype=torch.float64)).to(rows.dtype)
        self._network, self._n_seeds = network, n_seeds
        self._results = {seed: _result(state) for seed, state in begun.items() if not _goes_on(state)}
        self._run: _Run | None = None
        if not begun:
            order = streams.uniform(n_rows).argsort(-1)  # a random order of each seed, [K, N]
            self._run = _Run(
                network=network.select(range(n_seeds)),
                rows=rows,
                weights=weights,
                training=order[:, n_holdout:],
                holdout=order[:, :n_holdout],
                streams=streams,
                loss=loss,
                seeds=range(n_seeds),
            )
        elif going := sorted(set(begun) - set(self._results)):
            states = [begun[seed] for seed in going]
            own = SeedStreams.of([streams.generators[seed] for seed in going])
            training = _stacked(states, "training", rows.device)
            batches = [without_prefix("batches", state) for state in states]
            self._run = _Run(
                network=network.select(going),
                rows=rows,
                weights=None if weights is None else weights[going],
                training=training,
                holdout=_stacked(states, "holdout", rows.device),
                streams=own,
                loss=loss.select(going),
                seeds=going,
                batches=restored_batches(config, training, batches, own),
            )
            for index, state in enumerate(states):
                self._run.load_state(index, state)

    def finish(self) -> list[FitResult]:
        """Makes all steps that are left; one result a seed."""
        try:
            with progress("looks at the hold-out loss", None) as bar:
                while self._run is not None:
                    looked = self._run.advance()
                    if looked:
                        self._take_out_ended()
                    if self._run is not None:
                        bar.show(self._run.outlook())
                    bar.advance(int(looked))
                    if self._run is not None:
                        pause()
        finally:
            if self._run is not None:
                self._run.close()
        return [self._results.get(seed) or self._left_out() for seed in range(self._n_seeds)]

    def state(self, seed: int) -> dict[str, NDArray[Any]]:
        """In a pause: what one seed goes on with, besides its network and its stream; its result, if it has ended."""
        if self._run is not None and seed in self._run.seeds:
            return self._run.state(self._run.seeds.index(seed))
        result = self._results.get(seed) or self._left_out()
        numbers = {"training_loss": np.array(result.training_loss), "looks": np.array(result.looks)}
        return {"holdout_loss": result.holdout_loss.numpy()} | numbers

    def network_state(self, seed: int) -> dict[str, NDArray[Any]]:
        """In a pause: `DynamicsNetwork.state` of one seed as it is now."""
        if self._run is not None and seed in self._run.seeds:
            return self._run.network.state(self._run.seeds.index(seed))
        return self._network.state(seed)

    def _take_out_ended(self) -> None:
        run = self._run
        assert run is not None
        ended, going = run.ended()
        if not ended:
            return
        done = run.select(ended)
        done.restore()
        for index, holdout_loss in enumerate(done.holdout_loss().cpu()):
            self._network.load_state(done.seeds[index], done.network.state(index))
            self._results[done.seeds[index]] = FitResult(
                holdout_loss=holdout_loss, training_loss=float(done.training_loss[index]), looks=done.looks
            )
        self._run = run.select(going) if going else None
        for old in (run, done):
            old.close()

    def _left_out(self) -> FitResult:
        """Of a seed that had stopped when its fit went on."""
        unknown = torch.full((self._network.config.members,), math.nan)
        return FitResult(holdout_loss=unknown, training_loss=math.nan, looks=0)


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
        self._batches = batches or drawn_batches(config, training, streams)
        self._criterion = SquaredError() if config.holdout_criterion is HoldoutCriterion.SQUARED_ERROR else loss
        stack = network.members.parameters.stack  # (K, E)
        self._best = network.members.parameters.frozen()  # every member when it was kept
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
        end = f"{steps:,} steps ({duration(steps * step_seconds)})"
        if without < steps:
            count = "1 look" if looks == 1 else f"{looks} looks"
            words.append(f"ends in at most {count} without improvement (about {duration(without * step_seconds)})")
            words.append(f"at the latest in {end}")
        else:
            words.append(f"ends in at most {end}")
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
        for name, view in self.network.members.parameters.views.items():
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
        self._best.set_seed(index, torch.from_numpy(np.array(state["best"])))
        self._best_loss[index] = torch.from_numpy(np.array(state["best_loss"]))
        self._loss_sum[index] = torch.from_numpy(np.array(state["loss_sum"])).to(self._loss_sum.device)
        self.training_loss[index] = float(state["training_loss"])
        self._last_kept[index] = int(state["last_kept"])
        self.looks, self._steps, self._since_look = (int(state[name]) for name in ("looks", "steps", "since_look"))
        self._first_step = self._steps

    def close(self) -> None:
        """Lets go of the step, which refers back to the run: on a GPU its recording holds much memory."""
        del self._repetition

    def _progress(self, index: int) -> dict[str, NDArray[Any]]:
        numbers = {"last_kept": self._last_kept[index], "looks": self.looks, "steps": self._steps}
        return {
            "best": self._best.of_seed(index).cpu().numpy(),
            "best_loss": self._best_loss[index].numpy().copy(),
            "loss_sum": self._loss_sum[index].cpu().numpy().copy(),
            "training_loss": self.training_loss[index].numpy().copy(),
        } | {name: np.array(number) for name, number in (numbers | {"since_look": self._since_look}).items()}

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


def _goes_on(state: FitState) -> bool:
    """Whether `Fit.state` is of a seed that had not ended."""
    return "training" in state


def _result(state: FitState) -> FitResult:
    """From `Fit.state` of a seed that has ended."""
    return FitResult(
        holdout_loss=torch.from_numpy(np.array(state["holdout_loss"])),
        training_loss=float(state["training_loss"]),
        looks=int(state["looks"]),
    )


def _stacked(states: Sequence[FitState], name: str, device: torch.device) -> Tensor:
    """Indices of each seed, [K, ...]."""
    return torch.from_numpy(np.stack([state[name] for state in states])).to(device).long()
