"""D4RL's data collection in a maze: one ball, never reset, that the controller drives from target to target.

Two oddities of the published files are kept. The observation is not renewed after a step that ended a segment, so the
next row repeats it although the ball has moved (`positions` shows where it is); `skip_repeated_rows` leaves such rows
out. And a target may lie in the cell that was just reached, which makes a segment of one row. Source: D4RL 1.1's
generation script and its issues 85, 182 and 204; the evidence for the noise is in `recipe.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.errors import check_at_least
from ampl.progress import progress
from ampl.randomness import stream
from continuous.environments.maze2d.layouts import Layout
from continuous.environments.maze2d.point_mass import START_SPREAD, PointMass, State, draw_start
from continuous.recreate.maze2d.controller import Point, WaypointController

Floats: TypeAlias = NDArray[np.float32]
_Row: TypeAlias = tuple[float, ...]
"""Observation 4, action 2, target 2, state before the step 4, position after it 2, end of segment, repeated: 16."""

PUBLISHED_NOISE = 0.5  # standard deviation of the noise on each action entry, before it is clipped to [-1, 1]
_WIDTH = 16
_BLOCK = 10_000  # rows that are turned into arrays at once
_DRAWS = 4096  # noise vectors drawn at once


@dataclass(frozen=True, kw_only=True)
class CollectionConfig:
    """What to collect."""

    layout: Layout
    steps: int  # rows, >= 1
    seed: int = 0
    noise: float = PUBLISHED_NOISE  # >= 0
    skip_repeated_rows: bool = False

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_at_least("steps", self.steps, 1, "A dataset needs rows.")
        check_at_least("noise", self.noise, 0.0, "It is a standard deviation.")


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """N rows of one continuous motion."""

    observations: Floats  # what the controller saw: x, y and velocities, [N, 4]
    actions: Floats  # with noise, clipped, [N, 2]
    arrivals: NDArray[np.bool_]  # the segment ends with this row: target reached, or given up at the time limit, [N]
    targets: Floats  # where the controller was going, [N, 2]
    positions: Floats  # of the ball before the step, [N, 2]
    velocities: Floats  # likewise, [N, 2]
    next_positions: Floats  # of the ball after the step, [N, 2]
    simulated_steps: int  # N and the rows that were left out


def collect(config: CollectionConfig) -> Trajectory:
    """Collects one trajectory; a longer one of the same seed begins with it.

    Args:
        config: what to collect.

    Raises:
        InvalidArgumentError: a negative seed.
    """
    table = np.empty((config.steps, _WIDTH - 1), dtype=np.float32)
    rows, filled, simulated = _drive(config), 0, 0
    with progress(f"maze2d-{config.layout.name}", config.steps) as bar:
        while filled < config.steps:
            missing = min(_BLOCK, config.steps - filled)
            block = np.fromiter(islice(rows, missing), dtype=np.dtype((np.float64, _WIDTH)), count=missing)
            simulated += missing
            if config.skip_repeated_rows:
                block = block[block[:, -1] == 0.0]
            table[filled : filled + len(block)] = block[:, :-1]
            filled += len(block)
            bar.advance(len(block))
    columns = np.split(table, np.cumsum((4, 2, 2, 2, 2, 2)), axis=1)
    observations, actions, targets, positions, velocities, next_positions, ends = map(np.ascontiguousarray, columns)
    return Trajectory(
        observations=observations,
        actions=actions,
        arrivals=ends[:, 0] != 0.0,
        targets=targets,
        positions=positions,
        velocities=velocities,
        next_positions=next_positions,
        simulated_steps=simulated,
    )


def _drive(config: CollectionConfig) -> Iterator[_Row]:
    """The endless loop of D4RL's script, a row a step."""
    layout, limit = config.layout, config.layout.episode_limit
    ball = PointMass(layout)
    controller = WaypointController(layout, stream(config.seed, "maze2d/waypoints"))
    targets = _targets(layout, stream(config.seed, "maze2d/targets"))
    noise = _noise(config.noise, stream(config.seed, "maze2d/noise"))
    act, step = controller.act, ball.step

    ball.place(draw_start(layout, stream(config.seed, "maze2d/start")))
    state: State = ball.state
    observation, target, count, repeated = state, next(targets), 0, 0.0
    for noise_x, noise_y in noise:
        action_x, action_y, arrived = act(*observation, target)
        action_x = min(max(action_x + noise_x, -1.0), 1.0)
        action_y = min(max(action_y + noise_y, -1.0), 1.0)
        end = arrived or count >= limit
        after = step(action_x, action_y)
        yield (*observation, action_x, action_y, *target, *state, after[0], after[1], float(end), repeated)
        state = after
        count += 1
        repeated = 0.0
        if end:
            target, count, repeated = next(targets), 0, 1.0  # the observation stays
        else:
            observation = state


def _targets(layout: Layout, generator: np.random.Generator) -> Iterator[Point]:
    """Uniform free cells, each with a uniform shift."""
    while True:
        i, j = layout.free_cells[generator.integers(len(layout.free_cells))]
        shift_x, shift_y = generator.uniform(-START_SPREAD, START_SPREAD, size=2).tolist()
        yield i + shift_x, j + shift_y


def _noise(scale: float, generator: np.random.Generator) -> Iterator[Point]:
    """Normal vectors."""
    while True:
        yield from zip(*(scale * generator.standard_normal((2, _DRAWS))).tolist(), strict=True)
