"""The twin critics of AMPL, for stacked seeds.

Source: AMPL, Eqs. 12-13, with what the released code adds: a bound on bootstrapped values, a Huber loss of wide
quadratic range and a clipped gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from ampl.errors import check_at_least, check_fraction
from ampl.settings import MAY_BE_INFINITE
from continuous.networks.acting import Network
from continuous.networks.adam import StackedAdam, clip_norm
from continuous.networks.stacks import HIDDEN, LEAKY_SLOPE, StackedMLP, check_hidden, frozen, leaky_relu
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import Batch


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """Hyperparameters of the published runs."""

    lower_share: float = 0.75  # c of Eq. 12: weight of the smaller twin, 1 - c that of the larger
    learning_rate: float = 3e-4  # of Adam
    target_rate: float = 0.005  # how far the target critics follow in one update
    bootstrap_bound: float = field(default=2000.0, metadata=MAY_BE_INFINITE)  # code: largest bootstrap; paper: inf
    huber_delta: float = 500.0  # code; the paper's Eq. 13 does not say
    gradient_norm: float = 0.1  # code: bound on the gradient of both twins together
    hidden: tuple[int, ...] = HIDDEN

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_fraction("lower_share", self.lower_share)
        check_fraction("target_rate", self.target_rate)
        for name in ("learning_rate", "bootstrap_bound", "huber_delta", "gradient_norm"):
            check_at_least(name, getattr(self, name), 0.0)


class TwinCritic(nn.Module):
    """Q_1 and Q_2 of K seeds, with their targets and optimizer.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.
        discount: gamma, in [0, 1].

    Attributes:
        online, target: the networks, [K, 2] copies of (s, a) to one value.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: CriticConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        discount: float = 0.99,
    ) -> None:
        super().__init__()
        check_fraction("discount", discount)
        self.config, self.discount = config, discount
        widths = (observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        self.online = StackedMLP((len(seeds), 2), widths, leaky_relu, generators, device)
        self.target = frozen(self.online)
        self.optimizer = StackedAdam(self.online, learning_rate=config.learning_rate)

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """Both twins at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""
        return self.online(_pairs(state, action))[..., 0]

    def target_value(self, state: Tensor, action: Tensor) -> Tensor:
        """The same for the target twins."""
        return self.target(_pairs(state, action))[..., 0]

    @torch.no_grad()
    def bellman_target(self, batch: Batch, next_action: Tensor) -> Tensor:
        """y = r + gamma (c min + (1 - c) max of the target twins at (s', a')), [K, B].  Eq. 12."""
        twins = self.target_value(batch.next_state, next_action)  # [K, 2, B]
        share = self.config.lower_share
        value = share * twins.amin(1) + (1.0 - share) * twins.amax(1)  # [K, B]
        bootstraps = ~batch.terminal & (value.abs() < self.config.bootstrap_bound)
        return batch.reward + self.discount * value * bootstraps

    def update(self, batch: Batch, next_action: Tensor) -> Tensor:
        """One step of both twins towards the Bellman target.  Eqs. 12-13.

        Args:
            batch: transitions, [K, B, ...].
            next_action: of the target policy at s', [K, B, A].

        Returns:
            The loss of each seed, [K].
        """
        target = self.bellman_target(batch, next_action)[:, None]  # [K, 1, B]
        value = self.action_value(batch.state, batch.action)  # [K, 2, B]
        errors = huber_loss(value, target.expand_as(value), reduction="none", delta=self.config.huber_delta)
        loss = errors.mean(-1).sum(-1)  # [K]
        gradient = self.online.gradient(loss.sum())
        self.optimizer.step(clip_norm(gradient, self.config.gradient_norm))
        return loss.detach()

    def follow(self) -> None:
        """The target twins move towards the online ones."""
        self.target.follow(self.online, self.config.target_rate)

    def snapshot(self, index: int) -> Network:
        """One seed's twins, for evaluation: a copy, with the twins on the leading axis."""
        return self.online.snapshot(index, LEAKY_SLOPE)

    def first_head(self) -> StackedMLP:
        """A frozen copy of Q_1, [K] networks of (s, a)."""
        return self.online.head(0)

    def first_head_target(self) -> StackedMLP:
        """A frozen copy of the target of Q_1."""
        return self.target.head(0)


def _pairs(state: Tensor, action: Tensor) -> Tensor:
    """(s, a) for both twins, [K, 1, B, D + A]."""
    return torch.cat((state, action), dim=-1).unsqueeze(-3)
