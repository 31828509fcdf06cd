"""MOPO's inner steps written the usual way, as a yardstick: modules, an optimizer each, buffers on the host.

Nothing is slowed down on purpose: PyTorch's defaults, batches cut out of numpy arrays, loss.backward(), and rollouts
that go to numpy after every network, as the common implementations do. One seed. The ensemble is that of
`benchmarks.plain_ampl`. `tests/benchmarks/test_plain_mopo.py` checks that losses, gradients and penalties are ours.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.plain_ampl import Ensemble

DISCOUNT, TARGET_RATE, LEARNING_RATE, TARGET_ENTROPY = 0.99, 0.005, 3e-4, -3.0
BATCH, REAL_ROWS, MODEL_BATCH = 256, 12, 256
PENALTY_WEIGHT, ELITES = 1.0, 5
Array = NDArray[np.float32]
Arrays = Mapping[str, Array]


def mlp(inputs: int, outputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Layers of rectified linear units."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *hidden)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


class Policy(nn.Module):
    """A Gaussian squashed by tanh."""

    def __init__(self, states: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.network = mlp(states, 2 * actions, hidden)

    def forward(self, state: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Actions [B, A] and the logs of their densities [B], of states [B, D]; standard normal noise [B, A]."""
        mean, log_std = self.network(state).chunk(2, 1)
        log_std = log_std.clamp(-20.0, 2.0)
        if noise is None:
            noise = torch.randn_like(mean)
        raw = mean + log_std.exp() * noise
        log_density = -0.5 * noise**2 - log_std - 0.5 * math.log(2.0 * math.pi)
        log_slope = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (log_density - log_slope).sum(1)


