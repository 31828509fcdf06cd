"""Reads and writes D4RL's HDF5 files.

One flat file a task: compressed arrays whose first axis is N consecutive time steps, slashes in names for groups.
Read: casts to float32 and bool, squeezes [N, 1], counts time-outs where the file has none, keeps metadata apart.
Written: the same layout, so that D4RL's own loader reads it, with the provenance as attributes of the root. A file is
put together in memory and renamed into place, so an interruption or a full disk leaves nothing behind.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from continuous.data.column_names import HINT, Meaning, find_columns, find_next_observations
from continuous.data.d4rl_data import D4RLData, Flags, Floats, Provenance, Source
from continuous.data.d4rl_writer import ATTRIBUTE_PREFIX, write_d4rl
from continuous.data.end_flags import find_ends, missing_timeouts
from continuous.data.file_guard import check_unpacked
from continuous.data.hdf5_arrays import (
    LazyValues,
    find_datasets,
    open_hdf5,
    read_array,
    read_attribute,
    read_scalar,
    unpacked_size,
)
from continuous.tasks.registry import Task

__all__ = ["D4RLData", "Provenance", "Source", "read_d4rl", "read_provenance", "write_d4rl"]

_logger = logging.getLogger(__name__)


def read_d4rl(path: Path, task: Task | None = None, *, episode_limit: int | None = None) -> D4RLData:
    """The content of a D4RL file; `infos` and `metadata` are read only when asked for.

    Args:
        path: an HDF5 file.
        task: what the file should hold; its sizes are checked, and its time limit stands in for missing time-outs.
        episode_limit: does so where no task is known; without either a file that stores no time-outs has none.

    Raises:
        InvalidFileError: missing, damaged, foreign or of another task; a key is missing, misshapen, not finite, or a
            flag that is neither 0 nor 1.
    """
    with open_hdf5(path, HINT) as file:
        datasets = find_datasets(file, path)
        columns = find_columns(datasets, path)
        used = {"observations", "actions", "rewards", *columns}
        check_unpacked(path, sum(unpacked_size(datasets[key]) for key in used))
        next_observations = find_next_observations(columns, path)
        observations = _read_matrix(datasets, "observations", path)
        rows = len(observations)
        if rows == 0:
            raise InvalidFileError(f"{path}: 'observations' has no rows. {HINT}")
        actions = _read_matrix(datasets, "actions", path)
        if task is not None:
            _check_task(observations, actions, task, path)
        terminals, timeouts = find_ends(_read_ends(datasets, columns, path), rows, path)
        stored = timeouts is not None
        if timeouts is None:
            _check_unknown_flags(datasets, columns, rows, path)
            terminals, timeouts = missing_timeouts(terminals, observations, task, path, episode_limit)
        data: dict[str, Any] = {
            "observations": observations,
            "actions": actions,
            "rewards": _read_rewards(datasets, path),
            "terminals": terminals,
            "timeouts": timeouts,
            "next_observations": next_observations and _read_matrix(datasets, next_observations, path),
        }
        _check_rows(data, datasets, path)
        infos = LazyValues(path, "infos/", datasets, read_array, HINT)
        metadata = LazyValues(path, "metadata/", datasets, read_scalar, HINT)
    return D4RLData(**data, infos=infos, metadata=metadata, timeouts_stored=stored)


def read_provenance(path: Path) -> Provenance | None:
    """Where a file comes from, as its attributes say; None if it has none (D4RL's own files have none).

    Raises:
        InvalidFileError: not HDF5, or attributes of another type than we write.
    """
    with open_hdf5(path, HINT) as file:
        values: dict[str, Any] = {
            field.name: read_attribute(file, name, path)
            for field in fields(Provenance)
            if (name := ATTRIBUTE_PREFIX + field.name) in file.attrs
        }
        if not values:
            return None
        return Provenance(**values | {"source": Source(values["source"])})


def _read_ends(
    datasets: Mapping[str, h5py.Dataset], columns: Mapping[str, Meaning], path: Path
) -> dict[str, NDArray[Any]]:
    """The columns that tell of ends, by key, [N] each."""
    ends: dict[str, NDArray[Any]] = {}
    for key, meaning in columns.items():
        if meaning is Meaning.NUMBER:
            ends[key] = _squeezed(datasets[key], key, path)
            if ends[key].dtype.kind == "f":
                _finite(ends[key], key, path)
        elif meaning is not Meaning.NEXT_OBSERVATION:
            ends[key] = _read_flags(datasets, key, path)
    return ends


def _check_unknown_flags(datasets: Mapping[str, h5py.Dataset], known: Collection[str], rows: int, path: Path) -> None:
    """Flags under a name that says nothing may be the time-outs that a file lacks."""
    for key in sorted(datasets.keys() - {*known, "rewards"}):
        flat = datasets[key].shape in ((rows,), (rows, 1)) and datasets[key].dtype.kind in "bfiu" and "/" not in key
        if flat and set(np.unique(read_array(datasets[key], key, path)).tolist()) == {0, 1}:
            raise InvalidFileError(
                f"{path} tells of no time-outs and has unknown flags '{key}'; rename them to 'timeouts' (the episode "
                f"was cut after the row) or 'episode_ends' (it is over), or move them to 'infos/{key}'."
            )


def _read_matrix(datasets: Mapping[str, h5py.Dataset], key: str, path: Path) -> Floats:
    dataset = datasets[key]
    if dataset.dtype.kind != "f" or len(dataset.shape or ()) != 2 or 0 in dataset.shape[1:]:
        raise InvalidFileError(
            f"{path}: '{key}' is {_found(dataset)}; expected floats with the shape [rows, size], "
            "neither discrete ones nor images."
        )
    return _finite(read_array(dataset, key, path), key, path)


def _read_rewards(datasets: Mapping[str, h5py.Dataset], path: Path) -> Floats:
    dataset = datasets["rewards"]
    if dataset.dtype.kind not in "fiu":
        raise InvalidFileError(f"{path}: 'rewards' is {_found(dataset)}; expected numbers.")
    return _finite(_squeezed(dataset, "rewards", path), "rewards", path)


def _read_flags(datasets: Mapping[str, h5py.Dataset], key: str, path: Path) -> Flags:
    """Flags as bool; old files hold 0.0 and 1.0, or have the shape [N, 1]."""
    dataset = datasets[key]
    if dataset.dtype.kind not in "bfiu":
        raise InvalidFileError(f"{path}: '{key}' is {_found(dataset)}; expected flags, 0 or 1.")
    array = _squeezed(dataset, key, path, gaps=True)
    stored = array.view(np.uint8) if array.dtype.kind == "b" else array  # a stored bool can be any byte
    wrong = np.flatnonzero((stored != 0) & (stored != 1))
    if len(wrong):
        raise InvalidFileError(f"{path}: '{key}' is {stored[wrong[0]]} in row {wrong[0]}; expected 0 or 1.")
    return array.astype(np.bool_, copy=False)


def _squeezed(dataset: h5py.Dataset, key: str, path: Path, *, gaps: bool = False) -> NDArray[Any]:
    shape = dataset.shape or ()
    if shape[1:] not in ((), (1,)) or not shape:
        raise InvalidFileError(f"{path}: '{key}' is {_found(dataset)}; expected the shape [rows].")
    return read_array(dataset, key, path, gaps=gaps).reshape(shape[0])


def _finite(array: NDArray[Any], key: str, path: Path) -> Floats:
    """As float32; raises if a value is not finite, or too large for float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        single: Floats = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(np.sum(single, dtype=np.float64)):  # one pass; a sum of finite float32 stays finite
            wrong = np.flatnonzero(~np.isfinite(single).reshape(len(single), -1).all(axis=1))
            limit = 65504 if array.dtype == np.float16 else 3.4e38
            raise InvalidFileError(
                f"{path}: '{key}' is not finite in {len(wrong)} of {len(single)} rows, first in row {wrong[0]} "
                f"({array.dtype} numbers beyond {limit:g} count as infinite). "
                "Remove these episodes or get the file again."
            )
    return single


def _check_rows(data: Mapping[str, Any], datasets: Mapping[str, h5py.Dataset], path: Path) -> None:
    rows, size = data["observations"].shape
    lengths = {key: len(array) for key, array in data.items() if array is not None}
    lengths |= {key: (dataset.shape or (0,))[0] for key, dataset in datasets.items() if key.startswith("infos/")}
    for key, length in lengths.items():
        if length != rows:
            raise InvalidFileError(f"{path}: '{key}' has {length} rows and 'observations' {rows}; expected the same.")
    following = data["next_observations"]
    if following is not None and following.shape[1] != size:
        raise InvalidFileError(f"{path}: 'next_observations' has {following.shape[1]} columns; expected {size}.")
    both: NDArray[np.int64] = np.flatnonzero(data["terminals"] & data["timeouts"])
    if len(both):
        _logger.warning("%s: %d rows have both a terminal and a time-out, first row %d.", path, len(both), both[0])


def _check_task(observations: Floats, actions: Floats, task: Task, path: Path) -> None:
    for name, array, size in (
        ("observations", observations, task.observation_size),
        ("actions", actions, task.action_size),
    ):
        if array.shape[1] != size:
            raise InvalidFileError(
                f"{path}: '{name}' has {array.shape[1]} columns; {task.name} has {size}. Is it another task's file?"
            )


def _found(dataset: h5py.Dataset) -> str:
    return f"{dataset.dtype}{list(dataset.shape or ())}"
