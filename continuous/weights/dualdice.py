"""DualDICE: weights as the dual variable of a cubic regression of Bellman residuals.

Source: Nachum et al. 2019, "DualDICE: Behavior-Agnostic Estimation of Discounted Stationary Distribution
Corrections"; numbers as in AMPL's released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from continuous.weights.estimator import ClippedOutput, WeightNetwork
from continuous.weights.saddle_point import SaddlePoint, SaddlePointConfig, Terms


@dataclass(frozen=True, kw_only=True)
class DualDICEConfig(SaddlePointConfig):
    """Hyperparameters of the published runs."""

    weights_learning_rate: float = 1e-4

    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> DualDICE:
        """The estimator of K seeds."""
        network = WeightNetwork(observation_size, action_size, ClippedOutput(), self.hidden, seeds, device)
        return DualDICE(self, network, tuple(seeds), observation_size, action_size)


class DualDICE(SaddlePoint):
    """min over nu, max over w of the objective below; the multiplier is not used."""

    config: DualDICEConfig
    weights_minimize = False

    def objective(self, terms: Terms) -> Tensor:
        """E[(nu - gamma nu') w] - E[w^3] / 3 - (1-gamma) E[nu0], [K]."""
        residual = terms.value - self.discount * terms.next_value
        return (residual * terms.weights - terms.weights.pow(3) / 3.0).mean(-1) - terms.start_value
