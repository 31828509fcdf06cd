"""What a fit of the dynamics ensemble minimizes, and what it may be judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from continuous.model.network import DynamicsNetwork
from continuous.networks.streams import SeedStreams


class ModelLoss(Protocol):
    """What a fit minimizes, transition by transition."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """The loss of every member at every transition, [K, E, B].

        Args:
            network: K seeds with E members each.
            inputs: standardized (s, a), [K, E, B, D + A], or [K, 1, B, D + A] for all members.
            target: standardized (r, s' - s), with D + 1 in place of D + A.
            streams: for losses that draw.
        """

    def select(self, seeds: Sequence[int]) -> ModelLoss:
        """The same loss for networks of some of the seeds."""


class LikelihoodLoss:
    """Negative log likelihood of standardized (r, s' - s): twice the nats for each dimension, without the constant."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """[K, E, B]; draws nothing."""
        mean, log_std = network(inputs)
        return gaussian_loss(mean, log_std, target).mean(-1)

    def select(self, seeds: Sequence[int]) -> LikelihoodLoss:
        """Itself: it knows nothing of seeds."""
        return self


class SquaredError:
    """Squared error of the mean, averaged over the dimensions of (r, s' - s), in the units of the network's targets."""

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """[K, E, B]; draws nothing."""
        mean, _ = network(inputs)
        return (mean - target).square().mean(-1)

    def select(self, seeds: Sequence[int]) -> SquaredError:
        """Itself: it knows nothing of seeds."""
        return self


def gaussian_loss(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """((mean - target) / std)^2 + 2 log std, elementwise."""
    return ((mean - target) * (-log_std).exp()).square() + 2.0 * log_std
