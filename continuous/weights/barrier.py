"""A constraint G <= bound inside a gradient step: the dynamic barrier method, parameter by parameter.

Source: Gong et al. 2021, "Bi-objective Trade-off with Dynamic Barrier Gradient Descent"; AMPL's released code applies
it to each parameter tensor by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from continuous.networks.stacks import Gradient

_TINY = 1e-8


def barrier_gradient(loss: Gradient, constraint: Gradient, excess: Tensor) -> Gradient:
    """The loss gradient l with as much of the constraint's gradient g added as the barrier asks for: l + kappa g.

    kappa = max(0, (phi - <l, g>) / (|g|^2 + 1e-8)) with phi = min(excess, |g|^2), for each tensor of each seed: far
    below the bound nothing changes, unless the loss would raise G faster than there is room for.

    Args:
        loss: gradient of the loss.
        constraint: gradient of G.
        excess: G - bound of each seed, [K].
    """
    return [
        slope + _kappa(slope, wall, excess).view(-1, *[1] * (slope.dim() - 1)) * wall
        for slope, wall in zip(loss, constraint, strict=True)
    ]


def _kappa(slope: Tensor, wall: Tensor, excess: Tensor) -> Tensor:
    """[K], of one tensor [K, ...]."""
    square = wall.flatten(1).square().sum(1)
    product = (slope * wall).flatten(1).sum(1)
    return torch.relu((torch.minimum(excess, square) - product) / (square + _TINY))
