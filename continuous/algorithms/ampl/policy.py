"""The policies of AMPL, for stacked seeds: implicit (noise as an input) and squashed Gaussian.

Both draw an action in two steps, so that an update can be a function of tensors only: `noise` draws, `sample` computes.
Source: AMPL, section 3.3, and the released code for the network sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ampl.errors import check_at_least
from ampl.interfaces import Actor
from continuous.networks.acting import GaussianActor, ImplicitActor
from continuous.networks.stacks import HIDDEN, LEAKY_SLOPE, FlatParameters, StackedMLP, check_hidden, leaky_relu
from continuous.networks.streams import SeedStreams, cpu_generator

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0  # of the Gaussian policy


class StackedPolicy(nn.Module, ABC):
    """pi(a | s) of K seeds; actions are tanh of a raw action, in [-1, 1].

    Attributes:
        network: what is trained, [K].
    """

    network: FlatParameters

    @abstractmethod
    def noise(self, streams: SeedStreams, rows: int) -> Tensor:
        """The noise for `rows` actions, [K, rows, noise size]."""

    @abstractmethod
    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and raw actions before the tanh, both [K, B, A], at states [K, B, D]."""

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """One action drawn for each state: [K, B, D] to [K, B, A]."""
        return self.sample(state, self.noise(generator, state.shape[-2]))[0]

    @abstractmethod
    def snapshot(self, index: int) -> Actor:
        """One seed's policy, for evaluation: a copy."""


@dataclass(frozen=True, kw_only=True)
class ImplicitPolicyConfig:
    """The implicit policy's noise: normal, scaled by `noise_scale`, clamped to three units."""

    noise_size: int = 50  # k >= 1
    noise_scale: float = 1.0  # sigma; 1e-3 makes the policy almost deterministic
    noise_bound: float = 3.0  # clamp after scaling
    hidden: tuple[int, ...] = HIDDEN

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_at_least("noise_size", self.noise_size, 1)
        check_at_least("noise_scale", self.noise_scale, 0.0)
        check_at_least("noise_bound", self.noise_bound, 0.0)

    def build(
        self, observation_size: int, action_size: int, seeds: Sequence[int], device: torch.device | str
    ) -> ImplicitPolicy:
        """The policy of K seeds, freshly initialized."""
        return ImplicitPolicy(observation_size, action_size, self, seeds, device)


@dataclass(frozen=True, kw_only=True)
class GaussianPolicyConfig:
    """The Gaussian policy has the networks' sizes only."""

    hidden: tuple[int, ...] = HIDDEN

    def __post_init__(self) -> None:
        """Checks ranges."""
        check_hidden(self.hidden)

    def build(
        self, observation_size: int, action_size: int, seeds: Sequence[int], device: torch.device | str
    ) -> GaussianPolicy:
        """The policy of K seeds, freshly initialized."""
        return GaussianPolicy(observation_size, action_size, self, seeds, device)


class ImplicitPolicy(StackedPolicy):
    """a = tanh(network(s, noise)), with fresh noise at every call.

    Args:
        observation_size: D.
        action_size: A.
        config: of the noise and the network.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.
    """

    network: StackedMLP

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: ImplicitPolicyConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        widths = (observation_size + config.noise_size, *config.hidden, action_size)
        generators = [cpu_generator(seed, "policy/initialization") for seed in seeds]
        self._config = config
        self.network = StackedMLP((len(seeds),), widths, leaky_relu, generators, device)

    def noise(self, streams: SeedStreams, rows: int) -> Tensor:
        """Scaled and clamped, [K, rows, k]."""
        bound = self._config.noise_bound
        return streams.normal(rows, self._config.noise_size).mul_(self._config.noise_scale).clamp_(-bound, bound)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and raw actions, [K, B, A]."""
        raw = self.network(torch.cat((state, noise), dim=-1))
        return raw.tanh(), raw

    def snapshot(self, index: int) -> ImplicitActor:
        """One seed's policy, for evaluation: a copy."""
        return ImplicitActor(
            network=self.network.snapshot(index, LEAKY_SLOPE),
            noise_size=self._config.noise_size,
            scale=self._config.noise_scale,
            bound=self._config.noise_bound,
        )


class GaussianPolicy(StackedPolicy):
    """a = tanh(mean(s) + std(s) * noise): the ablation "Gaussian policy".

    Args:
        observation_size: D.
        action_size: A.
        config: of the network, whose hidden layers the two heads share.
        seeds: K of them.
        device: where the parameters live.
    """

    network: StackedMLP

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: GaussianPolicyConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        widths = (observation_size, *config.hidden, 2 * action_size)
        generators = [cpu_generator(seed, "policy/initialization") for seed in seeds]
        self._action_size = action_size
        self.network = StackedMLP((len(seeds),), widths, leaky_relu, generators, device)

    def noise(self, streams: SeedStreams, rows: int) -> Tensor:
        """Standard normal, [K, rows, A]."""
        return streams.normal(rows, self._action_size)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and raw actions, [K, B, A]."""
        mean, log_std = self.network(state).chunk(2, dim=-1)
        raw = mean + log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp() * noise
        return raw.tanh(), raw

    def snapshot(self, index: int) -> GaussianActor:
        """One seed's policy, for evaluation: a copy."""
        network = self.network.snapshot(index, LEAKY_SLOPE)
        return GaussianActor(network=network, lowest_log_std=LOG_STD_MIN, highest_log_std=LOG_STD_MAX)


def default_noise_size(observation_size: int) -> int:
    """The released code's choice where a task names none: min(10, D // 2), at least 1."""
    return max(1, min(10, observation_size // 2))
