"""Several moment equations at once: a remedy for AMPL's single one, which does not determine the weights.

Eq. 10 holds for every test function. Here M of them are tested together: cosines of random projections of (s, a), the
constant, and the critic. The loss is the mean of squared residuals, each in units of its function's spread; with two
independent halves of a batch, so that its gradient is unbiased. This is minimax weight learning with a kernel of
finite rank (Uehara et al. 2020, "Minimax Weight and Q-Function Learning for Off-Policy Evaluation"), plus Q. Ours: no
paper of the three has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.model.standardization import changes, pair_sizes
from continuous.networks.adam import StackedAdam, clip_norm
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import TransitionTable
from continuous.weights.estimator import (
    Critic,
    Draws,
    EstimatorConfig,
    PowerOutput,
    WeightEstimator,
    WeightNetwork,
)

_SCALE_ROWS = 10_000  # on which spreads are measured


@dataclass(frozen=True, kw_only=True)
class MultiMomentConfig(EstimatorConfig):
    """Hyperparameters."""

    test_functions: int = 64  # random ones, M - 2
    bandwidth: float = 1.0  # of their kernel, in standard deviations of (s, a) times the square root of its size
    weight_power: float = 0.5  # exponent of the network's output
    learning_rate: float = 3e-4  # of Adam
    gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("test_functions", self.test_functions, 1)
        check_at_least("batch_size", self.batch_size, 2, "It is cut into two halves.")
        for name in ("bandwidth", "weight_power", "learning_rate", "gradient_norm"):
            check_at_least(name, getattr(self, name), 0.0)

    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> MultiMoment:
        """The estimator of K seeds."""
        output = PowerOutput(power=self.weight_power)
        network = WeightNetwork(observation_size, action_size, output, self.hidden, seeds, device)
        return MultiMoment(self, network, seeds)


class MultiMoment(WeightEstimator):
    """The estimator; network and optimizer outlast an estimation, the random test functions never change."""

    config: MultiMomentConfig

    def __init__(self, config: MultiMomentConfig, network: WeightNetwork, seeds: Sequence[int]) -> None:
        super().__init__(config, network)
        device, inputs = network.values.device, network.widths[0]
        generators = [cpu_generator(seed, "weights/test functions") for seed in seeds]
        shape = (inputs, config.test_functions)
        projections = [torch.randn(shape, generator=generator) for generator in generators]
        phases = [torch.rand(1, config.test_functions, generator=generator) for generator in generators]
        scale = 1.0 / (config.bandwidth * math.sqrt(inputs))
        self._projection = scale * torch.stack(projections).to(device)  # [K, D + A, M - 2]
        self._phase = 2.0 * math.pi * torch.stack(phases).to(device)  # [K, 1, M - 2]
        self.optimizer = StackedAdam(network, learning_rate=config.learning_rate)

    def prepare(self, table: TransitionTable, critic: Critic, streams: SeedStreams) -> Callable[[Draws], None]:
        """One update on all moments."""
        config, half = self.config, self.config.batch_size // 2
        test_functions = self.test_functions(table, critic)

        def update(draws: Draws) -> None:
            residuals, _ = self.residuals(draws, test_functions)  # [K, B, M]
            first, second = residuals[:, :half].mean(1), residuals[:, half : 2 * half].mean(1)
            gradient = self.network.gradient((first * second).mean(-1).sum())
            self.optimizer.step(clip_norm(gradient, config.gradient_norm))

        return update

    def test_functions(self, table: TransitionTable, critic: Critic) -> Callable[[Tensor], Tensor]:
        """From pairs [K, B, D + A] to the M functions at them, [K, B, M], each of spread about one over the data."""
        pairs = torch.cat((table.state, table.action), dim=-1)
        mean, spread = pairs.mean(0), pairs.std(0)
        spread = spread.where(changes(spread, pair_sizes(table.state.abs().amax(0), table.action_size)), 1.0)
        head = critic.first_head()
        values = head(pairs[:: max(1, len(pairs) // _SCALE_ROWS)])  # [K, rows, 1]
        offset, width = values.mean(1, keepdim=True), values.std(1, keepdim=True).clamp(min=1e-6)

        def functions(pair: Tensor) -> Tensor:
            angle = torch.matmul((pair - mean) / spread, self._projection) + self._phase
            value = (head(pair) - offset) / width
            return torch.cat((math.sqrt(2.0) * angle.cos(), value, torch.ones_like(value)), dim=-1)

        return functions

    def residuals(self, draws: Draws, test_functions: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """w (f - gamma f') - (1 - gamma) E[f0] at each transition of a batch, [K, B, M], and w, [K, B]."""
        (batch, states, acted), size = draws, self.config.batch_size
        with torch.no_grad():
            functions = test_functions(torch.cat((states, torch.cat((batch.action, acted), dim=1)), dim=-1))
            later = self.discount * functions[:, size : 2 * size] * ~batch.terminal[..., None]
            first = (1.0 - self.discount) * functions[:, 2 * size :].mean(1, keepdim=True)  # [K, 1, M]
        weights = self.network.of(batch.state, batch.action)
        return weights[..., None] * (functions[:, :size] - later) - first, weights
