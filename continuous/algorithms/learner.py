"""What an algorithm trains, a model aside: networks of K seeds, and what every set of them can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ampl.interfaces import Actor
from ampl.interfaces import Policy as ActingPolicy
from continuous.networks.stacks import FlatParameters


class LearnedPolicy(ActingPolicy, Protocol):
    """pi of K seeds."""

    @property
    def network(self) -> FlatParameters:
        """What is trained."""

    def snapshot(self, index: int) -> Actor:
        """One seed's policy, for evaluation: a copy."""


class Learner(nn.Module, ABC):
    """Networks of K seeds and their update; a checkpoint keeps its `state_dict`.

    Args:
        n_seeds: K.
        device: where everything lives.

    Attributes:
        policy: pi.
        sums: of `metrics` over the updates since `clear`, [K] each.
    """

    metrics: ClassVar[tuple[str, ...]]
    policy: LearnedPolicy

    def __init__(self, n_seeds: int, device: torch.device | str) -> None:
        super().__init__()
        self.sums = {name: torch.zeros(n_seeds, device=device) for name in self.metrics}

    @property
    @abstractmethod
    def discount(self) -> float:
        """gamma."""

    @property
    @abstractmethod
    def critics(self) -> FlatParameters | None:
        """The twin critics, [K, 2] networks; None for a learner without values, whose `action_value` is not called."""

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """The twin critics at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""
        raise NotImplementedError

    @property
    def levels(self) -> Mapping[str, Tensor]:
        """Metrics as they are at the end of an epoch, [K] each."""
        return {}

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """What follows from the number of epochs, for config.json: a run with such settings cannot be extended."""
        return {}

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Sets what changes from epoch to epoch, for the one after `done` of `epochs`."""

    @torch.no_grad()
    def record(self, *values: Tensor) -> None:
        """Adds one update's metrics, in the order of `metrics`; rows are averaged."""
        for name, value in zip(self.metrics, values, strict=True):
            self.sums[name] += value.detach() if value.dim() == 1 else value.detach().mean(-1)

    def clear(self) -> None:
        """Sets the sums of the metrics to zero."""
        for total in self.sums.values():
            total.zero_()

    def is_sound(self) -> list[bool]:
        """Whether all parameters of the policy and the critics are finite, seed by seed."""
        sound = self.policy.network.is_finite()
        return (sound if self.critics is None else sound & self.critics.is_finite()).tolist()
