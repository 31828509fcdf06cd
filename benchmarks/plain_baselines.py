"""CQL's and TD3+BC's updates written the usual way, as yardsticks.

From the papers' formulas and their common settings: batches on the host, a module for each twin, an optimizer for each
network. `tests/benchmarks/test_plain_baselines.py` checks that TD3+BC's losses and gradients are ours; CQL's are
COMBO's of `benchmarks.plain_combo` on batches of data alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.plain_combo import PlainCOMBO
from benchmarks.plain_mopo import BATCH, DISCOUNT, LEARNING_RATE, Arrays, HostBuffer, descend, follow, mlp

VALUE_WEIGHT, POLICY_PERIOD, NOISE, NOISE_BOUND, SMALLEST_STD = 2.5, 2, 0.2, 0.5, 1e-3


class PlainCQL(PlainCOMBO):
    """CQL(H): conservative critics on batches of data."""

    data_rows = BATCH

    def mixed(self) -> dict[str, Tensor]:
        """A batch of the data."""
        return self.real.sample(BATCH, self.generator)


class PlainTD3BC:
    """Everything that one seed trains.

    Args:
        data: as of `PlainMOPO`.
    """

    def __init__(self, data: Arrays) -> None:
        states, actions = data["state"].shape[1], data["action"].shape[1]
        mean, std = data["state"].mean(0), data["state"].std(0) + SMALLEST_STD
        self.generator, self.done = np.random.default_rng(0), 0
        self.real = HostBuffer(len(data["reward"]), states, actions)
        self.real.add({**data, **{name: (data[name] - mean) / std for name in ("state", "next_state")}})
        self.policy = mlp(states, actions, (256, 256))
        self.first_critic, self.second_critic = (mlp(states + actions, 1, (256, 256)) for _ in range(2))
        self.policy_target, self.first_target, self.second_target = map(
            copy.deepcopy, (self.policy, self.first_critic, self.second_critic)
        )
        critics = [*self.first_critic.parameters(), *self.second_critic.parameters()]
        self.policy_optimizer = torch.optim.Adam(self.policy.parameters(), lr=LEARNING_RATE)
        self.critic_optimizer = torch.optim.Adam(critics, lr=LEARNING_RATE)

    def critic_loss(self, batch: Mapping[str, Tensor], noise: Tensor | None = None) -> Tensor:
        """Mean squared errors of both twins, summed."""
        with torch.no_grad():
            noise = torch.randn_like(batch["action"]) if noise is None else noise
            smoothing = (NOISE * noise).clamp(-NOISE_BOUND, NOISE_BOUND)
            next_action = (self.policy_target(batch["next_state"]).tanh() + smoothing).clamp(-1.0, 1.0)
            after = torch.cat((batch["next_state"], next_action), 1)
            value = torch.min(self.first_target(after), self.second_target(after))[:, 0]
            target = batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * value
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        first = functional.mse_loss(self.first_critic(pairs)[:, 0], target)
        return first + functional.mse_loss(self.second_critic(pairs)[:, 0], target)

    def policy_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Imitation minus the weighted value."""
        action = self.policy(batch["state"]).tanh()
        value = self.first_critic(torch.cat((batch["state"], action), 1))
        weight = VALUE_WEIGHT / value.abs().mean().detach()
        return functional.mse_loss(action, batch["action"]) - weight * value.mean()

    def update(self) -> None:
        """One update of the critics, and on every second one of everything else."""
        self.done += 1
        batch = self.real.sample(BATCH, self.generator)
        descend(self.critic_loss(batch), self.critic_optimizer)
        if self.done % POLICY_PERIOD == 0:
            descend(self.policy_loss(batch), self.policy_optimizer)
            follow(self.first_target.parameters(), self.first_critic.parameters())
            follow(self.second_target.parameters(), self.second_critic.parameters())
            follow(self.policy_target.parameters(), self.policy.parameters())
