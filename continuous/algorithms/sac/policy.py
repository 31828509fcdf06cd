"""The policy of soft actor-critic, for stacked seeds: a Gaussian squashed by tanh, with its log probability.

Source: Haarnoja et al. 2018, appendix C; sizes and clipping of MOPO's code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ampl.errors import check_at_least
from ampl.interfaces import State
from continuous.algorithms.config import recorded_fields
from continuous.networks.acting import BestAction, GaussianActor
from continuous.networks.seed_state import load_seed_state, without_prefix
from continuous.networks.stacks import StackedMLP, check_hidden, relu
from continuous.networks.streams import SeedStreams, cpu_generator

_LOG_2 = math.log(2.0)
_LOG_2_PI = math.log(2.0 * math.pi)
_INSIDE = 1.0 - 1e-5  # the largest |a| whose raw action is taken as it is; that of an action on the edge is infinite


@dataclass(frozen=True, kw_only=True)
class SquashedGaussianConfig:
    """The network and the bounds of its log standard deviation."""

    hidden: tuple[int, ...] = (256, 256)
    lowest_log_std: float = -20.0  # where it is cut; -20 in MOPO's code, -5 in OfflineRL-Kit
    highest_log_std: float = 2.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_at_least("highest_log_std", self.highest_log_std, self.lowest_log_std, "It is above lowest_log_std.")


class SquashedGaussian(nn.Module):
    """a = tanh(mean(s) + std(s) noise).

    Args:
        observation_size: D.
        action_size: A.
        config: of the network, whose hidden layers mean and log standard deviation share.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.

    Attributes:
        network: what is trained, [K].
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: SquashedGaussianConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        widths = (observation_size, *config.hidden, 2 * action_size)
        generators = [cpu_generator(seed, "policy/initialization") for seed in seeds]
        super().__init__()
        self.observation_size, self.action_size, self._config = observation_size, action_size, config
        self.network = StackedMLP((len(seeds),), widths, relu, generators, device)

    def noise(self, streams: SeedStreams, rows: int) -> Tensor:
        """Standard normal, [K, rows, A]."""
        return streams.normal(rows, self.action_size)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and raw actions before the tanh, [K, B, A], at states [K, B, D]."""
        mean, log_std = self._heads(state)
        raw = torch.addcmul(mean, log_std.exp(), noise)
        return raw.tanh(), raw

    def sample_with_log_probability(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions [K, B, A] and the log of their density on (-1, 1)^A, nats, [K, B].

        Noise of n draws a state, [K, B, n, A], gives actions [K, B, n, A] and [K, B, n].
        """
        action, _, log_probability = self.draw(state, noise)
        return action, log_probability

    def draw(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the raw actions before the tanh in the middle."""
        mean, log_std = self._heads(state)
        if noise.dim() > mean.dim():
            mean, log_std = mean[..., None, :], log_std[..., None, :]
        raw = torch.addcmul(mean, log_std.exp(), noise)
        density = log_density(raw, noise, log_std)  # before the tanh: gradients add up in this order
        return raw.tanh(), raw, density

    def log_probability(self, state: Tensor, action: Tensor) -> Tensor:
        """Of given actions [K, B, A] at states [K, B, D], nats, [K, B]; one on the edge counts as a trifle inside."""
        mean, log_std = self._heads(state)
        raw = raw_action(action)
        return log_density(raw, (raw - mean) * (-log_std).exp(), log_std)

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """One action drawn for each state: [K, B, D] to [K, B, A]."""
        return self.sample(state, self.noise(generator, state.shape[-2]))[0]

    def best_action(self, state: Tensor) -> Tensor:
        """tanh(mean): [K, B, D] to [K, B, A]."""
        return self._heads(state)[0].tanh()

    def snapshot(self, index: int) -> BestAction:
        """One seed's best actions, for evaluation: a copy."""
        return BestAction(
            network=self.network.snapshot(index, slope=0.0),
            lowest_log_std=self._config.lowest_log_std,
            highest_log_std=self._config.highest_log_std,
        )

    def sampling_snapshot(self, index: int) -> GaussianActor:
        """One seed's policy with its noise, as behavior policies act: a copy."""
        return GaussianActor(
            network=self.network.snapshot(index, slope=0.0),
            lowest_log_std=self._config.lowest_log_std,
            highest_log_std=self._config.highest_log_std,
        )

    def _heads(self, state: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.network(state).chunk(2, dim=-1)
        return mean, log_std.clamp(self._config.lowest_log_std, self._config.highest_log_std)


def raw_action(action: Tensor) -> Tensor:
    """What tanh makes the action of; one on the edge counts as a trifle inside."""
    return action.clamp(-_INSIDE, _INSIDE).atanh()


def log_density(raw: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
    """Of tanh(raw) with raw = mean + exp(log_std) noise: the last axis, of the action's entries, is summed."""
    gaussian = -0.5 * noise.square() - log_std - 0.5 * _LOG_2_PI
    squashing = 2.0 * (_LOG_2 - raw - softplus(-2.0 * raw))  # log(1 - tanh^2), finite for every raw action
    return (gaussian - squashing).sum(-1)


def saved_best_action(sizes: tuple[int, int], network: Mapping[str, Any], state: State) -> BestAction:
    """The best actions of the policy in a checkpoint, see `OfflineAlgorithm.saved_actor`.

    Args:
        sizes: D and A.
        network: its `SquashedGaussianConfig`, as config.json has it.
        state: of the checkpoint.
    """
    policy = SquashedGaussian(*sizes, SquashedGaussianConfig(**recorded_fields(network)), [0])
    load_seed_state(policy.state_dict(), 0, without_prefix("learner/policy", state))
    return policy.snapshot(0)
