"""What GenDICE and DualDICE share: weights against a value function nu, both moved at once on one batch.

Every player's gradient is taken with the others as they were before the step, and clipped element by element.
Source: AMPL's released code, which keeps hard copies of the other players for that.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ampl.errors import check_at_least
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters, Gradient, StackedMLP, leaky_relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import TransitionTable
from continuous.weights.estimator import (
    Critic,
    Draws,
    EstimatorConfig,
    WeightEstimator,
    WeightNetwork,
)


@dataclass(frozen=True, kw_only=True)
class SaddlePointConfig(EstimatorConfig):
    """Learning rates of Adam."""

    weights_learning_rate: float
    value_learning_rate: float = 1e-4  # of nu, and of the multiplier where there is one
    gradient_bound: float = 1.0  # on every element

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        for name in ("weights_learning_rate", "value_learning_rate", "gradient_bound"):
            check_at_least(name, getattr(self, name), 0.0)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an objective is made of, on one batch."""

    weights: Tensor  # w(s, a), [K, B]
    value: Tensor  # nu(s, a), [K, B]
    next_value: Tensor  # nu(s', a'), [K, B]
    start_value: Tensor  # (1 - gamma) E[nu(s0, a0)], [K]
    multiplier: Tensor  # of E[w] = 1, [K]


class SaddlePoint(WeightEstimator):
    """The estimator; networks, multiplier and optimizers outlast an estimation.

    Args:
        config: learning rates.
        network: w.
        seeds: K of them; each draws its own nu.
        observation_size, action_size: D and A.
    """

    config: SaddlePointConfig

    def __init__(
        self,
        config: SaddlePointConfig,
        network: WeightNetwork,
        seeds: tuple[int, ...],
        observation_size: int,
        action_size: int,
    ) -> None:
        super().__init__(config, network)
        device = network.values.device
        widths = (observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, "weights/value/initialization") for seed in seeds]
        self.value = StackedMLP((len(seeds),), widths, leaky_relu, generators, device)
        self.multiplier = FlatParameters((len(seeds),), {"multiplier": (1,)}, device)
        self.multiplier.values.fill_(1.0)
        rates = (config.weights_learning_rate, config.value_learning_rate, config.value_learning_rate)
        self._players = (network, self.value, self.multiplier)
        self._steppers = [
            StackedAdam(player, learning_rate=rate) for player, rate in zip(self._players, rates, strict=True)
        ]
        self.optimizers = nn.ModuleList(self._steppers)

    @property
    @abstractmethod
    def weights_minimize(self) -> bool:
        """Whether the weights minimize the objective, and nu and the multiplier maximize it; or the other way round."""

    @abstractmethod
    def objective(self, terms: Terms) -> Tensor:
        """Of each seed, [K]."""

    def prepare(self, table: TransitionTable, critic: Critic, streams: SeedStreams) -> Callable[[Draws], None]:
        """One step of every player; the critic is not used."""

        def update(draws: Draws) -> None:
            objective = self.objective(self.terms(draws)).sum()
            views = [view for player in self._players for view in player.views.values()]
            gradient = torch.autograd.grad(objective, views, materialize_grads=True)
            first = 0
            for index, (player, optimizer) in enumerate(zip(self._players, self._steppers, strict=True)):
                last = first + len(player.views)
                minimizes = self.weights_minimize == (index == 0)
                optimizer.step(self._descent(list(gradient[first:last]), minimizes))
                first = last

        return update

    def terms(self, draws: Draws) -> Terms:
        """Everything on one batch; no terminal is masked."""
        (batch, states, acted), size = draws, self.config.batch_size
        pairs = torch.cat((states, torch.cat((batch.action, acted), dim=1)), dim=-1)
        value = self.value(pairs)[..., 0]  # [K, 2 B + starts]
        return Terms(
            weights=self.network.of(batch.state, batch.action),
            value=value[:, :size],
            next_value=value[:, size : 2 * size],
            start_value=(1.0 - self.discount) * value[:, 2 * size :].mean(-1),
            multiplier=self.multiplier.views["multiplier"][:, 0],
        )

    def _descent(self, gradient: Gradient, minimizes: bool) -> Gradient:
        """The direction that Adam takes, clipped."""
        bound, sign = self.config.gradient_bound, 1.0 if minimizes else -1.0
        return [(sign * slope).clamp(-bound, bound) for slope in gradient]
