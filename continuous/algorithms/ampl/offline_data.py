"""What AMPL sees of a task: its transitions with rewards in (0, 1.01], simulator resets as start states, and bounds.

Source: the released code; rewards as it rescales them, start states from resets and not from the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ampl.randomness import stream
from continuous.environments.batch import BatchSimulator
from continuous.environments.robot import Robot, Snapshot, Start

_CHUNK = 10_000  # simulator resets at a time
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


def reset_states(robot: Robot, count: int, name: str = "start states") -> Tensor:
    """First observations of `count` episodes, [count, D], the same for every seed of a run.

    MuJoCo is asked only where an observation has something that it derives from the state, as in Adroit.

    Args:
        robot: the task's simulator.
        count: how many.
        name: of the random stream.
    """
    generator = stream(0, name)
    if robot.readings_size == 0:
        starts = [robot.start(generator) for _ in range(count)]
        return torch.from_numpy(robot.observe(_snapshot(starts)).astype(np.float32))
    found: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    with BatchSimulator(robot, threads=1) as simulator:
        for size in _chunks(count):
            found.append(simulator.begin([robot.start(generator) for _ in range(size)]))
    return torch.from_numpy(np.concatenate(found).astype(np.float32))


def _snapshot(starts: Sequence[Start]) -> Snapshot:
    """The simulator's states at the starts of episodes of a robot without readings."""
    return Snapshot(
        position=np.stack([start.position for start in starts]),
        velocity=np.stack([start.velocity for start in starts]),
        readings=np.zeros((len(starts), 0)),
        placement=np.stack([start.placement for start in starts]),
    )


def _chunks(count: int) -> Sequence[int]:
    whole, rest = divmod(count, _CHUNK)
    return [_CHUNK] * whole + [rest] * (rest > 0)
