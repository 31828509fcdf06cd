"""Policies that a run has saved as plain `torch.nn.Module`s, to be traced, scripted or exported.

Each takes observations [E, D], or one, [D], and gives actions [E, A] or [A], float32. Parameters are those of the actor
that it is made from (`continuous.networks.acting`); whatever is drawn is drawn by `torch.randn`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from continuous.networks.acting import BestAction, BestOfSeveral, GaussianActor, ImplicitActor, Network, TanhAction


def as_module(actor: object) -> nn.Module | None:
    """The same policy as a module in evaluation mode; None for an actor that is none of this project's networks."""
    if isinstance(actor, BestAction):
        return BestActionModule(actor).eval()
    if isinstance(actor, TanhAction):
        return TanhModule(actor).eval()
    if isinstance(actor, ImplicitActor):
        return ImplicitModule(actor).eval()
    if isinstance(actor, GaussianActor):
        return GaussianModule(actor).eval()
    if isinstance(actor, BestOfSeveral) and (drawing := as_module(actor.actor)) is not None:
        return BestOfSeveralModule(drawing, actor).eval()
    return None


class BestActionModule(nn.Module):
    """tanh of the mean."""

    def __init__(self, actor: BestAction) -> None:
        super().__init__()
        self.network = mlp(actor.network)

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        mean, _ = self.network(observations).chunk(2, dim=-1)
        return torch.nan_to_num(mean.tanh())


class TanhModule(nn.Module):
    """tanh(network((observation - shift) / scale))."""

    shift: Tensor
    scale: Tensor

    def __init__(self, actor: TanhAction) -> None:
        super().__init__()
        self.network = mlp(actor.network)
        for name in ("shift", "scale"):
            self.register_buffer(name, torch.from_numpy(getattr(actor, name).copy()))

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        return torch.nan_to_num(self.network((observations - self.shift) / self.scale).tanh())


class ImplicitModule(nn.Module):
    """tanh(network(s, noise))."""

    def __init__(self, actor: ImplicitActor) -> None:
        super().__init__()
        self.network = mlp(actor.network)
        self.noise_size, self.scale, self.bound = actor.noise_size, actor.scale, actor.bound

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        noise = torch.randn_like(observations[..., :1].expand(*observations.shape[:-1], self.noise_size))
        noise = (self.scale * noise).clamp(-self.bound, self.bound)
        return self.network(torch.cat((observations, noise), dim=-1)).tanh()


class GaussianModule(nn.Module):
    """tanh(mean + std * noise)."""

    def __init__(self, actor: GaussianActor) -> None:
        super().__init__()
        self.network = mlp(actor.network)
        self.lowest, self.highest = actor.lowest_log_std, actor.highest_log_std

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        mean, log_std = self.network(observations).chunk(2, dim=-1)
        return (mean + log_std.clamp(self.lowest, self.highest).exp() * torch.randn_like(mean)).tanh()


class BestOfSeveralModule(nn.Module):
    """Of several drawn actions the one of the largest smaller twin value."""

    def __init__(self, drawing: nn.Module, actor: BestOfSeveral) -> None:
        super().__init__()
        self.drawing, self.count = drawing, actor.count
        self.twins = nn.ModuleList(mlp(_copy(actor.critic, twin)) for twin in range(len(actor.critic.weights[0])))

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        states = observations.unsqueeze(-2).expand(*observations.shape[:-1], self.count, observations.shape[-1])
        actions = self.drawing(states)  # [..., count, A]
        pairs = torch.cat((states, actions), dim=-1)
        value = torch.cat([twin(pairs) for twin in self.twins], dim=-1).amin(dim=-1)  # [..., count]
        best = value.argmax(dim=-1)[..., None, None].expand(*actions.shape[:-2], 1, actions.shape[-1])
        return torch.nan_to_num(actions.gather(-2, best).squeeze(-2))


class ScaledModule(nn.Module):
    """A policy with actions in an environment's units.

    Args:
        policy: with actions in [-1, 1].
        low, high: what -1 and 1 stand for, [A].
    """

    low: Tensor
    high: Tensor
    center: Tensor
    half_width: Tensor

    def __init__(self, policy: nn.Module, low: Sequence[float], high: Sequence[float]) -> None:
        super().__init__()
        self.policy = policy
        center = [(each + other) / 2.0 for each, other in zip(high, low, strict=True)]
        half_width = [(each - other) / 2.0 for each, other in zip(high, low, strict=True)]
        for name, numbers in {"low": low, "high": high, "center": center, "half_width": half_width}.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32))

    def forward(self, observations: Tensor) -> Tensor:
        """[..., D] to [..., A]."""
        actions = self.center + self.half_width * self.policy(observations).clamp(-1.0, 1.0)
        return actions.clamp(self.low, self.high)


def mlp(network: Network) -> nn.Sequential:
    """The same network of linear layers."""
    layers: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        if layers:
            layers.append(nn.LeakyReLU(network.slope) if network.slope else nn.ReLU())
        linear = nn.Linear(*weight.shape)
        linear.weight.data.copy_(torch.from_numpy(weight.T.copy()))
        linear.bias.data.copy_(torch.from_numpy(bias[0].copy()))
        layers.append(linear)
    return nn.Sequential(*layers)


def _copy(stacked: Network, index: int) -> Network:
    """One of several networks side by side."""
    return Network(
        weights=[weight[index] for weight in stacked.weights],
        biases=[bias[index] for bias in stacked.biases],
        slope=stacked.slope,
    )
