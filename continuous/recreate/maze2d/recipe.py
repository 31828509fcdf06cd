"""Re-creates D4RL's maze2d-{umaze,medium,large}{,-dense}-v1 datasets: `ampl data make maze2d-umaze-v1`.

Rows, keys and flags are those of the published files: `terminals` all False, `timeouts` where a navigation target was
reached (no time limit), `infos/goal` the target the controller was chasing (not the task's goal).

The published data were collected with noise on the actions. Evidence: two consecutive published rows of umaze (91, 93)
need, in this very model, an action that only noise explains, and saturates exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import mujoco
import numpy as np

from ampl import __version__
from continuous.data.d4rl_data import D4RLData, Floats, Provenance
from continuous.data.recipes import MakeOptions, Recipe
from continuous.environments.maze2d.layouts import Layout, find_layout
from continuous.environments.maze2d.rewards import Reward
from continuous.recreate.maze2d.collection import PUBLISHED_NOISE, CollectionConfig, Trajectory, collect
from continuous.tasks.registry import TASKS, Family, Task

DEFAULT_STEPS = {"umaze": 1_000_000, "medium": 2_000_000, "large": 4_000_000}  # rows, as in the D4RL paper

_DESCRIPTION = (
    "A waypoint controller with Gaussian noise on its actions drives the ball to random targets, as D4RL's script does;"
    " same physics and keys as the published file, other random numbers."
)


def recipes() -> Mapping[str, Recipe]:
    """One recipe for each maze2d task, by its name."""
    return {
        task.name: Recipe(
            make=partial(make, task),
            default_steps=DEFAULT_STEPS[task.robot],
            describe=_DESCRIPTION,
            rows_per_second=150_000,
            accepts=frozenset({"steps", "seed", "noise", "skip_repeated_rows", "reward_of_next_state"}),
        )
        for task in TASKS.values()
        if task.family is Family.MAZE2D
    }


def make(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """Collects the data of a task; sparse and dense differ in their rewards only.

    Args:
        task: of the maze2d family.
        options: steps, seed, noise, skip_repeated_rows and reward_of_next_state count.
    """
    layout, reward = find_layout(task.robot), Reward(task.dataset)
    config = CollectionConfig(
        layout=layout,
        steps=DEFAULT_STEPS[task.robot] if options.steps is None else options.steps,
        seed=options.seed,
        noise=PUBLISHED_NOISE if options.noise is None else options.noise,
        skip_repeated_rows=options.skip_repeated_rows,
    )
    trajectory = collect(config)
    data = D4RLData(
        observations=trajectory.observations,
        actions=trajectory.actions,
        rewards=_rewards(trajectory, layout, reward, options.reward_of_next_state),
        terminals=np.zeros_like(trajectory.arrivals),
        timeouts=trajectory.arrivals,
        infos={"goal": trajectory.targets, "qpos": trajectory.positions, "qvel": trajectory.velocities},
    )
    provenance = Provenance(
        recipe=task.name,
        seed=config.seed,
        noise=config.noise,
        mujoco_version=mujoco.__version__,
        project_version=__version__,
        steps=trajectory.simulated_steps,
        notes=_notes(options),
    )
    return data, provenance


def _rewards(trajectory: Trajectory, layout: Layout, reward: Reward, of_next_state: bool) -> Floats:
    """D4RL's convention pays row t for the stored observation s_t; the environment pays for where step t ends.  [N]."""
    positions = trajectory.next_positions if of_next_state else trajectory.observations[:, :2]
    return reward.at(positions, layout.goal).astype("float32")


def _notes(options: MakeOptions) -> str:
    rows = "left out" if options.skip_repeated_rows else "kept as published"
    paid = "s_{t+1}, as the environment pays" if options.reward_of_next_state else "s_t, as published"
    return f"waypoint controller; rows that repeat an observation: {rows}; rewards of {paid}"
