"""AMPL's inner steps written the usual way, as a yardstick: modules, an optimizer each, buffers on the host.

Nothing is slowed down on purpose: PyTorch's defaults, batches cut out of numpy arrays, loss.backward(), ensembles that
compute every member for every row. `tests/benchmarks/test_plain_ampl.py` checks that its losses are ours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

DISCOUNT, BATCH, MODEL_BATCH = 0.99, 512, 128
MIW_BATCH, START_BATCH = 1024, 2048
Arrays = Mapping[str, NDArray[np.float32]]


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """400 and 300 leaky rectified linear units."""
    return nn.Sequential(
        nn.Linear(inputs, 400), nn.LeakyReLU(), nn.Linear(400, 300), nn.LeakyReLU(), nn.Linear(300, outputs)
    )


class Policy(nn.Module):
    """The implicit policy."""

    def __init__(self, states: int, actions: int, noise: int) -> None:
        super().__init__()
        self.network, self.noise = mlp(states + noise, actions), noise

    def forward(self, state: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Actions and raw actions."""
        if noise is None:
            noise = torch.randn(len(state), self.noise).clamp(-3.0, 3.0)
        raw = self.network(torch.cat((state, noise), 1))
        return raw.tanh(), raw


class EnsembleLayer(nn.Module):
    """A linear layer of every member."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        weight = torch.fmod(torch.randn(members, inputs, outputs), 2.0) / (2.0 * inputs**0.5)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """[E, B, in] to [E, B, out]."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class Ensemble(nn.Module):
    """Seven Gaussians over reward and change of the state."""

    def __init__(self, states: int, actions: int, members: int = 7, hidden: int = 200) -> None:
        super().__init__()
        sizes = (states + actions, hidden, hidden, hidden, hidden)
        self.layers = nn.ModuleList(EnsembleLayer(members, *pair) for pair in pairwise(sizes))
        self.mean = EnsembleLayer(members, hidden, states + 1)
        self.log_std = EnsembleLayer(members, hidden, states + 1)
        self.upper = nn.Parameter(torch.full((states + 1,), 0.25))
        self.lower = nn.Parameter(torch.full((states + 1,), -5.0))
        self.members = members

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log standard deviations, [E, B, D + 1], of [E, B, D + A]."""
        for layer in self.layers:
            inputs = functional.silu(layer(inputs))
        log_std = self.upper - functional.softplus(self.upper - self.log_std(inputs))
        return self.mean(inputs), self.lower + functional.softplus(log_std - self.lower)

    def loss(self, inputs: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Weighted likelihood of every member with the penalty on the bounds."""
        mean, log_std = self(inputs)
        losses = ((mean - target).square() * (-2.0 * log_std).exp() + 2.0 * log_std).mean(-1)
        return (losses * weights).mean(-1).sum() + 0.02 * (self.upper.sum() - self.lower.sum())

    def decayed(self) -> Iterator[dict[str, Any]]:
        """Parameter groups with their weight decay."""
        for layer, decay in zip(self.layers, (2.5e-5, 5e-5, 7.5e-5, 7.5e-5), strict=True):
            yield {"params": layer.parameters(), "weight_decay": decay}
        for head in (self.mean, self.log_std):
            yield {"params": head.parameters(), "weight_decay": 1e-4}
        yield {"params": [self.upper, self.lower], "weight_decay": 0.0}


