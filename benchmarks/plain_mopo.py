"""MOPO's inner steps written the usual way, as a yardstick: modules, an optimizer each, buffers on the host.

Nothing is slowed down on purpose: two critics as modules, a target update parameter by parameter, PyTorch's own Adam,
batches cut out of numpy arrays. `tests/benchmarks/test_plain_mopo.py` checks that its losses are ours.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn import functional

from benchmarks.plain_ampl import Arrays, Ensemble

DISCOUNT, BATCH, REAL, MODEL_BATCH, TARGET_ENTROPY = 0.99, 256, 12, 256, -3.0


class Actor(nn.Module):
    """A squashed Gaussian of two layers of 256 units."""

    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(states, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.heads = nn.Linear(256, 2 * actions)

    def forward(self, state: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Actions [B, A] and their log probabilities [B]."""
        mean, log_std = self.heads(self.trunk(state)).chunk(2, -1)
        normal = Normal(mean, log_std.clamp(-20.0, 2.0).exp())
        raw = normal.rsample() if noise is None else mean + normal.scale * noise
        action = raw.tanh()
        squashing = 2.0 * (np.log(2.0) - raw - functional.softplus(-2.0 * raw))
        return action, (normal.log_prob(raw) - squashing).sum(-1)


def critic(states: int, actions: int) -> nn.Sequential:
    """Two layers of 256 units."""
    return nn.Sequential(nn.Linear(states + actions, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))


class PlainMOPO:
    """Everything that one seed trains.

    Args:
        data: float32 columns: `state` and `next_state` [N, D], `action` [N, A], `reward` and `terminal` [N].
    """

    def __init__(self, data: Arrays) -> None:
        states, actions = data["state"].shape[1], data["action"].shape[1]
        self.data, self.buffer = data, {name: column.copy() for name, column in data.items()}
        self.generator = np.random.default_rng(0)
        self.actor = Actor(states, actions)
        self.critics = [critic(states, actions), critic(states, actions)]
        self.targets = copy.deepcopy(self.critics)
        self.log_temperature = torch.zeros(1, requires_grad=True)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=3e-4)
        self.critic_optimizers = [torch.optim.Adam(each.parameters(), lr=3e-4) for each in self.critics]
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], lr=3e-4)
        self.ensemble = Ensemble(states, actions)
        self.model_optimizer = torch.optim.Adam(self.ensemble.decayed(), lr=1e-3)

    def batch(self) -> dict[str, Tensor]:
        """Five percent real rows, the others the model's."""
        real = self.generator.integers(len(self.data["reward"]), size=REAL)
        model = self.generator.integers(len(self.buffer["reward"]), size=BATCH - REAL)
        names = ("state", "action", "reward", "next_state", "terminal")
        return {
            name: torch.from_numpy(np.concatenate((self.data[name][real], self.buffer[name][model]))) for name in names
        }

    def update(self) -> None:
        """One update of soft actor-critic."""
        batch = self.batch()
        for loss, optimizer in zip(self.critic_losses(batch), self.critic_optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss, log_probability = self.actor_loss(batch)
        self.actor_optimizer.zero_grad()
        loss.backward()
        self.actor_optimizer.step()
        temperature_loss = -(self.log_temperature * (log_probability.detach() + TARGET_ENTROPY)).mean()
        self.temperature_optimizer.zero_grad()
        temperature_loss.backward()
        self.temperature_optimizer.step()
        for target, online in zip(self.targets, self.critics, strict=True):
            for old, new in zip(target.parameters(), online.parameters(), strict=True):
                old.data.copy_(0.995 * old.data + 0.005 * new.data)

    def critic_losses(self, batch: dict[str, Tensor], noise: Tensor | None = None) -> list[Tensor]:
        """Half the mean squared error of each critic."""
        with torch.no_grad():
            action, log_probability = self.actor(batch["next_state"], noise)
            following = torch.cat((batch["next_state"], action), 1)
            value = torch.minimum(*(each(following)[:, 0] for each in self.targets))
            soft = value - self.log_temperature.exp() * log_probability
            target = batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * soft
        inputs = torch.cat((batch["state"], batch["action"]), 1)
        return [0.5 * functional.mse_loss(each(inputs)[:, 0], target) for each in self.critics]

    def actor_loss(self, batch: dict[str, Tensor], noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The policy's loss, and its log probabilities."""
        action, log_probability = self.actor(batch["state"], noise)
        inputs = torch.cat((batch["state"], action), 1)
        value = torch.minimum(*(each(inputs)[:, 0] for each in self.critics))
        return (self.log_temperature.exp().detach() * log_probability - value).mean(), log_probability

    def fit_step(self) -> None:
        """One step of the model, 7 x 256 rows."""
        index = self.generator.integers(len(self.data["reward"]), size=(self.ensemble.members, MODEL_BATCH))
        state, action = (torch.from_numpy(self.data[name][index]) for name in ("state", "action"))
        change = torch.from_numpy(self.data["next_state"][index]) - state
        target = torch.cat((torch.from_numpy(self.data["reward"][index])[..., None], change), -1)
        loss = self.ensemble.loss(torch.cat((state, action), -1), target, torch.ones(1))
        self.model_optimizer.zero_grad()
        loss.backward()
        self.model_optimizer.step()

    @torch.no_grad()
    def roll_out(self, length: int, starts: int) -> int:
        """Penalized rollouts; how many transitions."""
        state = self.data["state"][self.generator.integers(len(self.data["reward"]), size=starts)]
        for _ in range(length):
            action = self.actor(torch.from_numpy(state))[0]
            inputs = torch.cat((torch.from_numpy(state), action), 1)
            mean, log_std = self.ensemble(inputs.expand(self.ensemble.members, -1, -1))
            std = log_std.exp()
            drawn = (mean + std * torch.randn_like(std)).numpy()
            member = self.generator.integers(5, size=starts)
            chosen = drawn[member, np.arange(starts)]
            penalty = np.amax(np.linalg.norm(std.numpy(), axis=2), axis=0)
            self.buffer["reward"][:starts] = (chosen[:, 0] - penalty)[: len(self.buffer["reward"])]
            state = state + chosen[:, 1:]
        return length * starts
