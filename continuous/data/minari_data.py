"""Local Minari datasets as D4RL data: the same arrays, with the true next observation at the end of every episode.

Minari stores one more observation than actions in each episode, so nothing has to be dropped. Its environments differ
from D4RL's, equal names or not: the maze has other coordinates, goals and radii, and the `mujoco` sets come from other
policies. PointMaze and other goal environments have dict observations, whose parts are joined as
`gymnasium.spaces.flatten` does. The optional package `minari` tells the spaces and the episodes; the arrays are read as
those of any other HDF5 file, under the same guards. Source: Minari 0.5's storage layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError, MissingPackageError, error_words
from ampl.files import read_json
from continuous.data.d4rl_data import D4RLData, Floats
from continuous.data.file_guard import check_unpacked
from continuous.data.hdf5_arrays import find_datasets, find_group, open_hdf5, read_array, unpacked_size

_KEPT = ("ref_min_score", "ref_max_score", "env_spec", "eval_env_spec")  # of the metadata
_SHOWN_IDS = 10  # of the datasets on this machine, in a message


def read_minari(dataset: str | Path) -> D4RLData:
    """A local Minari dataset as N rows, episodes one after the other.

    Args:
        dataset: its id ("D4RL/pointmaze/umaze-v2"), or its folder.

    Raises:
        MissingPackageError: `minari` is not installed.
        InvalidFileError: no such dataset, damaged, made by another version, or with spaces that are not vectors.
    """
    place = find_minari(dataset)
    metadata = _read_metadata(place, dataset)
    path = place / "main_data.hdf5"
    with open_hdf5(path, f"Expected the Minari dataset {dataset}; fetch it again.") as file:
        if not 0 <= metadata["total_episodes"] <= len(file):
            raise InvalidFileError(f"{path} has {len(file)} episodes, not the {metadata['total_episodes']} announced.")
        source = _open(place, dataset)
        parts = dict(_leaves(source.observation_space, "observations"))
        _check_spaces(source, parts, dataset)
        sizes = {key: part.shape[0] for key, part in parts.items()}
        action_size = source.action_space.shape[0]
        n_bytes, episodes = 0, []
        for index in source.episode_indices:
            columns = _find_columns(file, int(index), path)
            n_bytes += sum(map(unpacked_size, columns.values()))
            check_unpacked(path, n_bytes)
            episodes.append(_read_episode(columns, sizes, action_size, f"{path}, episode {index}"))
    if not episodes:
        raise InvalidFileError(f"Minari dataset {dataset} has no episodes with steps.")
    joined: dict[str, Any] = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    kept = {name: metadata[name] for name in _KEPT if metadata.get(name) is not None}
    return D4RLData(**joined, metadata={"minari_id": source.id, **kept})


def find_minari(dataset: str | Path) -> Path:
    """The folder with the metadata and the arrays; raises like `read_minari`."""
    try:
        import minari
    except ImportError as error:
        raise MissingPackageError("Minari datasets need the package minari: `pip install minari`.") from error
    folder = Path(dataset)
    places = [folder / "data", folder]
    if isinstance(dataset, str):
        root = minari.storage.datasets_root_dir.get_dataset_path("")
        if not dataset:
            raise InvalidFileError(f"minari: has no id after it; expected minari:ID. {_local(root)}")
        places.append(root / dataset / "data")
    for place in places:
        if (place / "metadata.json").is_file():
            return place
    if isinstance(dataset, Path):
        raise InvalidFileError(f"{dataset} holds no Minari dataset: expected a folder with data/metadata.json.")
    raise InvalidFileError(
        f"Minari dataset {dataset} is not on this machine. {_local(root)} `minari download ID` fetches one that "
        "`minari list remote` shows."
    )


def _local(root: Path) -> str:
    """Which datasets are on this machine, and where, in a sentence."""
    ids = sorted(str(file.parents[1].relative_to(root)) for file in root.glob("**/data/metadata.json"))
    more = f" and {len(ids) - _SHOWN_IDS} others" if len(ids) > _SHOWN_IDS else ""
    return f"{root} has {', '.join(ids[:_SHOWN_IDS]) or 'no dataset'}{more}."


def _read_metadata(place: Path, dataset: str | Path) -> dict[str, Any]:
    """What the dataset says of itself, before Minari reads it: without spaces it would import what is named there."""
    try:
        metadata = read_json(place / "metadata.json")
    except InvalidFileError as error:
        raise InvalidFileError(f"Minari dataset {dataset} cannot be read: {error}") from error
    expected = {"total_episodes": int, "observation_space": str, "action_space": str, "data_format": str}
    for key, kind in expected.items():
        if not isinstance(metadata, dict) or not isinstance(metadata.get(key), kind):
            raise InvalidFileError(f"Minari dataset {dataset} cannot be read: its metadata.json has no valid '{key}'.")
    if metadata["data_format"] != "hdf5":
        raise InvalidFileError(
            f"Minari dataset {dataset} is stored as {metadata['data_format']!a}; expected hdf5. Save it in that format."
        )
    return metadata


def _open(place: Path, dataset: str | Path) -> Any:
    """Minari's view of the dataset, for its spaces and its list of episodes."""
    import minari

    try:
        return minari.MinariDataset(place)
    except Exception as error:  # the package turns damage into nearly every built-in exception
        raise InvalidFileError(f"Minari dataset {dataset} cannot be read ({error_words(error)}).") from error


