"""VPM, the variational power method: the weights as the fixed point of a power iteration with small inner problems.

Source: Wen et al. 2020, "Batch Stationary Distribution Estimation"; numbers as in AMPL's released code, which runs 2000
updates whatever it is asked for. Two details differ: the released code copies the network after updates 1, 11, 21, ...,
and its multiplier's step sees the network after the network's own step; here it sees it before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters, frozen
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.weights.estimator import (
    ClippedOutput,
    Critic,
    Draws,
    EstimatorConfig,
    WeightEstimator,
    WeightNetwork,
)


@dataclass(frozen=True, kw_only=True)
class VPMConfig(EstimatorConfig):
    """Hyperparameters of the published runs."""

    steps: int = 2000  # k = 1, 2, ...
    learning_rate: float = 3e-4  # of Adam, for the weights and the multiplier
    inner_steps: int = 10  # updates for each step of the power iteration
    normalization: float = 1.0  # lambda, weight of the constraint E[w] = 1

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_at_least("inner_steps", self.inner_steps, 1)
        check_at_least("normalization", self.normalization, 0.0)

    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> VPM:
        """The estimator of K seeds."""
        return VPM(self, WeightNetwork(observation_size, action_size, ClippedOutput(), self.hidden, seeds, device))


class VPM(WeightEstimator):
    """The estimator; network, its copy, the multiplier of E[w] = 1 and both optimizers outlast an estimation."""

    config: VPMConfig

    def __init__(self, config: VPMConfig, network: WeightNetwork) -> None:
        super().__init__(config, network)
        values = network.values
        self.previous = frozen(network)  # of the power iteration
        self.multiplier = FlatParameters((network.stack[0],), {"multiplier": (1,)}, values.device)
        self.multiplier.values.fill_(1.0)
        self.optimizer = StackedAdam(network, learning_rate=config.learning_rate)
        self.multiplier_optimizer = StackedAdam(self.multiplier, learning_rate=config.learning_rate)

    def prepare(self, table: TransitionTable, critic: Critic, streams: SeedStreams) -> Callable[[Draws], None]:
        """Update k = 1, 2, ...; the critic is not used."""
        count = torch.zeros((), device=table.rows.device)  # on the device, so that a recorded update can count

        def update(draws: Draws) -> None:
            count.add_(1.0)
            objective, multiplier_objective = self.objectives(draws, count.rsqrt())
            gradient = self.network.gradient(objective.sum())
            multiplier_gradient = self.multiplier.gradient(multiplier_objective.sum())
            self.optimizer.step(gradient)
            self.multiplier_optimizer.step(multiplier_gradient)
            ends = count % self.config.inner_steps == 0  # after update 10, 20, ...
            current, previous = self.network.values, self.previous.values
            previous.copy_(torch.where(ends, current, previous))

        return update

    def objectives(self, draws: Draws, step_size: Tensor) -> tuple[Tensor, Tensor]:
        """What weights and multiplier minimize on one batch, [K] each.

        Args:
            draws: the batch.
            step_size: alpha_k of the power iteration, 1 / sqrt(k), a scalar.
        """
        (batch, states, acted), config = draws, self.config
        with torch.no_grad():
            previous = self.previous.of(batch.state, batch.action)  # [K, B]
        weights = self.network.of(states, torch.cat((batch.action, acted), dim=1))
        here, later, first = weights.split(  # type: ignore[no-untyped-call]
            [config.batch_size, config.batch_size, config.start_batch_size], dim=1
        )
        flow = (1.0 - self.discount) * first.mean(-1) + self.discount * (later * previous).mean(-1)
        square = 0.5 * here.square().mean(-1)
        pull = (1.0 - step_size) * (here * previous).mean(-1) + step_size * flow
        multiplier = self.multiplier.views["multiplier"][:, 0]  # v, [K]
        excess = 2.0 * multiplier.detach() * (here.mean(-1) - 1.0) - multiplier.detach().square()
        own = 2.0 * multiplier * (here.mean(-1).detach() - 1.0) - multiplier.square()
        return square - pull + config.normalization * excess, -config.normalization * own
