"""Gymnasium ids: `ampl/Maze2D-<layout>-v1` pays sparse rewards, `ampl/Maze2D-<layout>-dense-v1` dense ones."""

from __future__ import annotations

from importlib.util import find_spec

from continuous.environments.maze2d.layouts import LAYOUTS
from continuous.environments.maze2d.rewards import Reward


def environment_id(layout: str, reward: Reward = Reward.SPARSE) -> str:
    """The id of a maze; versions are those of D4RL's tasks (open is at v0)."""
    suffix = "" if reward is Reward.SPARSE else f"-{reward}"
    return f"ampl/Maze2D-{layout}{suffix}-v{LAYOUTS[layout].version}"


def register_environments() -> None:
    """Tells Gymnasium, if it is there, about every layout with both rewards; a second call changes nothing."""
    if find_spec("gymnasium") is None:
        return
    import gymnasium

    for layout in LAYOUTS.values():
        for reward in Reward:
            name = environment_id(layout.name, reward)
            if name in gymnasium.registry:
                continue
            gymnasium.register(
                name,
                entry_point="continuous.environments.maze2d.environment:Maze2DEnvironment",
                max_episode_steps=layout.episode_limit,
                kwargs={"layout": layout.name, "reward": str(reward)},
            )
