"""Human demonstrations of an Adroit task, from a file: where each started, and which actions the person took.

The file is an .npz with the actions of all demonstrations one after the other, `actions` [T, A] (beyond [-1, 1] where
the person pushed), their `lengths` [E], and the start of each: `init_qpos` [E, nq], `init_qvel` [E, nv] and what the
task places anew in every episode: `init_desired_orien` (pen), `init_door_body_pos` (door), `init_board_pos` (hammer),
`init_obj_pos` and `init_target_pos` (relocate). Other arrays are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz
from continuous.environments.adroit.hand import Adroit
from continuous.environments.robot import Floats, Start

_START = "init_"


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One recording."""

    start: Start
    actions: Floats  # as recorded, not clipped, [T, A]


def read_demonstrations(path: Path, robot: Adroit) -> list[Demonstration]:
    """Reads a file of demonstrations and checks it against its robot.

    Raises:
        InvalidFileError: missing, not such a file, of another task, or with numbers that are not finite.
    """
    places = [_START + part for part in robot.placement_parts]
    required = ("actions", "lengths", "init_qpos", "init_qvel", *places)
    arrays = read_npz(path, "human demonstrations", required)
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0 or (lengths < 1).any():
        raise InvalidFileError(f"{path}: array 'lengths' must hold one whole number >= 1 for each demonstration.")
    total, episodes = int(lengths.sum()), len(lengths)
    sizes = dict(zip(places, robot.placement_parts.values(), strict=True))
    shapes = {
        "actions": (total, robot.action_size),
        "init_qpos": (episodes, robot.model.nq),
        "init_qvel": (episodes, robot.model.nv),
    } | {name: (episodes, size) for name, size in sizes.items()}
    for name, shape in shapes.items():
        _check_array(path, name, arrays[name], shape)
    return list(_split(arrays, places))


def _split(arrays: dict[str, NDArray[Any]], places: list[str]) -> Iterator[Demonstration]:
    starts = {name: arrays[name].astype(np.float64) for name in ("init_qpos", "init_qvel", *places)}
    pieces = np.split(arrays["actions"].astype(np.float64), np.cumsum(arrays["lengths"])[:-1])
    for row, actions in enumerate(pieces):
        start = Start(
            position=starts["init_qpos"][row],
            velocity=starts["init_qvel"][row],
            placement=np.concatenate([starts[name][row] for name in places]),
        )
        yield Demonstration(start=start, actions=actions)


def _check_array(path: Path, name: str, value: NDArray[Any], shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise InvalidFileError(
            f"{path}: array '{name}' is {list(value.shape)}; expected {list(shape)}. Is it a file of another task?"
        )
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        raise InvalidFileError(f"{path}: array '{name}' holds something other than finite numbers.")