class HostBuffer:
    """Transitions in numpy arrays, first in first out.

    Args:
        capacity: of transitions.
        states: D.
        actions: A.
    """

    def __init__(self, capacity: int, states: int, actions: int) -> None:
        shapes = {"state": (states,), "action": (actions,), "reward": (), "next_state": (states,), "terminal": ()}
        self.columns = {name: np.zeros((capacity, *shape), dtype=np.float32) for name, shape in shapes.items()}
        self.capacity, self.size, self.place = capacity, 0, 0

    def add(self, rows: Arrays) -> None:
        """Writes rows over the oldest."""
        count = len(rows["reward"])
        index = (self.place + np.arange(count)) % self.capacity
        for name, column in self.columns.items():
            column[index] = rows[name]
        self.place = (self.place + count) % self.capacity
        self.size = min(self.size + count, self.capacity)

    def sample(self, rows: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """A batch of tensors, drawn with replacement."""
        index = generator.integers(self.size, size=rows)
        return {name: torch.from_numpy(column[index]) for name, column in self.columns.items()}


class PlainMOPO:
    """Everything that one seed trains.

    Args:
        data: float32 columns: `state` and `next_state` [N, D], `action` [N, A], `reward` and `terminal` [N].
        buffer_capacity: transitions of the model that are kept.
        hidden: layers of policy and critics.
    """

    twins_share_a_graph = False  # as in COMBO

    def __init__(self, data: Arrays, buffer_capacity: int, hidden: Sequence[int] = (256, 256)) -> None:
        states, actions = data["state"].shape[1], data["action"].shape[1]
        self.generator = np.random.default_rng(0)
        self.real = HostBuffer(len(data["reward"]), states, actions)
        self.real.add(data)
        self.made = HostBuffer(buffer_capacity, states, actions)
        self.policy = Policy(states, actions, hidden)
        self.first_critic, self.second_critic = (mlp(states + actions, 1, hidden) for _ in range(2))
        self.first_target, self.second_target = copy.deepcopy(self.first_critic), copy.deepcopy(self.second_critic)
        self.log_temperature = torch.zeros(1, requires_grad=True)
        self.ensemble = Ensemble(states, actions)
        adam = torch.optim.Adam
        self.policy_optimizer = adam(self.policy.parameters(), lr=LEARNING_RATE)
        self.first_optimizer = adam(self.first_critic.parameters(), lr=LEARNING_RATE)
        self.second_optimizer = adam(self.second_critic.parameters(), lr=LEARNING_RATE)
        self.temperature_optimizer = adam([self.log_temperature], lr=LEARNING_RATE)
        self.ensemble_optimizer = adam(self.ensemble.decayed(), lr=1e-3)
        inputs = np.concatenate((data["state"], data["action"]), 1)
        self.input_mean, self.input_std = inputs.mean(0), inputs.std(0)
        self.input_std[self.input_std < 1e-12] = 1.0
        self.model_inputs = (inputs - self.input_mean) / self.input_std
        self.model_targets = np.concatenate((data["reward"][:, None], data["next_state"] - data["state"]), 1)

    def mixed(self) -> dict[str, Tensor]:
        """A batch: 12 rows of the data, 244 of the model."""
        real = self.real.sample(REAL_ROWS, self.generator)
        made = self.made.sample(BATCH - REAL_ROWS, self.generator)
        return {name: torch.cat((real[name], made[name])) for name in real}

    def critic_losses(self, batch: Mapping[str, Tensor], next_noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Half the mean squared error of either twin."""
        with torch.no_grad():
            next_action, log_probability = self.policy(batch["next_state"], next_noise)
            after = torch.cat((batch["next_state"], next_action), 1)
            value = torch.min(self.first_target(after), self.second_target(after))[:, 0]
            value = value - self.log_temperature.exp() * log_probability
            target = batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * value
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        first = 0.5 * functional.mse_loss(self.first_critic(pairs)[:, 0], target)
        return first, 0.5 * functional.mse_loss(self.second_critic(pairs)[:, 0], target)

    def policy_loss(self, state: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Its loss, and the log probabilities [B] of the actions it drew."""
        action, log_probability = self.policy(state, noise)
        pairs = torch.cat((state, action), 1)
        value = torch.min(self.first_critic(pairs), self.second_critic(pairs))[:, 0]
        return (self.log_temperature.exp().detach() * log_probability - value).mean(), log_probability

    def temperature_loss(self, log_probability: Tensor) -> Tensor:
        """Falls where the entropy is below its target and the temperature rises."""
        return -(self.log_temperature * (log_probability.detach() + TARGET_ENTROPY)).mean()

    def update(
        self, batch: Mapping[str, Tensor], noise: Tensor | None = None, next_noise: Tensor | None = None
    ) -> dict[str, float]:
        """One update of everything; returns the losses."""
        first_loss, second_loss = self.critic_losses(batch, next_noise)
        descend(first_loss, self.first_optimizer, again=self.twins_share_a_graph)
        descend(second_loss, self.second_optimizer)
        policy_loss, log_probability = self.policy_loss(batch["state"], noise)
        descend(policy_loss, self.policy_optimizer)
        temperature_loss = self.temperature_loss(log_probability)
        descend(temperature_loss, self.temperature_optimizer)
        follow(self.first_target.parameters(), self.first_critic.parameters())
        follow(self.second_target.parameters(), self.second_critic.parameters())
        return {
            "critic": 0.5 * (first_loss.item() + second_loss.item()),
            "policy": policy_loss.item(),
            "temperature": temperature_loss.item(),
        }

    def fit_step(self) -> None:
        """One step of the ensemble, each member on its own 256 rows."""
        index = self.generator.integers(len(self.model_inputs), size=(self.ensemble.members, MODEL_BATCH))
        inputs, target = torch.from_numpy(self.model_inputs[index]), torch.from_numpy(self.model_targets[index])
        descend(self.ensemble.loss(inputs, target, torch.ones(index.shape)), self.ensemble_optimizer)

    @torch.no_grad()
    def predict(self, state: Array, action: Array) -> tuple[Array, Array]:
        """Means and standard deviations of (r, s' - s) by every member, [E, B, D + 1], at [B, D] and [B, A]."""
        inputs = (np.concatenate((state, action), 1) - self.input_mean) / self.input_std
        mean, log_std = self.ensemble(torch.from_numpy(inputs).expand(self.ensemble.members, -1, -1))
        return mean.numpy(), np.exp(log_std.numpy())

    def model_step(self, state: Array, action: Array) -> tuple[Array, Array]:
        """Next states [B, D] and penalized rewards [B]: all members draw, a random elite counts."""
        mean, std = self.predict(state, action)
        drawn = mean + std * self.generator.standard_normal(mean.shape, dtype=np.float32)
        chosen = drawn[self.generator.integers(ELITES, size=len(state)), np.arange(len(state))]
        return state + chosen[:, 1:], chosen[:, 0] - PENALTY_WEIGHT * penalty(std)

    @torch.no_grad()
    def roll_out(self, starts: int, length: int) -> int:
        """Paths of the model into its buffer; returns the transitions made."""
        state = self.real.columns["state"][self.generator.integers(self.real.size, size=starts)]
        for _ in range(length):
            action = self.policy(torch.from_numpy(state))[0].numpy()
            next_state, reward = self.model_step(state, action)
            rows = {"state": state, "action": action, "reward": reward, "next_state": next_state}
            self.made.add({**rows, "terminal": np.zeros(len(state), dtype=np.float32)})
            state = next_state
        return starts * length


def penalty(std: Array) -> Array:
    """u: the largest norm of a member's standard deviations, [E, B, D + 1] to [B]."""
    largest: Array = np.linalg.norm(std, axis=2).max(axis=0)
    return largest


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, *, again: bool = False) -> None:
    """One step of an optimizer; `again`: another loss will go back through the same graph."""
    optimizer.zero_grad()
    loss.backward(retain_graph=again)  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def follow(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    """Soft update, parameter by parameter."""
    for old, new in zip(targets, sources, strict=True):
        old.copy_(TARGET_RATE * new + (1.0 - TARGET_RATE) * old)