class PlainAMPL:
    """Everything that one seed trains.

    Args:
        data: float32 columns: `state` and `next_state` [N, D], `action` [N, A], `reward` and `terminal` [N], and
            `start_state` [M, D].
        noise: size of the implicit policy's noise.
    """

    def __init__(self, data: Arrays, noise: int = 50) -> None:
        states, actions = data["state"].shape[1], data["action"].shape[1]
        self.data, self.buffer = data, {name: column.copy() for name, column in data.items()}
        self.generator = np.random.default_rng(0)
        self.policy = Policy(states, actions, noise)
        self.critics = nn.ModuleList(mlp(states + actions, 1) for _ in range(2))
        self.discriminator, self.weights = mlp(states + actions, 1), mlp(states + actions, 1)
        self.target_policy, self.target_critics = copy.deepcopy(self.policy), copy.deepcopy(self.critics)
        self.target_weights, self.target_value = copy.deepcopy(self.weights), copy.deepcopy(self.critics[0])
        self.ensemble = Ensemble(states, actions)
        adam = torch.optim.Adam
        self.policy_optimizer = adam(self.policy.parameters(), lr=2e-4, betas=(0.4, 0.999))
        self.critic_optimizer = adam(self.critics.parameters(), lr=3e-4)
        self.discriminator_optimizer = adam(self.discriminator.parameters(), lr=2e-4, betas=(0.4, 0.999))
        self.ensemble_optimizer = adam(self.ensemble.decayed(), lr=1e-3)
        self.weights_optimizer = adam(self.weights.parameters(), lr=1e-6)
        self.value_scale: Tensor | None = None

    def sample(self, columns: Arrays, rows: int) -> dict[str, Tensor]:
        """A batch of host arrays."""
        index = self.generator.integers(len(columns["reward"]), size=rows)
        names = ("state", "action", "reward", "next_state", "terminal")
        return {name: torch.from_numpy(columns[name][index]) for name in names}

    def mixed(self) -> dict[str, Tensor]:
        """Half of the data, half of the model."""
        parts = [self.sample(self.data, BATCH // 2), self.sample(self.buffer, BATCH // 2)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def bellman_target(self, batch: Mapping[str, Tensor], next_action: Tensor) -> Tensor:
        """Eq. 12."""
        pairs = torch.cat((batch["next_state"], next_action), 1)
        first, second = (critic(pairs)[:, 0] for critic in self.target_critics)
        value = 0.75 * torch.minimum(first, second) + 0.25 * torch.maximum(first, second)
        return batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * value * (value.abs() < 2000.0)

    def critic_loss(self, batch: Mapping[str, Tensor], next_action: Tensor) -> Tensor:
        """Eq. 13, of both twins."""
        with torch.no_grad():
            target = self.bellman_target(batch, next_action)
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        losses = [functional.huber_loss(critic(pairs)[:, 0], target, delta=500.0) for critic in self.critics]
        return losses[0] + losses[1]

    def discriminator_loss(self, true: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        """Eq. 16, as in the released code."""
        true_logit, fake_logit = self.discriminator(true)[:, 0], self.discriminator(fake)[:, 0]
        bce = functional.binary_cross_entropy_with_logits
        return 0.5 * (bce(true_logit, labels) + bce(fake_logit, torch.zeros_like(fake_logit)))

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Eq. 15, as in the released code."""
        logit = self.discriminator(fake)[:, 0]
        return functional.binary_cross_entropy_with_logits(logit, torch.ones_like(logit))

    def iterate(self, step: int) -> None:
        """One iteration of critics, policy and discriminator."""
        batch = self.mixed()
        with torch.no_grad():
            next_action = self.target_policy(batch["next_state"])[0]
        self.critic_optimizer.zero_grad()
        self.critic_loss(batch, next_action).backward()
        nn.utils.clip_grad_norm_(self.critics.parameters(), 0.1)
        self.critic_optimizer.step()

        state = self.mixed()["state"]
        action, raw = self.policy(state)
        next_state, _ = self.predict(state, action.detach())
        fake = torch.cat((torch.cat((state, raw), 1), torch.cat((next_state, self.policy(next_state)[1]), 1)))
        pairs = torch.cat((batch["state"], self.policy(batch["state"])[0]), 1)
        value = torch.minimum(*(critic(pairs)[:, 0] for critic in self.critics))
        if self.value_scale is None:
            self.value_scale = value.detach().abs().mean()
        if step % 2 == 0:
            loss = -10.0 / self.value_scale * value.mean() + self.generator_loss(fake)
            self.policy_optimizer.zero_grad()
            loss.backward()
            self.policy_optimizer.step()
        rows = self.sample(self.data, 2 * BATCH)
        true = torch.cat((rows["state"], rows["action"].clamp(-1.0 + 1e-7, 1.0 - 1e-7).atanh()), 1)
        self.discriminator_optimizer.zero_grad()
        self.discriminator_loss(true, fake.detach(), 0.8 + 0.2 * torch.rand(2 * BATCH)).backward()
        self.discriminator_optimizer.step()

        self.follow(self.target_critics, self.critics, 0.005)
        self.follow(self.target_policy, self.policy, 0.005)
        self.value_scale = 0.005 * value.detach().abs().mean() + 0.995 * self.value_scale

    @torch.no_grad()
    def predict(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Next states and rewards, each row by one member out of five."""
        mean, log_std = self.ensemble(torch.cat((state, action), 1).expand(self.ensemble.members, -1, -1))
        drawn = mean + log_std.exp() * torch.randn_like(mean)
        chosen = drawn[torch.randint(5, (len(state),)), torch.arange(len(state))]
        return state + chosen[:, 1:], chosen[:, 0]

    def fit_step(self) -> None:
        """One step of the ensemble."""
        index = self.generator.integers(len(self.data["reward"]), size=(self.ensemble.members, MODEL_BATCH))
        state, next_state = (torch.from_numpy(self.data[name][index]) for name in ("state", "next_state"))
        action, reward = (torch.from_numpy(self.data[name][index]) for name in ("action", "reward"))
        target = torch.cat((reward[..., None], next_state - state), -1)
        loss = self.ensemble.loss(torch.cat((state, action), -1), target, torch.ones_like(reward))
        self.ensemble_optimizer.zero_grad()
        loss.backward()
        self.ensemble_optimizer.step()

    def weight(self, network: nn.Module, batch: Mapping[str, Tensor], power: float = 0.5) -> Tensor:
        """w(s, a)."""
        last = network(torch.cat((batch["state"], batch["action"]), 1))[:, 0]
        return (functional.softplus(last - 1e-8) + 1e-8) ** power

    def moment_sides(self, batch: Mapping[str, Tensor], starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """w at the batch, and both sides of Eq. 10."""
        with torch.no_grad():
            first = self.target_value(torch.cat((starts, self.policy(starts)[0]), 1))[:, 0]
            after = torch.cat((batch["next_state"], self.policy(batch["next_state"])[0]), 1)
            later = (1.0 - batch["terminal"]) * self.target_value(after)[:, 0] * self.weight(self.target_weights, batch)
            right = (1.0 - DISCOUNT) * first.mean() + DISCOUNT * later.mean()
            value = self.critics[0](torch.cat((batch["state"], batch["action"]), 1))[:, 0]
        weights = self.weight(self.weights, batch)
        return weights, (weights * value).mean(), right

    def weight_step(self) -> None:
        """One step of AMPL's estimator of the weights."""
        batch = self.sample(self.data, MIW_BATCH)
        starts = self.data["start_state"]
        start = torch.from_numpy(starts[self.generator.integers(len(starts), size=START_BATCH)])
        weights, left, right = self.moment_sides(batch, start)
        parameters = list(self.weights.parameters())
        slopes = torch.autograd.grad(functional.huber_loss(left, right), parameters, retain_graph=True)
        walls = torch.autograd.grad(weights.mean(), parameters)
        for parameter, slope, wall in zip(parameters, slopes, walls, strict=True):
            square = wall.square().sum()
            room = torch.minimum(weights.detach().mean() - 10.0, square)
            parameter.grad = slope + torch.relu((room - (slope * wall).sum()) / (square + 1e-8)) * wall
        nn.utils.clip_grad_norm_(parameters, 1.0)
        self.weights_optimizer.step()
        self.follow(self.target_weights, self.weights, 0.01)
        self.follow(self.target_value, self.critics[0], 0.01)

    @torch.no_grad()
    def roll_out(self, length: int = 5) -> int:
        """One start batch of 2048 paths into the buffer; returns the transitions made."""
        state = self.sample(self.data, START_BATCH)["state"]
        for step in range(length):
            action = self.policy(state)[0]
            next_state, reward = self.predict(state, action)
            rows = slice(step * START_BATCH, (step + 1) * START_BATCH)
            made = {"state": state, "action": action, "reward": reward, "next_state": next_state}
            for name, column in made.items():
                self.buffer[name][rows] = column.numpy()
            self.buffer["terminal"][rows] = 0.0
            state = next_state
        return length * START_BATCH

    @torch.no_grad()
    def follow(self, target: nn.Module, source: nn.Module, rate: float) -> None:
        """Soft update."""
        for old, new in zip(target.parameters(), source.parameters(), strict=True):
            old.copy_(rate * new + (1.0 - rate) * old)
