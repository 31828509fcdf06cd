"""Policies as plain numpy arrays that act without PyTorch: what an evaluation is given, in this process or in another.

Each is an `ampl.interfaces.Actor`: every random number comes from the generator that it is called with.

Each is a copy of one seed's networks, taken with `snapshot` of the trained policy; training on does not change it.
Those that are evaluated, BestAction, TanhAction and BestOfSeveral, act with zeros where their networks have diverged;
their method `draw` gives actions as training draws them.
Letters: E episodes, D observation size, A action size. All arrays are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.interfaces import Actor

Array: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A multilayer perceptron; with leading axes on its parameters, several of them side by side.

    Attributes:
        weights: of each layer, [..., in, out].
        biases: of each layer, [..., 1, out].
        slope: of the activation below zero, between layers: 0 for ReLU.
    """

    weights: Sequence[Array]
    biases: Sequence[Array]
    slope: float

    def of_raw(self, mean: Array, std: Array) -> Network:
        """The same network of x where this one takes (x - mean) / std, [in] each: its first layer does it."""
        first = self.weights[0] / std[:, None]
        return Network(
            weights=[first, *self.weights[1:]],
            biases=[self.biases[0] - mean[None] @ first, *self.biases[1:]],
            slope=self.slope,
        )

    def __call__(self, inputs: Array) -> Array:
        """[B, in] to [..., B, out]."""
        flowing = inputs
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                flowing = np.maximum(flowing, self.slope * flowing)
            flowing = np.matmul(flowing, weight) + bias
        return flowing


@dataclass(frozen=True, kw_only=True)
class BestAction:
    """tanh of the mean, the first half of the network's outputs: how MOPO and DAMO are evaluated.

    Attributes:
        network: whose other outputs are the log standard deviation.
        lowest_log_std, highest_log_std: where it is cut.
    """

    network: Network
    lowest_log_std: float
    highest_log_std: float

    def __call__(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """Nothing is drawn."""
        mean, _ = np.split(self.network(observations), 2, axis=-1)
        return np.nan_to_num(np.tanh(mean))

    def draw(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """One action drawn for each observation."""
        drawing = GaussianActor(
            network=self.network, lowest_log_std=self.lowest_log_std, highest_log_std=self.highest_log_std
        )
        return drawing(observations, generator)


@dataclass(frozen=True, kw_only=True)
class TanhAction:
    """tanh(network((observation - shift) / scale)): how behavior cloning, TD3+BC and IQL are evaluated.

    Attributes:
        network: to actions before the tanh.
        shift, scale: of observations, [D].
        std: of the normal noise around it that `draw` adds, cut to [-1, 1]; [A], zeros for none.
    """

    network: Network
    shift: Array
    scale: Array
    std: Array

    def __call__(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """Nothing is drawn."""
        return np.nan_to_num(np.tanh(self.network((observations - self.shift) / self.scale)))

    def draw(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """One action drawn for each observation."""
        best = self(observations, generator)
        return np.clip(best + self.std * generator.standard_normal(best.shape, dtype=np.float32), -1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ImplicitActor:
    """tanh(network(s, noise)); the noise is normal with standard deviation `scale`, cut at `bound`."""

    network: Network
    noise_size: int
    scale: float
    bound: float

    def __call__(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """One action drawn for each observation."""
        noise = generator.standard_normal((len(observations), self.noise_size), dtype=np.float32)
        noise = np.clip(self.scale * noise, -self.bound, self.bound)
        return np.tanh(self.network(np.concatenate((observations, noise), axis=-1)))


@dataclass(frozen=True, kw_only=True)
class GaussianActor:
    """tanh(mean + std * noise); the network gives mean and log standard deviation, which is cut at both ends."""

    network: Network
    lowest_log_std: float
    highest_log_std: float

    def __call__(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """One action drawn for each observation."""
        mean, log_std = np.split(self.network(observations), 2, axis=-1)
        noise = generator.standard_normal(mean.shape, dtype=np.float32)
        return np.tanh(mean + np.exp(np.clip(log_std, self.lowest_log_std, self.highest_log_std)) * noise)


@dataclass(frozen=True, kw_only=True)
class BestOfSeveral:
    """Of several actions that a policy draws at a state, the one of largest min_j Q_j: how AMPL is evaluated.

    Attributes:
        actor: draws.
        critic: of (s, a), with the twins on its leading axis.
        count: actions to choose from at each state, >= 1.
    """

    actor: Actor
    critic: Network
    count: int

    def __call__(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """The chosen actions."""
        states = np.repeat(observations, self.count, axis=0)  # [E * count, D]
        actions = self.actor(states, generator)
        value = self.critic(np.concatenate((states, actions), axis=-1))[..., 0].min(axis=0)
        best = value.reshape(-1, self.count).argmax(axis=1)  # [E]
        choices = actions.reshape(len(observations), self.count, actions.shape[-1])
        return np.nan_to_num(choices[np.arange(len(observations)), best])

    def draw(self, observations: Array, generator: np.random.Generator) -> NDArray[Any]:
        """One action drawn for each observation."""
        return self.actor(observations, generator)
