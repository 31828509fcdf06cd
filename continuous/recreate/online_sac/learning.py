"""Soft actor-critic that learns from its own steps, as D4RL's behavior policies were trained.

The update is `continuous/algorithms/sac/learner.py` with one seed. Whoever uses this acts in between, and decides how
many updates follow how many steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import check_at_least
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussian
from continuous.networks.streams import SeedStreams
from continuous.recreate.online_sac.replay_file import Columns
from continuous.replay.buffers import Batch, Layout, ReplayBuffer

METRICS = ("target_value", "critic_error", "entropy")  # returned by `OnlineSac.learn`


@dataclass(frozen=True, kw_only=True)
class OnlineSacConfig:
    """D4RL's hyperparameters: those of MOPO's code, except that the target entropy is minus the action size."""

    batch_size: int = 256
    learner: SoftActorCriticConfig = field(default_factory=partial(SoftActorCriticConfig, target_entropy=None))

    def __post_init__(self) -> None:
        """Checks the range."""
        check_at_least("batch_size", self.batch_size, 1)


class OnlineSac:
    """A policy, what improves it, and the latest steps that it took.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seed: of the initial parameters.
        capacity: steps that are remembered; then the oldest are forgotten.

    Attributes:
        learner: holds everything that is trained, of one seed.
    """

    def __init__(
        self, observation_size: int, action_size: int, config: OnlineSacConfig, seed: int, capacity: int
    ) -> None:
        self.learner = SoftActorCritic(observation_size, action_size, config.learner, [seed])
        self._memory = ReplayBuffer(1, capacity, Layout(observation_size, action_size))
        self._batch_size = config.batch_size

    @property
    def policy(self) -> SquashedGaussian:
        """As it is now, with one seed."""
        return self.learner.policy

    def remember(self, steps: Columns) -> None:
        """Adds n steps under D4RL's keys."""
        self._memory.append(
            Batch(
                state=_tensor(steps["observations"]),
                action=_tensor(steps["actions"]),
                reward=_tensor(steps["rewards"]),
                next_state=_tensor(steps["next_observations"]),
                terminal=torch.from_numpy(steps["terminals"])[None],
            )
        )

    def learn(self, updates: int, streams: SeedStreams) -> Mapping[str, float]:
        """Updates, each with a new batch of what is remembered.

        Args:
            updates: how many, >= 1.
            streams: of one seed, for batches and noise.

        Returns:
            `METRICS`: mean target of the critics on the last batch, in reward units; mean squared error of the critics
            and entropy of the policy in nats, averaged over the updates.
        """
        self.learner.clear()
        for _ in range(updates):
            batch = self._memory.sample(self._batch_size, streams)
            noise, next_noise = (self.policy.noise(streams, self._batch_size) for _ in range(2))
            self.learner.update(batch, noise, next_noise)
        target = self.learner.bellman_target(batch, next_noise).mean()
        loss, entropy = (self.learner.sums[name] / updates for name in ("critic/loss", "policy/entropy_nats"))
        values = (target, 2.0 * loss, entropy)  # the loss is half the squared error
        return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def _tensor(column: NDArray[Any]) -> Tensor:
    """In single precision, [1, n, ...]."""
    return torch.from_numpy(column.astype(np.float32))[None]
