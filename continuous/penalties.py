"""MOPO's model: one elite's prediction with lambda u(s, a) subtracted from its reward.

u, by the names of the paper's ablations (appendix and Table 3):

    max-std        max_i |std_i(s, a)|, as published: the norm over reward and state of the largest member's std
    mean-std       the mean over members instead of the largest
    disagreement   max_i |mean_i - mean of means| over the state ("ens. pen.")
    none           no penalty; the elites alone are computed

Standard deviations are in the data's units, as in the released code, whose targets are not standardized.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.dynamics import EnsembleDynamics
from continuous.streams import SeedStreams


class Penalty(StrEnum):
    """What u measures."""

    MAX_STD = "max-std"
    MEAN_STD = "mean-std"
    DISAGREEMENT = "disagreement"
    NONE = "none"


class PenalizedModel:
    """A `continuous.rollout.Model` whose rewards are r - lambda u.

    Args:
        model: the ensemble; every member is computed for every row, for u is about all of them.
        penalty: u.
        weight: lambda >= 0, reward units per unit of u.
    """

    def __init__(self, model: EnsembleDynamics, penalty: Penalty, weight: float) -> None:
        check_at_least("penalty weight", weight, 0.0, "0 is MBPO.")
        self._model, self._penalty, self._weight = model, penalty, weight

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
        if self._penalty is Penalty.NONE:
            return self._model.step(state, action, generator)
        model, rows = self._model, state.shape[1]
        shift = generator.integers(model.config.elites, 1)
        noise = generator.normal(rows, state.shape[2] + 1)
        mean, std = self.predictions(state, action)  # [K, E, B, D + 1]
        turn = (torch.arange(rows, device=state.device) + shift) % model.config.elites  # [K, B]
        member = model.elites.gather(1, turn)[:, None, :, None].expand(-1, 1, -1, mean.shape[-1])
        target = torch.addcmul(mean.gather(1, member)[:, 0], std.gather(1, member)[:, 0], noise)
        target = target.nan_to_num(0.0, 0.0, 0.0)
        uncertainty = self._uncertainty(mean, std).nan_to_num(0.0)
        next_state, reward, terminal = model.finish(state + target[..., 1:], target[..., 0])
        return next_state, reward - self._weight * uncertainty, terminal

    def penalty(self, state: Tensor, action: Tensor) -> Tensor:
        """lambda u, [K, B], of states [K, B, D] and actions [K, B, A]."""
        if self._penalty is Penalty.NONE:
            return torch.zeros_like(state[..., 0])
        return self._weight * self.uncertainty(state, action)

    def uncertainty(self, state: Tensor, action: Tensor) -> Tensor:
        """u at states [K, B, D] and actions [K, B, A]: [K, B]."""
        return self._uncertainty(*self.predictions(state, action))

    def predictions(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of (r, s' - s) by every member, in the data's units, [K, E, B, D + 1]."""
        scale = self._model.standardization
        mean, log_std = self._model.network(scale.inputs(state, action)[:, None])
        return torch.addcmul(scale.target_mean, mean, scale.target_std), log_std.exp() * scale.target_std

    def _uncertainty(self, mean: Tensor, std: Tensor) -> Tensor:
        if self._penalty is Penalty.DISAGREEMENT:
            states = mean[..., 1:]
            return (states - states.mean(1, keepdim=True)).norm(dim=-1).amax(1)
        norm = std.norm(dim=-1)  # [K, E, B]
        return norm.mean(1) if self._penalty is Penalty.MEAN_STD else norm.amax(1)
