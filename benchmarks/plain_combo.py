"""COMBO's and MOBILE's updates written the usual way, as yardsticks: what differs from `benchmarks.plain_mopo`.

From the papers' formulas and the settings of OfflineRL-Kit: batches on the host, a module for each twin, states
repeated for every action drawn at them. `tests/benchmarks/test_plain_combo.py` checks that losses and charges are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.plain_mopo import BATCH, DISCOUNT, ELITES, REAL_ROWS, Arrays, PlainMOPO

CONSERVATIVE_WEIGHT, DRAWN_ACTIONS = 5.0, 10
INCONSISTENCY_WEIGHT, DRAWN_STATES = 1.5, 10
HALF = BATCH // 2
Draws: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Noise at s and at s', and uniform actions, [B n, A] each, the n of a state after each other."""


class HardTargets(PlainMOPO):
    """Targets without entropy."""

    @torch.no_grad()
    def target(self, batch: Mapping[str, Tensor], next_noise: Tensor | None) -> Tensor:
        """r + gamma min_j Q'_j(s', a')."""
        next_action, _ = self.policy(batch["next_state"], next_noise)
        after = torch.cat((batch["next_state"], next_action), 1)
        value = torch.min(self.first_target(after), self.second_target(after))[:, 0]
        return batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * value


class PlainCOMBO(HardTargets):
    """Conservative critics on batches of which half the rows are the data's.

    Args:
        data: as of `PlainMOPO`.
        buffer_capacity: likewise.
        hidden: layers of policy and critics.
        detached: whether the critics' losses know nothing of how the policy drew its actions; the common
            implementations compute that gradient, too, and throw it away.
    """

    data_rows = HALF  # of a batch, the first ones

    def __init__(
        self,
        data: Arrays,
        buffer_capacity: int,
        hidden: Sequence[int] = (256, 256, 256),
        *,
        detached: bool = False,
    ) -> None:
        super().__init__(data, buffer_capacity, hidden)
        self.detached, self.twins_share_a_graph = detached, not detached

    def mixed(self) -> dict[str, Tensor]:
        """A batch: 128 rows of the data, 128 of the model."""
        real, made = self.real.sample(HALF, self.generator), self.made.sample(BATCH - HALF, self.generator)
        return {name: torch.cat((real[name], made[name])) for name in real}

    def critic_losses(
        self, batch: Mapping[str, Tensor], next_noise: Tensor | None = None, draws: Draws | None = None
    ) -> tuple[Tensor, Tensor]:
        """Of either twin."""
        target = self.target(batch, next_noise)
        states, samples = self.samples(batch, draws)
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        losses = []
        for critic in (self.first_critic, self.second_critic):
            value = critic(pairs)[:, 0]
            gap = spread(critic, states, samples) - value[: self.data_rows].mean()
            losses.append(functional.mse_loss(value, target) + CONSERVATIVE_WEIGHT * gap)
        return losses[0], losses[1]

    def samples(self, batch: Mapping[str, Tensor], draws: Draws | None) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Every state n times, and actions of three kinds there with the logs of their densities."""
        states, next_states = (batch[name].repeat_interleave(DRAWN_ACTIONS, 0) for name in ("state", "next_state"))
        size = batch["action"].shape[1]
        noise, next_noise, uniform = draws or (None, None, 2.0 * torch.rand(len(states), size) - 1.0)
        with torch.set_grad_enabled(not self.detached):
            (here, here_log), (there, there_log) = self.policy(states, noise), self.policy(next_states, next_noise)
        anywhere_log = torch.full((len(states),), size * math.log(0.5))
        return states, [(here, here_log.detach()), (there, there_log.detach()), (uniform, anywhere_log)]


def spread(critic: nn.Module, states: Tensor, samples: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The mean log of the importance-weighted sum of exp Q over the actions drawn at a state."""
    weighted = [critic(torch.cat((states, action), 1))[:, 0] - log_density for action, log_density in samples]
    return torch.cat([each.view(-1, DRAWN_ACTIONS) for each in weighted], 1).logsumexp(1).mean()


class PlainMOBILE(HardTargets):
    """Targets charged for how much the models disagree about the next value."""

    def target(self, batch: Mapping[str, Tensor], next_noise: Tensor | None) -> Tensor:
        """Less the charge, which the data's rows are spared."""
        charge = INCONSISTENCY_WEIGHT * self.inconsistency(batch["state"], batch["action"])
        charge[:REAL_ROWS] = 0.0
        return super().target(batch, next_noise) - charge

    def critic_losses(self, batch: Mapping[str, Tensor], next_noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Half the mean squared error of either twin."""
        target, pairs = self.target(batch, next_noise), torch.cat((batch["state"], batch["action"]), 1)
        first = 0.5 * functional.mse_loss(self.first_critic(pairs)[:, 0], target)
        return first, 0.5 * functional.mse_loss(self.second_critic(pairs)[:, 0], target)

    @torch.no_grad()
    def inconsistency(
        self, state: Tensor, action: Tensor, noise: Tensor | None = None, action_noise: Tensor | None = None
    ) -> Tensor:
        """The elites' spread of mean values at next states, [B].

        Args:
            state: [B, D].
            action: [B, A].
            noise: of next states, [n, elites, B, D].
            action_noise: of the actions there, [n elites B, A].
        """
        inputs = (torch.cat((state, action), 1) - torch.from_numpy(self.input_mean)) / torch.from_numpy(self.input_std)
        mean, log_std = self.ensemble(inputs.expand(self.ensemble.members, -1, -1))
        mean, std = mean[:ELITES, :, 1:], log_std[:ELITES, :, 1:].exp()
        noise = torch.randn(DRAWN_STATES, *mean.shape) if noise is None else noise
        next_state = (state + mean + std * noise).flatten(0, 2)
        pairs = torch.cat((next_state, self.policy(next_state, action_noise)[0]), 1)
        value = torch.min(self.first_target(pairs), self.second_target(pairs))
        return value.view(noise.shape[:3]).mean(0).std(0)
