"""Marginal importance weights, deep: the network w(s, a) and what every estimator of it has in common.

An estimator keeps its networks and optimizers from one retraining to the next, as a run of AMPL does. Its result is
one weight a transition, of mean one over the data, whatever the scale of its network. The estimators are in
`q_moment.py` (AMPL's), `multi_moment.py` (ours), `vpm.py`, `gendice.py` and `dualdice.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ampl.errors import check_at_least, check_fraction
from ampl.progress import progress
from continuous.networks.repetition import Repetition
from continuous.networks.stacks import HIDDEN, StackedMLP, check_hidden, leaky_relu, linear_initialization
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import Batch, TransitionTable

_CHUNK = 16_384  # rows at a time when the whole dataset is weighted
_LAST_BOUND = 3e-3  # half-width of the last layer's initial weights
_TINY = 1e-8
_SHOWN_STEPS = 500  # between two updates of the progress display


class Policy(Protocol):
    """What an estimator needs of pi: `continuous.algorithms.ampl.policy.StackedPolicy`."""

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """One action drawn for each state: [K, B, D] to [K, B, A]."""


class Critic(Protocol):
    """What an estimator needs of the critic: `continuous.algorithms.ampl.critic.TwinCritic`."""

    def first_head(self) -> StackedMLP:
        """A frozen copy of Q_1, [K] networks of (s, a)."""

    def first_head_target(self) -> StackedMLP:
        """A frozen copy of its target."""


class Output(Protocol):
    """From the network's last layer to a weight."""

    def __call__(self, last: Tensor) -> Tensor:
        """Elementwise, >= 0."""


@dataclass(frozen=True, kw_only=True)
class PowerOutput:
    """(softplus(z - 1e-8) + 1e-8) ** power; flat at (ln 2) ** power before training.  Source: the released code."""

    power: float  # alpha, > 0

    def __call__(self, last: Tensor) -> Tensor:
        """Elementwise."""
        return (softplus(last - _TINY) + _TINY) ** self.power


@dataclass(frozen=True, kw_only=True)
class ClippedOutput:
    """Soft clamp into (1e-8, 500), by two softplus.  Source: the released code, for VPM, GenDICE and DualDICE."""

    largest: float = 500.0

    def __call__(self, last: Tensor) -> Tensor:
        """Elementwise."""
        below = self.largest - softplus(self.largest - last)
        return _TINY + softplus(below - _TINY)


class WeightNetwork(StackedMLP):
    """w(s, a) of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        output: makes weights of the last layer.
        hidden: units of the hidden layers.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        output: Output,
        hidden: Sequence[int],
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        generators = [cpu_generator(seed, "weights/initialization") for seed in seeds]
        widths = (observation_size + action_size, *hidden, 1)
        super().__init__((len(seeds),), widths, leaky_relu, generators, device, _small_last_layer)
        self._output = output

    def of(self, state: Tensor, action: Tensor) -> Tensor:
        """w at states [..., B, D] and actions [..., B, A]: [K, B]."""
        return self._output(self(torch.cat((state, action), dim=-1)))[..., 0]

    @torch.no_grad()
    def of_table(self, table: TransitionTable) -> Tensor:
        """w at every transition, [K, N]."""
        chunks = zip(table.state.split(_CHUNK), table.action.split(_CHUNK), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([self.of(state, action) for state, action in chunks], dim=1)


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig(ABC):
    """What every estimator can be told."""

    steps: int = 100_000  # updates in each estimation
    batch_size: int = 1024  # transitions in each update
    start_batch_size: int = 2048  # start states in each update
    hidden: tuple[int, ...] = HIDDEN

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        for name in ("steps", "batch_size", "start_batch_size"):
            check_at_least(name, getattr(self, name), 1)

    def build(
        self,
        observation_size: int,
        action_size: int,
        seeds: Sequence[int],
        model: Any,
        device: torch.device | str,
        discount: float = 0.99,
    ) -> WeightEstimator:
        """The estimator of K seeds, freshly initialized.

        Args:
            observation_size: D.
            action_size: A.
            seeds: K of them.
            model: `continuous.model.ensemble.EnsembleDynamics`, for a test function that is its reward; else ignored.
            device: where everything lives.
            discount: gamma, in [0, 1].
        """
        check_fraction("discount", discount)
        estimator = self.create(observation_size, action_size, seeds, model, device)
        estimator.discount = discount
        return estimator

    @abstractmethod
    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> WeightEstimator:
        """The estimator before it is told the discount."""


class Draws(NamedTuple):
    """Everything random in an update of an estimation, for B transitions and C start states."""

    batch: Batch  # columns [K, B, ...]
    states: Tensor  # its states, its next states, and start states, one after the other, [K, 2 B + C, D]
    acted: Tensor  # actions of the policy at all of them but the first B, [K, B + C, A]


class WeightEstimator(nn.Module, ABC):
    """One of the estimators, for stacked seeds; what its `state_dict` has outlasts an estimation.

    Args:
        config: how long and on what.
        network: w.

    Attributes:
        discount: gamma.
    """

    discount = 0.99

    def __init__(self, config: EstimatorConfig, network: WeightNetwork) -> None:
        super().__init__()
        self.config, self.network = config, network

    def estimate(self, dataset: TransitionTable, policy: Policy, critic: Critic, generator: SeedStreams) -> Tensor:
        """One weight a transition, [K, N], >= 0, of mean one over the data of each seed.  Source: AMPL, Eq. 11.

        Args:
            dataset: N transitions and the start states.
            policy: pi, whose weights are wanted.
            critic: of pi.
            generator: for batches and actions.
        """
        step = self.start(dataset, policy, critic, generator)
        repetition = Repetition(step, [generator], dataset.rows.device)
        with progress("estimating weights", self.config.steps) as bar:
            for first in range(0, self.config.steps, _SHOWN_STEPS):
                steps = min(_SHOWN_STEPS, self.config.steps - first)
                repetition.run(steps)
                bar.advance(steps)
        return normalize_weights(self.network.of_table(dataset))

    def start(self, table: TransitionTable, policy: Policy, critic: Critic, streams: SeedStreams) -> Callable[[], None]:
        """Prepares an estimation and returns one update of it on a fresh batch."""
        update = self.prepare(table, critic, streams)
        return lambda: update(self.draws(table, policy, streams))

    @torch.no_grad()
    def draws(self, table: TransitionTable, policy: Policy, streams: SeedStreams) -> Draws:
        """What is random in one update."""
        size = self.config.batch_size
        batch, starts = table.sample(size, streams), table.sample_starts(self.config.start_batch_size, streams)
        states = torch.cat((batch.state, batch.next_state, starts), dim=1)
        return Draws(batch, states, policy.act(states[:, size:], streams))

    @abstractmethod
    def prepare(self, table: TransitionTable, critic: Critic, streams: SeedStreams) -> Callable[[Draws], None]:
        """One update of an estimation that begins, a closure over fixed tensors.

        Args:
            table: the data.
            critic: of the policy.
            streams: for a test function that draws, see `continuous.weights.q_moment.RewardTest`; nothing else does.
        """


def normalize_weights(weights: Tensor) -> Tensor:
    """Divided by the mean of each seed, [K, N]."""
    return (weights / weights.mean(dim=-1, keepdim=True, dtype=torch.float64)).to(weights.dtype)


def _small_last_layer(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """torch's default, but weights uniform within 3e-3 and no bias for the layer with one output."""
    weight, bias = linear_initialization(fan_in, fan_out, generator)
    if fan_out > 1:
        return weight, bias
    return weight * (_LAST_BOUND * fan_in**0.5), torch.zeros_like(bias)
