"""MOBILE's learner: soft actor-critic with hard targets that may have a lower bound."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.replay.buffers import Batch


@dataclass(frozen=True, kw_only=True)
class MOBILELearnerConfig(SoftActorCriticConfig):
    """Hyperparameters of soft actor-critic, and the bound."""

    lowest_target: float | None = None  # of the critics' targets, reward units; the authors' code: 0; None: no bound


class MOBILELearner(SoftActorCritic):
    """Policy, twin critics and temperature of K seeds; arguments as of `SoftActorCritic`."""

    entropy_in_target = False
    config: MOBILELearnerConfig

    def bellman_target(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """y = r + gamma min_j Q'_j(s', a'), no bootstrap at an end and not below the bound, [K, B]."""
        target = super().bellman_target(batch, next_noise)
        return target if self.config.lowest_target is None else target.clamp(min=self.config.lowest_target)
