"""Small valid datasets of each family, and D4RL's own code where its package is installed."""

import ast
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from continuous.data.d4rl_file import D4RLData, Provenance
from continuous.environments.maze2d.layouts import find_layout
from continuous.environments.maze2d.rewards import Reward
from continuous.tasks.find import find_task
from continuous.tasks.registry import Task

HOPPER = find_task("hopper-medium-v2")
UMAZE = find_task("maze2d-umaze-v1")
PEN = find_task("pen-expert-v1")


def hopper_data(rows: int = 60, seed: int = 0) -> D4RLData:
    """Episodes of 7 rows; every second one falls, the others are cut; the last is incomplete."""
    rng = np.random.default_rng(seed)
    states = rng.uniform(-0.1, 0.1, (rows + 1, 11)).astype(np.float32)
    states[:, 0] += 1.2  # standing
    ends = np.arange(rows) % 7 == 6
    terminals = ends & (np.arange(rows) // 7 % 2 == 0)
    following = states[1:].copy()
    following[ends] += np.float32(0.05)  # the last state of an episode is not the first of the next
    following[terminals, 0] = 0.5  # fallen
    return D4RLData(
        observations=states[:-1],
        actions=rng.uniform(-1, 1, (rows, 3)).astype(np.float32),
        rewards=rng.uniform(0, 3, rows).astype(np.float32),
        terminals=terminals,
        timeouts=ends & ~terminals,
        next_observations=following,
        infos={"qpos": rng.normal(size=(rows, 6)).astype(np.float32), "qvel": np.zeros((rows, 6), np.float32)},
        metadata={"algorithm": b"SAC", "iteration": np.int32(3), "policy/fc0/weight": np.eye(4, dtype=np.float32)},
    )


def maze_data(rows: int = 60, seed: int = 0, task: Task = UMAZE) -> D4RLData:
    """A ball that wanders inside one cell; a target is reached every 9 rows, and the row after it repeats."""
    rng = np.random.default_rng(seed)
    layout = find_layout(task.robot)
    states = rng.uniform(-0.1, 0.1, (rows, 4)).astype(np.float32)
    states[:, :2] += layout.goal
    ends = np.arange(rows) % 9 == 8
    states[1:][ends[:-1]] = states[:-1][ends[:-1]]
    return D4RLData(
        observations=states,
        actions=rng.uniform(-1, 1, (rows, 2)).astype(np.float32),
        rewards=Reward(task.dataset).at(states[:, :2], layout.goal).astype(np.float32),
        terminals=np.zeros(rows, np.bool_),
        timeouts=ends,
        infos={"goal": states[:, :2], "qpos": states[:, :2], "qvel": states[:, 2:]},
    )


def without(data: D4RLData, *names: str) -> D4RLData:
    """The same data lacking some optional columns."""
    changes: dict[str, Any] = {"next_observations": None} if "next_observations" in names else {}
    if "timeouts" in names:
        changes |= {"timeouts": np.zeros_like(data.timeouts), "timeouts_stored": False}
    return replace(data, **changes)


def write_plain(path: Path, arrays: dict[str, Any]) -> Path:
    """Arrays as D4RL's own scripts write them: gzip, no attributes, the oldest format; nothing is checked."""
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file.create_dataset(key, data=value, compression="gzip" if np.ndim(value) else None)
    return path


def arrays_of(data: D4RLData) -> dict[str, Any]:
    """The dataset by its keys in a file."""
    arrays: dict[str, Any] = {
        "observations": data.observations,
        "actions": data.actions,
        "rewards": data.rewards,
        "terminals": data.terminals,
    }
    if data.timeouts_stored:
        arrays["timeouts"] = data.timeouts
    if data.next_observations is not None:
        arrays["next_observations"] = data.next_observations
    arrays |= {f"infos/{name}": value for name, value in data.infos.items()}
    return arrays | {f"metadata/{name}": value for name, value in data.metadata.items()}


def assert_same(left: D4RLData, right: D4RLData) -> None:
    """Fails unless both hold the same keys and the same bits."""
    ours, theirs = arrays_of(left), arrays_of(right)
    assert sorted(ours) == sorted(theirs)
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)


def made_by(task: Task) -> Provenance:
    """A note of origin for tests."""
    return Provenance(recipe=task.name, seed=0, noise=0.5, mujoco_version="4.0.0", steps=60, notes="a test")


def installed_d4rl() -> Path:
    """The folder of the d4rl package; skips the test if it is not installed."""
    found = importlib.util.find_spec("d4rl")  # finds it without importing it, which fails on a current machine
    if found is None or found.origin is None:
        pytest.skip("the d4rl package is not installed: pip install --no-deps d4rl")
    return Path(found.origin).parent


def d4rl_function(name: str) -> Any:
    """One function of d4rl/__init__.py, compiled alone: the module cannot be imported without its simulators."""
    tree = ast.parse((installed_d4rl() / "__init__.py").read_text())
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    names: dict[str, Any] = {"np": np}
    exec(compile(ast.Module(body=body, type_ignores=[]), "d4rl", "exec"), names)
    return names[name]


def environment_with(task: Task) -> Any:
    """What D4RL's functions ask of an environment."""
    return SimpleNamespace(_max_episode_steps=task.episode_limit)
