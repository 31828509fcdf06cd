"""Local Minari datasets as D4RL data: the same arrays, with the true next observation at the end of every episode.

Minari stores one more observation than actions in each episode, so nothing has to be dropped. Its environments differ
from D4RL's, equal names or not: the maze has other coordinates, goals and radii, and the `mujoco` sets come from other
policies. PointMaze and other goal environments have dict observations; their part "observation" is the state, and the
goal can be appended.
Source: Minari 0.5's storage layout. Needs the optional package `minari`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.errors import AmplError, InvalidFileError, MissingPackageError
from continuous.d4rl_data import D4RLData, Floats
from continuous.dataset import DeviceDataset, to_device
from continuous.episodes import start_states
from continuous.transitions import model_transitions

STATE_KEY = "observation"
GOAL_KEY = "desired_goal"


def load_minari(dataset: str | Path, *, append_goal: bool = False, device: torch.device | str = "cpu") -> DeviceDataset:
    """A local Minari dataset, ready on a device; arguments and errors as `read_minari`."""
    data = read_minari(dataset, append_goal=append_goal)
    return to_device(model_transitions(data), start_states(data), device=device)


def read_minari(dataset: str | Path, *, append_goal: bool = False) -> D4RLData:
    """A local Minari dataset as N rows, episodes one after the other.

    Args:
        dataset: its id ("D4RL/pointmaze/umaze-v2"), or its folder.
        append_goal: put the desired goal behind the state where observations have one.

    Raises:
        MissingPackageError: `minari` is not installed.
        InvalidFileError: no such dataset, damaged, made by another version, or with spaces that are not vectors.
    """
    try:
        source = _open(dataset)
        width, action_size = _check_spaces(source, dataset, append_goal)
        episodes = [
            _read_episode(episode, width, action_size, dataset, append_goal) for episode in source.iterate_episodes()
        ]
    except AmplError:
        raise
    except Exception as error:  # the package turns damage into nearly every built-in exception
        why = " ".join(str(error).split())[:160]
        raise InvalidFileError(f"Minari dataset {dataset} cannot be read ({type(error).__name__}: {why}).") from error
    if not episodes:
        raise InvalidFileError(f"Minari dataset {dataset} has no episodes with steps.")
    columns: dict[str, Any] = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    return D4RLData(**columns, metadata={"minari_id": source.id})


def _open(dataset: str | Path) -> Any:
    try:
        import minari
    except ImportError as error:
        raise MissingPackageError("Minari datasets need the package minari: `pip install minari`.") from error
    folder = Path(dataset)
    for place in (folder / "data", folder):
        if (place / "metadata.json").is_file():
            return minari.MinariDataset(place)
    if isinstance(dataset, Path):
        raise InvalidFileError(f"{dataset} holds no Minari dataset: expected a folder with data/metadata.json.")
    try:
        return minari.load_dataset(dataset, download=False)
    except FileNotFoundError as error:
        raise InvalidFileError(
            f"Minari dataset {dataset} is not on this machine; `minari download {dataset}` fetches it."
        ) from error


def _check_spaces(source: Any, dataset: str | Path, append_goal: bool) -> tuple[int, int]:
    """Sizes of observations (goal included, if asked for) and actions."""
    from gymnasium.spaces import Box, Dict

    observations, actions = source.observation_space, source.action_space
    parts = [observations]
    if isinstance(observations, Dict):
        keys = [STATE_KEY, GOAL_KEY] if append_goal else [STATE_KEY]
        for key in keys:
            if key not in observations.spaces:
                raise InvalidFileError(
                    f"Minari dataset {dataset} has observations {sorted(observations.spaces)}; expected '{key}'."
                )
        parts = [observations.spaces[key] for key in keys]
    elif append_goal:
        raise InvalidFileError(f"Minari dataset {dataset} has no goals in its observations; load it without them.")
    for what, space in [("observations", part) for part in parts] + [("actions", actions)]:
        if not isinstance(space, Box) or len(space.shape) != 1 or space.dtype.kind != "f":
            raise InvalidFileError(f"Minari dataset {dataset} has {what} in {space}; expected vectors of floats.")
    return sum(part.shape[0] for part in parts), actions.shape[0]


def _read_episode(
    episode: Any, width: int, action_size: int, dataset: str | Path, append_goal: bool
) -> dict[str, NDArray[Any]]:
    """The columns of one episode with T steps; one that just stops counts as cut at its last step."""
    where = f"Minari dataset {dataset}, episode {episode.id}"
    steps = len(episode.rewards)
    states = _single(_join(episode.observations, append_goal), (steps + 1, width), f"{where}: observations")
    terminals = _flags(episode.terminations, steps, f"{where}: terminations")
    timeouts = _flags(episode.truncations, steps, f"{where}: truncations") & ~terminals
    if steps == 0 or (terminals | timeouts)[:-1].any():
        raise InvalidFileError(f"{where} has no steps, or goes on after its end; expected one end, at the last step.")
    timeouts[-1] |= not terminals[-1]
    return {
        "observations": states[:-1],
        "actions": _single(episode.actions, (steps, action_size), f"{where}: actions"),
        "rewards": _single(episode.rewards, (steps,), f"{where}: rewards"),
        "terminals": terminals,
        "timeouts": timeouts,
        "next_observations": states[1:],
    }


def _join(observations: Any, append_goal: bool) -> NDArray[Any]:
    if not isinstance(observations, dict):
        return np.asarray(observations)
    keys: Sequence[str] = (STATE_KEY, GOAL_KEY) if append_goal else (STATE_KEY,)
    return np.concatenate([observations[key] for key in keys], axis=1)


def _single(array: Any, shape: tuple[int, ...], where: str) -> Floats:
    """As float32 of this shape, finite."""
    with np.errstate(over="ignore"):
        single: Floats = np.asarray(array, dtype=np.float32)
    if single.shape != shape:
        raise InvalidFileError(f"{where} are {list(single.shape)}; expected {list(shape)}.")
    if not np.isfinite(single).all():
        raise InvalidFileError(f"{where} are not finite everywhere; remove the episode.")
    return single


def _flags(array: Any, steps: int, where: str) -> NDArray[np.bool_]:
    flags = np.asarray(array)
    if flags.shape != (steps,) or flags.dtype != np.bool_:
        raise InvalidFileError(f"{where} are {flags.dtype}{list(flags.shape)}; expected bool[{steps}].")
    return flags.copy()
