"""The rewards that AMPL's model and critics learn from: rescaled to (0, 1.01], as the released code does."""

from __future__ import annotations

import torch
from torch import Tensor

_OFFSET = 1e-3  # reward units, keeps the smallest rescaled reward above zero
_SHORT_SPAN = 0.125  # reward units; rewards that span less have an offset in proportion to their span
_ROUNDING = 1e-6  # rewards that differ by less, relative to their size, are equal but for rounding


def rescale_rewards(reward: Tensor) -> Tensor:
    """Rewards in (0, 1.01], [N]: (r - min r + offset) / (max r - min r).

    The offset is the released code's, 1e-3 reward units, where rewards span 0.125 or more, as those of every D4RL
    task do. Where they span less it is 0.008 of the span, for 1e-3 would lift all of them far above 1. Rewards that
    are all equal, or differ by float32 rounding alone, become 1e-3.
    """
    low, high = reward.min(), reward.max()
    span = high - low
    if span.isinf():  # beyond float32; in a quarter of the unit it is not, and there the offset is nothing
        return rescale_rewards(reward / 4.0)
    equal = span <= _ROUNDING * torch.maximum(low.abs(), high.abs())
    offset = _OFFSET * (span / _SHORT_SPAN).clamp(max=1.0)
    return (reward - low + offset.where(~equal, _OFFSET)) / span.where(~equal, 1.0)


def reward_units(reward: Tensor, rescaled: Tensor) -> tuple[float, float]:
    """Slope and intercept of r in the rescaled reward: r = slope * rescaled + intercept, in the task's reward units.

    Args:
        reward: r, [N].
        rescaled: from `rescale_rewards`, [N].
    """
    low, high = float(reward.min()), float(reward.max())
    first, last = float(rescaled.min()), float(rescaled.max())
    slope = (high - low) / (last - first) if last > first else 0.0
    return slope, low - slope * first
