"""GenDICE: weights as the saddle point of a chi-squared divergence between the two sides of the flow equation.

Source: Zhang et al. 2020, "GenDICE: Generalized Offline Estimation of Stationary Values"; numbers as in AMPL's released
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.weights.estimator import ClippedOutput, WeightNetwork
from continuous.weights.saddle_point import SaddlePoint, SaddlePointConfig, Terms


@dataclass(frozen=True, kw_only=True)
class GenDICEConfig(SaddlePointConfig):
    """Hyperparameters of the published runs."""

    weights_learning_rate: float = 3e-3
    normalization: float = 1.0  # lambda, weight of the constraint E[w] = 1

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("normalization", self.normalization, 0.0)

    def create(
        self, observation_size: int, action_size: int, seeds: Sequence[int], model: Any, device: torch.device | str
    ) -> GenDICE:
        """The estimator of K seeds."""
        network = WeightNetwork(observation_size, action_size, ClippedOutput(), self.hidden, seeds, device)
        return GenDICE(self, network, tuple(seeds), observation_size, action_size)


class GenDICE(SaddlePoint):
    """min over w, max over nu and v of the objective below."""

    config: GenDICEConfig
    weights_minimize = True

    def objective(self, terms: Terms) -> Tensor:
        """(1-gamma) E[nu0] + gamma E[w nu'] - E[w (nu + nu^2 / 4)] + lambda (v (E[w] - 1) - v^2 / 2), [K]."""
        flow = terms.start_value + self.discount * (terms.weights * terms.next_value).mean(-1)
        conjugate = (terms.weights * (terms.value + 0.25 * terms.value.square())).mean(-1)
        excess = terms.multiplier * (terms.weights.mean(-1) - 1.0) - 0.5 * terms.multiplier.square()
        return flow - conjugate + self.config.normalization * excess
