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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import InvalidShapeError, check_at_least
from ampl.pauses import pause
from ampl.progress import progress
from continuous.model.batches import restored_batches
from continuous.model.fit_run import FitRun, FitState
from continuous.model.loss import ModelLoss
from continuous.model.network import DynamicsConfig, DynamicsNetwork
from continuous.networks.seed_state import load_seed_state, seed_state, without_prefix
from continuous.networks.streams import SeedStreams


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
        self._run: FitRun | None = None
        if not begun:
            order = streams.uniform(n_rows).argsort(-1)  # a random order of each seed, [K, N]
            self._run = FitRun(
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
            own = streams.select(going)
            training = _stacked(states, "training", rows.device)
            batches = [without_prefix("batches", state) for state in states]
            self._run = FitRun(
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
        """In a pause: one seed of the network as it is now."""
        if self._run is not None and seed in self._run.seeds:
            return seed_state(self._run.network.state_dict(), self._run.seeds.index(seed))
        return seed_state(self._network.state_dict(), seed)

    def _take_out_ended(self) -> None:
        run = self._run
        assert run is not None
        ended, going = run.ended()
        if not ended:
            return
        done = run.select(ended)
        done.restore()
        for index, holdout_loss in enumerate(done.holdout_loss().cpu()):
            fitted = seed_state(done.network.state_dict(), index)
            load_seed_state(self._network.state_dict(), done.seeds[index], fitted)
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
