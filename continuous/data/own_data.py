"""Data of the user's own: any file in D4RL's layout, or a local Minari dataset, with actions scaled to [-1, 1]."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError, missing_file
from continuous.data.d4rl_data import D4RLData
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import dataset_sha256
from continuous.data.plausibility import check_plausible
from continuous.tasks.own import scaled
from continuous.tasks.registry import Own, Task

MINARI = "minari:"  # before the id of a dataset
_SLACK = 1e-5  # of half the width of the bounds: rounding of float32


def load_own(task: Task) -> D4RLData:
    """The dataset of a task on data of the user's own, actions in [-1, 1].

    Raises:
        InvalidFileError: it is not there any more, cannot be used, or has actions outside of the bounds.
    """
    own = task.own
    assert own is not None
    if not own.data.startswith(MINARI) and not Path(own.data).exists():
        raise missing_file(Path(own.data), "It held the data of the run. Say where it is now: --data FILE.")
    data = read_own(own.data, task.episode_limit)
    _read.cache_clear()  # whoever made the task has read it; nobody reads it a third time
    actions = actions_in_bounds(own, data)
    check_plausible(data, None, data.provenance, own.data)  # in its own units, as `ampl data check` does
    return replace(data, actions=actions.astype(np.float32))


def actions_in_bounds(own: Own, data: D4RLData) -> NDArray[np.float64]:
    """The data's actions, scaled to [-1, 1]; InvalidFileError where one is outside of the bounds."""
    actions = scaled(own, data.actions)
    outside = (np.abs(actions) > 1.0 + _SLACK).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise InvalidFileError(
            f"{own.data}: {outside.sum()} of {data.n_rows} rows have actions outside of the bounds, first row {row} "
            f"with {data.actions[row].tolist()}; expected {list(own.action_low)} to {list(own.action_high)}. Name the "
            "environment that the data come from, or mend them."
        )
    return actions


def names_data(text: str) -> bool:
    """Whether a text names data rather than a task."""
    return text.startswith(MINARI) or Path(text).suffix in (".hdf5", ".h5") or Path(text).is_file()


def read_own(data: str, episode_limit: int | None) -> D4RLData:
    """The dataset as it is, actions in the environment's units.

    Args:
        data: path of a file, or minari:ID.
        episode_limit: stands in for missing time-outs; None: not known.

    Raises:
        InvalidFileError: no such data, damaged, empty, or without a column.
        MissingPackageError: a Minari dataset without the package.
    """
    place = data_file(data)
    return _read(data, place, (_stamp(place), _stamp(place.with_name("metadata.json"))), episode_limit)


def data_file(data: str) -> Path:
    """The file that holds the arrays; raises like `read_own`."""
    if not data.startswith(MINARI):
        return Path(data)
    from continuous.data.minari_data import find_minari

    return find_minari(data.removeprefix(MINARI)) / "main_data.hdf5"


def _stamp(file: Path) -> tuple[int, int]:
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)


@lru_cache(maxsize=1)
def _read(data: str, place: Path, stamps: tuple[tuple[int, int], ...], episode_limit: int | None) -> D4RLData:
    """Kept until it is asked for again; the stamps tell versions of the file, and of Minari's metadata, apart."""
    if data.startswith(MINARI):
        from continuous.data.minari_data import read_minari

        found = read_minari(data.removeprefix(MINARI))
        return replace(found, sha256=dataset_sha256(place))
    found = read_d4rl(place, episode_limit=episode_limit)
    return replace(found, sha256=dataset_sha256(place), provenance=read_provenance(place))
