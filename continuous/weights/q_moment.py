"""AMPL's estimator of the weights: one moment equation, with the critic as its test function.

For the true w and any test function Q, E[w Q] = gamma E[w Q(s', a')] + (1 - gamma) E[Q(s0, a0)] (Eq. 10). The network
is moved by small steps until the equation holds for one Q. That is one number for a whole function: which solution is
found is up to the start, the step size and the network (theory: `tabular/weights/moments.py`).

Source: AMPL, Eqs. 10-11, and the released code for everything that makes it train.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from ampl.errors import check_at_least, check_fraction
from ampl.settings import MAY_BE_INFINITE
from continuous.networks.adam import StackedAdam, clip_norm
from continuous.networks.stacks import frozen
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.weights.barrier import barrier_gradient
from continuous.weights.estimator import (
    Critic,
    Draws,
    EstimatorConfig,
    PowerOutput,
    WeightEstimator,
    WeightNetwork,
)


class MomentLoss(Enum):
    """How the two sides of Eq. 10 are compared."""

    HUBER = "huber"  # code: of the two expectations, with delta 1
    SQUARED = "squared"  # the paper's Eq. 11


class MomentFunction(Protocol):
    """What Eq. 10 is tested with, at both sides of the equation."""

    def left(self, state: Tensor, action: Tensor) -> Tensor:
        """Q(s, a), [K, B]."""

    def right(self, state: Tensor, action: Tensor) -> Tensor:
        """The slowly moving Q at start and next states, [K, B]."""

    def follow(self, rate: float) -> None:
        """Moves the right-hand side's copy towards the left-hand side's."""


class CriticTest:
    """Q_1 on the left; on the right a copy that starts as the actor-critic's target and follows Q_1."""

    def __init__(self, critic: Critic) -> None:
        self._online, self._target = critic.first_head(), critic.first_head_target()

    def left(self, state: Tensor, action: Tensor) -> Tensor:
        """Q_1, [K, B]."""
        return self._online(torch.cat((state, action), dim=-1))[..., 0]

    def right(self, state: Tensor, action: Tensor) -> Tensor:
        """Its copy, [K, B]."""
        return self._target(torch.cat((state, action), dim=-1))[..., 0]

    def follow(self, rate: float) -> None:
        """The copy moves towards Q_1."""
        self._target.follow(self._online, rate)


class RewardTest:
    """The model's sampled reward on both sides: the ablation "reward test function".

    It is the reward as it is drawn, whether or not the step leaves the model's bounds; one that is not a number is 0.
    """

    def __init__(self, model: Any, streams: SeedStreams) -> None:
        self._model, self._streams = model, streams

    def left(self, state: Tensor, action: Tensor) -> Tensor:
        """The reward that the model draws, [K, B]."""
        shift = self._streams.integers(self._model.config.elites, 1)
        noise = self._streams.normal(state.shape[1], state.shape[2] + 1)
        reward: Tensor = self._model.predict(state, action, noise, shift)[1]
        return reward.where(~reward.isnan(), 0.0)

    right = left

    def follow(self, rate: float) -> None:
        """Nothing follows."""


@dataclass(frozen=True, kw_only=True)
class CriticTestConfig:
    """The critic is the test function."""

    def build(self, critic: Critic, model: Any, streams: SeedStreams) -> MomentFunction:
        """For one estimation."""
        return CriticTest(critic)


@dataclass(frozen=True, kw_only=True)
class RewardTestConfig:
    """The model's reward is the test function."""

    def build(self, critic: Critic, model: Any, streams: SeedStreams) -> MomentFunction:
        """For one estimation."""
        return RewardTest(model, streams)


@dataclass(frozen=True, kw_only=True)
class QMomentConfig(EstimatorConfig):
    """Hyperparameters of the published runs; what the paper does not have is marked."""

    weight_power: float = 0.5  # code: alpha, exponent of the network's output; 0.2 for Maze2D and Adroit
    learning_rate: float = 1e-6  # of Adam
    target_rate: float = 0.01  # how far the targets of w and Q follow in one update
    test_function: CriticTestConfig | RewardTestConfig = field(default_factory=CriticTestConfig)
    loss: MomentLoss = MomentLoss.HUBER
    huber_delta: float = 1.0
    masks_terminals: bool = True  # code: nothing follows a terminal; the paper's Eq. 11 has no mask
    mean_bound: float = field(default=10.0, metadata=MAY_BE_INFINITE)  # code: bound on E[w], by a barrier; inf: none
    gradient_norm: float = 1.0  # code

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        for name in ("weight_power", "learning_rate", "huber_delta", "mean_bound", "gradient_norm"):
            check_at_least(name, getattr(self, name), 0.0)
        check_fraction("target_rate", self.target_rate)

    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> QMoment:
        """The estimator of K seeds."""
        output = PowerOutput(power=self.weight_power)
        network = WeightNetwork(observation_size, action_size, output, self.hidden, seeds, device)
        return QMoment(self, network, model)


class QMoment(WeightEstimator):
    """The estimator; the weights' target network and the optimizer outlast an estimation."""

    config: QMomentConfig

    def __init__(self, config: QMomentConfig, network: WeightNetwork, model: Any) -> None:
        super().__init__(config, network)
        self._model = model
        self.target = frozen(network)
        self.optimizer = StackedAdam(network, learning_rate=config.learning_rate)

    def prepare(self, table: TransitionTable, critic: Critic, streams: SeedStreams) -> Callable[[Draws], None]:
        """One update of Eq. 11."""
        config = self.config
        test_function = config.test_function.build(critic, self._model, streams)

        def update(draws: Draws) -> None:
            left, right = self.sides(draws, test_function)
            weights, value = left
            loss = self.loss((weights * value).mean(-1), right)  # [K]
            mean = weights.mean(-1)  # G
            loss_gradient = self.network.gradient(loss.sum(), retain_graph=True)
            wall = self.network.gradient(mean.sum())
            gradient = barrier_gradient(loss_gradient, wall, mean.detach() - config.mean_bound)
            self.optimizer.step(clip_norm(gradient, config.gradient_norm))
            self.target.follow(self.network, config.target_rate)
            test_function.follow(config.target_rate)

        return update

    def sides(self, draws: Draws, test_function: MomentFunction) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Both sides of Eq. 10 on one batch.

        Returns:
            On the left w and Q at the data's pairs, [K, B] each, w with a gradient; the whole right side, [K].
        """
        (batch, states, acted), config, size = draws, self.config, self.config.batch_size
        with torch.no_grad():
            value = test_function.right(states[:, size:], acted)
            continues = ~batch.terminal if config.masks_terminals else torch.ones_like(batch.terminal)
            later = (continues * value[:, :size] * self.target.of(batch.state, batch.action)).mean(-1)
            right = (1.0 - self.discount) * value[:, size:].mean(-1) + self.discount * later
            left = test_function.left(batch.state, batch.action)
        return (self.network.of(batch.state, batch.action), left), right

    def loss(self, left: Tensor, right: Tensor) -> Tensor:
        """Of the two expectations, elementwise."""
        if self.config.loss is MomentLoss.SQUARED:
            return (left - right).square()
        return huber_loss(left, right, reduction="none", delta=self.config.huber_delta)
