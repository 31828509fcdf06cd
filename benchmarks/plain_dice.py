"""Updates of OptiDICE, O-DICE and AlgaeDICE in the usual way, as yardsticks: modules, an optimizer each, host batches.

From the papers' formulas and the settings of their code; nothing is slowed down on purpose.
`tests/benchmarks/test_plain_dice.py` checks that losses and gradients are ours. One seed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.plain_mopo import DISCOUNT, Arrays, HostBuffer, Policy, descend, follow, mlp

INSIDE = 1.0 - 1e-5  # the largest action whose density is asked for
COMPONENTS = 5


def log_density(raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Of tanh(raw), [..., A] to [...]."""
    log_std = log_std.clamp(-5.0, 2.0)
    gaussian = -0.5 * ((raw - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2.0 * math.pi)
    return (gaussian - 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))).sum(-1)


class PlainDICE:
    """Data on the host.

    Args:
        data: as of `benchmarks.plain_mopo.PlainMOPO`, and `start_state` [M, D].
    """

    def __init__(self, data: Arrays) -> None:
        self.generator = np.random.default_rng(0)
        self.starts = data["start_state"]
        columns = {name: column for name, column in data.items() if name != "start_state"}
        self.sizes = columns["state"].shape[1], columns["action"].shape[1]
        self.real = HostBuffer(len(columns["reward"]), *self.sizes)
        self.real.add(columns)

    def batch(self, rows: int) -> dict[str, Tensor]:
        """Rows of the data, and start states."""
        starts = self.starts[self.generator.integers(len(self.starts), size=rows)]
        return {**self.real.sample(rows, self.generator), "start_state": torch.from_numpy(starts)}


class PlainODICE(PlainDICE):
    """V by the orthogonal gradient, the policy by weighted cloning."""

    def __init__(self, data: Arrays, hidden: int = 256, policy_hidden: Sequence[int] = (1024, 1024)) -> None:
        super().__init__(data)
        states, actions = self.sizes
        self.twins = nn.ModuleList(normalized_mlp(states, hidden) for _ in range(2))
        self.slow_twins = copy.deepcopy(self.twins)
        self.policy, self.log_std = mlp(states, actions, policy_hidden), nn.Parameter(torch.zeros(actions))
        self.value_optimizer = torch.optim.Adam(self.twins.parameters(), lr=2e-4)
        trained = [*self.policy.parameters(), self.log_std]
        self.policy_optimizer = torch.optim.Adam(trained, lr=2e-4, weight_decay=1e-4)

    def update(self, batch: Mapping[str, Tensor], dual_weight: float = 0.6) -> dict[str, float]:
        """One update of everything."""
        goes_on, reward = DISCOUNT * (1.0 - batch["terminal"]), batch["reward"]
        with torch.no_grad():
            slow, slow_next = (
                torch.min(*(twin(batch[name])[:, 0] for twin in self.slow_twins)) for name in ("state", "next_state")
            )
        value, following = (
            torch.stack([twin(batch[name])[:, 0] for twin in self.twins]) for name in ("state", "next_state")
        )
        delta = reward + goes_on * slow_next - value
        self.value_optimizer.zero_grad()
        (dual_weight * chi_squared(delta).mean()).backward(retain_graph=True)  # type: ignore[no-untyped-call]
        forward = self.taken_gradient()
        (dual_weight * chi_squared(reward + goes_on * following - slow).mean()).backward()  # type: ignore[no-untyped-call]
        backward = self.taken_gradient()
        share = torch.dot(forward, backward).item() / max(torch.dot(forward, forward).item(), 1e-10)
        ((1.0 - dual_weight) * value.mean()).backward()  # type: ignore[no-untyped-call]
        place, added = 0, (1.0 - share) * forward + backward
        for parameter in self.twins.parameters():
            assert parameter.grad is not None
            parameter.grad += added[place : place + parameter.numel()].view_as(parameter)
            place += parameter.numel()
        self.value_optimizer.step()
        follow(self.slow_twins.parameters(), self.twins.parameters())
        weight = delta.detach().clamp(0.0, 100.0)
        spread = self.log_std.clamp(-5.0, 2.0).exp()
        density = torch.distributions.Normal(self.policy(batch["state"]).tanh(), spread)
        loss = -(weight * density.log_prob(batch["action"]).sum(1)).mean()  # type: ignore[no-untyped-call]
        descend(loss, self.policy_optimizer)
        return {"policy": loss.item(), "weight": weight.mean().item()}

    def taken_gradient(self) -> Tensor:
        """The gradient in one vector, and zeros in its place."""
        slopes = (parameter.grad for parameter in self.twins.parameters())
        parts = [slope.flatten().clone() for slope in slopes if slope is not None]
        self.value_optimizer.zero_grad(set_to_none=False)
        return torch.cat(parts)


