"""States that the episodes of a simulator start from: draws from mu0, where the data's own are few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ampl.randomness import stream
from continuous.environments.batch import BatchSimulator
from continuous.environments.robot import Robot, Snapshot, Start

_CHUNK = 10_000  # simulator resets at a time


def reset_states(robot: Robot, count: int, name: str = "start states") -> NDArray[np.float32]:
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
        return robot.observe(_snapshot(starts)).astype(np.float32)
    found: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    with BatchSimulator(robot, threads=1) as simulator:
        for size in _chunks(count):
            found.append(simulator.begin([robot.start(generator) for _ in range(size)]))
    return np.concatenate(found).astype(np.float32)


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
