"""Which rows of maze data follow each other by one step of the simulator.

MuJoCo's Euler integrator moves the ball by its new velocity: x' = x + 0.01 s v'. D4RL's script breaks this twice after
each target: the next row repeats the observation, and the row after it lies two steps ahead. Source: D4RL issue 204.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TIMESTEP = 0.01  # s
_TOLERANCE = 1e-5  # of positions; float32 leaves 1e-6
_FOREIGN = 0.1  # a larger share of pairs that are no steps tells of another simulator


def steps(observations: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Whether each row and the next are one step apart, [N - 1]; None where the data are not this simulator's.

    Args:
        observations: x, y and their velocities, [N, 4].
    """
    before, after = observations[:-1, :2].astype(np.float64), observations[1:].astype(np.float64)
    error = np.abs(after[:, :2] - before - TIMESTEP * after[:, 2:]).max(axis=1, initial=0.0)
    found: NDArray[np.bool_] = error < _TOLERANCE
    return found if (~found).sum() <= _FOREIGN * len(found) else None


def repeats(observations: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the next row repeats the observation, [N - 1]."""
    return (observations[1:] == observations[:-1]).all(axis=1)


def pairs_without_a_step(observations: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether a segment ends between each row and the next, [N - 1].

    It does where the observation is repeated, and where the next row is not one step away, unless it is the pair that
    spans two steps since the first of its rows is such a repetition.
    """
    repeated, one_step = repeats(observations), steps(observations)
    if one_step is None:
        return repeated
    explained = repeated.copy()
    explained[1:] |= repeated[:-1]
    return repeated | ~(one_step | explained)