class PlainOptiDICE(PlainDICE):
    """nu, advantages, the data's policy and the policy, each with its optimizer."""

    def __init__(self, data: Arrays, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__(data)
        states, actions = self.sizes
        self.nu, self.advantage = mlp(states, 1, hidden), mlp(states + actions, 1, hidden)
        self.policy = Policy(states, actions, hidden)
        self.data_policy = mlp(states, COMPONENTS * (2 * actions + 1), hidden)
        self.multipliers = [torch.zeros(1, requires_grad=True) for _ in range(3)]  # two of weights, one of entropy
        modules = (self.nu, self.advantage, self.policy, self.data_policy)
        self.optimizers = [torch.optim.Adam(module.parameters(), lr=3e-4) for module in modules]
        self.optimizers += [torch.optim.Adam([multiplier], lr=3e-4) for multiplier in self.multipliers]

    def update(self, batch: Mapping[str, Tensor], noise: Tensor | None = None) -> dict[str, float]:
        """One update of everything, with alpha = 1."""
        of_nu, of_advantage, of_policy, of_data, *of_multipliers = self.optimizers
        lambda_nu, lambda_phi, log_weight = self.multipliers
        value, following, starting = (self.nu(batch[name])[:, 0] for name in ("state", "next_state", "start_state"))
        residual = batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * following - value
        loss = (1.0 - DISCOUNT) * starting.mean() + soft_conjugate(residual - lambda_nu).mean() + lambda_nu[0]
        descend_both(loss, of_nu, of_multipliers[0])
        residual = residual.detach()
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        predicted = self.advantage(pairs)[:, 0]
        weight = soft_weight(predicted - lambda_phi.detach())
        fit = (soft_generator(weight) - weight * (residual - lambda_phi.detach())).mean()
        free = soft_weight(predicted.detach() - lambda_phi)
        multiplier_loss = (free * (residual - lambda_phi) - soft_generator(free) + lambda_phi).mean()
        mean, log_std = self.policy.network(batch["state"]).chunk(2, 1)
        raw = mean + log_std.clamp(-5.0, 2.0).exp() * (torch.randn_like(mean) if noise is None else noise)
        log_probability = log_density(raw, mean, log_std)
        advantage = self.advantage(torch.cat((batch["state"], raw.tanh()), 1))[:, 0]
        of_data_policy = self.data_density(batch["state"], raw)
        log_ratio = soft_weight(advantage - lambda_phi.detach()).log()
        projection = (log_probability - of_data_policy - log_ratio).mean()
        projection = projection + log_weight.exp().detach()[0] * log_probability.mean()
        descend(projection, of_policy)
        descend(-(log_weight * (log_probability.detach() - self.sizes[1])).mean(), of_multipliers[2])
        descend(fit, of_advantage)
        descend(multiplier_loss, of_multipliers[1])
        cloning = -self.data_density(batch["state"], batch["action"].clamp(-INSIDE, INSIDE).atanh()).mean()
        descend(cloning, of_data)
        return {"nu": loss.item(), "fit": fit.item(), "projection": projection.item(), "cloning": cloning.item()}

    def data_density(self, state: Tensor, raw: Tensor) -> Tensor:
        """Log density of the mixture, [B]."""
        size = COMPONENTS * self.sizes[1]
        mean, log_std, logit = torch.split(self.data_policy(state), [size, size, COMPONENTS], 1)
        mean, log_std = (part.view(len(state), COMPONENTS, -1) for part in (mean, log_std))
        return torch.logsumexp(logit.log_softmax(1) + log_density(raw[:, None], mean, log_std), 1)


class PlainAlgaeDICE(PlainDICE):
    """Twin critics down the dual, the policy up it, the temperature, and slow twins."""

    def __init__(self, data: Arrays, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__(data)
        states, actions = self.sizes
        self.policy = Policy(states, actions, hidden)
        self.twins = nn.ModuleList(mlp(states + actions, 1, hidden) for _ in range(2))
        self.slow_twins = copy.deepcopy(self.twins)
        self.log_temperature = torch.zeros(1, requires_grad=True)
        self.critic_optimizer = torch.optim.Adam(self.twins.parameters(), lr=1e-3)
        self.policy_optimizer = torch.optim.Adam(self.policy.parameters(), lr=1e-3)
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], lr=1e-3)

    def update(
        self, batches: Sequence[Mapping[str, Tensor]], noises: Sequence[Tensor | None] = (None, None)
    ) -> dict[str, float]:
        """A step of the critics on each batch, then of everything else on the last; noise [2 B, A]: at s' and at s0."""
        for batch, noise in zip(batches, noises, strict=True):
            with torch.no_grad():
                drawn = self.drawn(batch, noise)
            losses = [delta.abs().pow(1.5).mean() / 1.5 + start for delta, start in self.dual(batch, *drawn)]
            descend(losses[0] + losses[1], self.critic_optimizer)
        action, log_probability = self.drawn(batch, noise)
        gains = [
            (delta.detach().clamp(min=0.0).sqrt() * delta).mean() + start
            for delta, start in self.dual(batch, action, log_probability)
        ]
        policy_loss = 1e-4 * self.overlap() - 0.5 * (gains[0] + gains[1])
        descend(policy_loss, self.policy_optimizer)
        entropy = -log_probability[: len(batch["reward"])].detach()
        descend((self.log_temperature * (entropy + self.sizes[1])).mean(), self.temperature_optimizer)
        follow(self.slow_twins.parameters(), self.twins.parameters())
        return {"critic": 0.5 * (losses[0] + losses[1]).item(), "policy": policy_loss.item()}

    def drawn(self, batch: Mapping[str, Tensor], noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Actions [2 B, A] at next states, then at start states, and the logs of their densities."""
        drawn: tuple[Tensor, Tensor] = self.policy(torch.cat((batch["next_state"], batch["start_state"])), noise)
        return drawn

    def dual(self, batch: Mapping[str, Tensor], action: Tensor, log_probability: Tensor) -> list[tuple[Tensor, Tensor]]:
        """delta [B] and alpha (1 - gamma) E[Q(s0, pi)] by each twin."""
        rows = len(batch["reward"])
        pairs = torch.cat((batch["state"], batch["action"]), 1)
        after = torch.cat((batch["next_state"], action[:rows]), 1)
        first = torch.cat((batch["start_state"], action[rows:]), 1)
        slow = torch.min(*(twin(after)[:, 0] for twin in self.slow_twins))
        entropy = self.log_temperature.exp().detach() * log_probability[:rows]
        parts = []
        for twin in self.twins:
            mixed = 0.05 * twin(after)[:, 0] + 0.95 * slow - entropy
            delta = batch["reward"] + DISCOUNT * (1.0 - batch["terminal"]) * mixed - twin(pairs)[:, 0]
            parts.append((delta, 0.01 * (1.0 - DISCOUNT) * twin(first).mean()))
        return parts

    def overlap(self) -> Tensor:
        """Squared scalar products of the weights of different units, summed over the policy's layers."""
        layers = [layer.weight for layer in self.policy.network if isinstance(layer, nn.Linear)]
        products = [weight @ weight.T for weight in layers]
        return sum(((p * (1.0 - torch.eye(len(p)))).square().sum() for p in products), torch.zeros(()))


def descend_both(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """One step of several optimizers down one loss."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        optimizer.step()


def normalized_mlp(inputs: int, hidden: int) -> nn.Sequential:
    """Two layers, normalized before each activation."""
    first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
    norms = [nn.LayerNorm(hidden, elementwise_affine=False) for _ in range(2)]
    return nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU(), nn.Linear(hidden, 1))


def chi_squared(slope: Tensor) -> Tensor:
    """y x - (x - 1)^2 at the best x >= 0."""
    ratio = (slope / 2.0 + 1.0).clamp(min=0.0)
    return slope * ratio - (ratio - 1.0) ** 2


def soft_weight(slope: Tensor) -> Tensor:
    """The weight of soft chi-squared."""
    return torch.where(slope < 0.0, slope.clamp(max=0.0).exp(), slope + 1.0)


def soft_generator(ratio: Tensor) -> Tensor:
    """Soft chi-squared itself."""
    return torch.where(ratio < 1.0, ratio * ratio.log() - ratio + 1.0, 0.5 * (ratio - 1.0) ** 2)


def soft_conjugate(slope: Tensor) -> Tensor:
    """Its conjugate."""
    weight = soft_weight(slope)
    return weight * slope - soft_generator(weight)
