"""MOPO's model: one elite's prediction with lambda u(s, a) subtracted from its reward.

u, by the names of the paper's ablations (appendix and Table 3):

    max-std        max_i |std_i(s, a)|, as published: the norm over reward and state of the largest member's std
    mean-std       the mean over members instead of the largest
    disagreement   max_i |mean_i - mean of means| over the state ("ens. pen.")
    true-error     |T_hat(s, a) - T(s, a)| over the state, T being the simulator ("true pen.")
    none           no penalty; the elites alone are computed

Standard deviations and errors are in the data's units, as in the released code, whose targets are not standardized.

The true error is reconstructed, for the paper gives no more than the formula and the code has none of it: T_hat is the
mean of the elite that predicts the row; where no elite is drawn, u is averaged over the elites, each being as likely.

Rows that have diverged, in the model or the simulator, are charged the largest u of their seed's batch.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least
from continuous.model.ensemble import EnsembleDynamics
from continuous.networks.streams import SeedStreams

TrueStep: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""T: next states [K, B, D] of states [K, B, D] and actions [K, B, A]; not a number where unknown."""


class Penalty(StrEnum):
    """What u measures."""

    MAX_STD = "max-std"
    MEAN_STD = "mean-std"
    DISAGREEMENT = "disagreement"
    TRUE_ERROR = "true-error"
    NONE = "none"


class PenalizedModel:
    """A `continuous.model.rollout.Model` whose rewards are r - lambda u.

    Args:
        model: the ensemble; every member is computed for every row, for u is about all of them.
        penalty: u.
        weight: lambda >= 0, reward units per unit of u.
        true_step: T, which only the true error needs.

    Raises:
        InvalidArgumentError: weight < 0, or the true error without T.
    """

    def __init__(
        self, model: EnsembleDynamics, penalty: Penalty, weight: float, true_step: TrueStep | None = None
    ) -> None:
        check_at_least("penalty weight", weight, 0.0, "0 is MBPO.")
        if penalty is Penalty.TRUE_ERROR and true_step is None:
            raise InvalidArgumentError("penalty is true-error, but true_step is not given. Give the simulator's step.")
        self._model, self._penalty, self._weight, self._true_step = model, penalty, weight, true_step

    @torch.no_grad()
    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, Tensor, Tensor]:
        """One step from each pair.

        Args:
            state: [K, B, D].
            action: [K, B, A].
            generator: for the elites and the Gaussians.

        Returns:
            Next states [K, B, D], penalized rewards [K, B], and whether the episode ended, [K, B] of bool.
        """
        next_state, reward, terminal, penalty = self.charged_step(state, action, generator)
        return next_state, reward - penalty, terminal

    @torch.no_grad()
    def charged_step(
        self, state: Tensor, action: Tensor, generator: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same with the model's own rewards, and lambda u, [K, B], beside them."""
        if self._penalty is Penalty.NONE:
            next_state, reward, terminal = self._model.step(state, action, generator)
            return next_state, reward, terminal, torch.zeros_like(reward)
        model, rows = self._model, state.shape[1]
        shift = generator.integers(model.config.elites, 1)
        noise = generator.normal(rows, state.shape[2] + 1)
        mean, std = self.predictions(state, action)  # [K, E, B, D + 1]
        turn = (torch.arange(rows, device=state.device) + shift) % model.config.elites  # [K, B]
        member = model.elites.gather(1, turn)[:, None, :, None].expand(-1, 1, -1, mean.shape[-1])
        own_mean = mean.gather(1, member)  # [K, 1, B, D + 1]
        target = torch.addcmul(own_mean[:, 0], std.gather(1, member)[:, 0], noise)
        if self._penalty is Penalty.TRUE_ERROR:
            uncertainty = self._true_error(state, action, own_mean)
        else:
            uncertainty = self._uncertainty(mean, std)
        next_state, reward, terminal = model.finish(state, action, state + target[..., 1:], target[..., 0])
        return next_state, reward, terminal, self._weight * uncertainty

    def uncertainty(self, state: Tensor, action: Tensor) -> Tensor:
        """u at states [K, B, D] and actions [K, B, A]: [K, B]."""
        mean, std = self.predictions(state, action)
        if self._penalty is Penalty.TRUE_ERROR:
            elites = self._model.elites[:, :, None, None].expand(-1, -1, *mean.shape[2:])
            return self._true_error(state, action, mean.gather(1, elites))
        return self._uncertainty(mean, std)

    def predictions(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of (r, s' - s) by every member, in the data's units, [K, E, B, D + 1]."""
        scale = self._model.standardization
        mean, log_std = self._model.network(scale.inputs(state, action)[:, None])
        return torch.addcmul(scale.target_mean, mean, scale.target_std), log_std.exp() * scale.target_std

    def _uncertainty(self, mean: Tensor, std: Tensor) -> Tensor:
        if self._penalty is Penalty.DISAGREEMENT:
            states = mean[..., 1:]
            return known((states - states.mean(1, keepdim=True)).norm(dim=-1).amax(1))
        norm = std.norm(dim=-1)  # [K, E, B]
        return known(norm.mean(1) if self._penalty is Penalty.MEAN_STD else norm.amax(1))

    def _true_error(self, state: Tensor, action: Tensor, mean: Tensor) -> Tensor:
        """|T_hat - T|, [K, B], averaged over the members that `mean`, [K, E, B, D + 1], is of."""
        assert self._true_step is not None  # the constructor has seen to it
        predicted = state[:, None] + mean[..., 1:]
        return known((predicted - self._true_step(state, action)[:, None]).norm(dim=-1).mean(1))


def known(uncertainty: Tensor) -> Tensor:
    """u, [K, B], and the largest of the seed's rows where it is not finite: zero would reward leaving."""
    known = uncertainty.isfinite()
    largest = uncertainty.where(known, 0.0).amax(-1, keepdim=True)  # [K, 1]
    return uncertainty.where(known, largest)