def _leaves(space: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The spaces that make up an observation, by the keys of their arrays."""
    from gymnasium.spaces import Dict

    if isinstance(space, Dict):
        for name, part in space.spaces.items():
            yield from _leaves(part, f"{key}/{name}")
    else:
        yield key, space


def _check_spaces(source: Any, parts: Mapping[str, Any], dataset: str | Path) -> None:
    """Raises InvalidFileError for what is no vector."""
    from gymnasium.spaces import Box

    for what, space in [("observations", part) for part in parts.values()] + [("actions", source.action_space)]:
        if not isinstance(space, Box) or len(space.shape) != 1 or space.dtype.kind != "f":
            raise InvalidFileError(f"Minari dataset {dataset} has {what} in {space}; expected vectors of floats.")


def _find_columns(file: h5py.File, index: int, path: Path) -> dict[str, h5py.Dataset]:
    """The arrays of one episode; those of "infos" are not used, and stay unread."""
    datasets = find_datasets(find_group(file, f"episode_{index}", path), path)
    return {key: dataset for key, dataset in datasets.items() if not key.startswith("infos/")}


def _read_episode(
    columns: Mapping[str, h5py.Dataset], sizes: Mapping[str, int], action_size: int, where: str
) -> dict[str, NDArray[Any]]:
    """The columns of one episode with T steps; one that just stops counts as cut at its last step."""
    rewards = _read(columns, "rewards", where)
    steps = len(rewards)
    parts = [_single(_read(columns, key, where), (steps + 1, size), f"{where}: {key}") for key, size in sizes.items()]
    states = np.concatenate(parts, axis=1)
    terminals = _flags(columns, "terminations", steps, where)
    timeouts = _flags(columns, "truncations", steps, where) & ~terminals
    if steps == 0 or (terminals | timeouts)[:-1].any():
        raise InvalidFileError(f"{where} has no steps, or goes on after its end; expected one end, at the last step.")
    timeouts[-1] |= not terminals[-1]
    return {
        "observations": states[:-1],
        "actions": _single(_read(columns, "actions", where), (steps, action_size), f"{where}: actions"),
        "rewards": _single(rewards, (steps,), f"{where}: rewards"),
        "terminals": terminals,
        "timeouts": timeouts,
        "next_observations": states[1:],
    }


def _read(columns: Mapping[str, h5py.Dataset], key: str, where: str, *, gaps: bool = False) -> NDArray[Any]:
    """One array with at least one axis, of numbers or flags."""
    if key not in columns:
        raise InvalidFileError(f"{where} lacks the array '{key}'; it has {', '.join(sorted(columns)) or 'none'}.")
    dataset = columns[key]
    if dataset.dtype.kind not in "fiub" or not dataset.shape:
        raise InvalidFileError(f"{where}: '{key}' is {dataset.dtype}{list(dataset.shape or ())}; expected numbers.")
    return read_array(dataset, key, Path(dataset.file.filename), gaps=gaps)


def _single(array: Any, shape: tuple[int, ...], where: str) -> Floats:
    """As float32 of this shape, finite."""
    with np.errstate(over="ignore"):
        single: Floats = np.asarray(array, dtype=np.float32)
    if single.shape != shape:
        raise InvalidFileError(f"{where} are {list(single.shape)}; expected {list(shape)}.")
    if not np.isfinite(single).all():
        raise InvalidFileError(f"{where} are not finite everywhere; remove the episode.")
    return single


def _flags(columns: Mapping[str, h5py.Dataset], key: str, steps: int, where: str) -> NDArray[np.bool_]:
    flags = _read(columns, key, where, gaps=True)
    if flags.shape != (steps,) or flags.dtype != np.bool_:
        raise InvalidFileError(f"{where}: {key} are {flags.dtype}{list(flags.shape)}; expected bool[{steps}].")
    return flags
