"""Arrays of an HDF5 file that may be damaged or foreign: every failure becomes an InvalidFileError that names the file.

Nothing is followed out of the file (external or virtual storage, soft links), nothing is unpickled, and no array is
allocated that the stored bytes could not fill. Values of variable length lie in a heap without checksums, where damage
can send the HDF5 library round in circles: they are read only where a caller asks for that one value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ampl.errors import AmplError, InvalidFileError, missing_file

_DEPTH = 8  # levels of groups; D4RL's deepest key, metadata/policy/fc0/weight, has four
_KEYS = 4096  # keys in a file; D4RL's largest has 21
_DEFLATE_LIMIT = 1100  # deflate cannot shrink data by more than a factor of 1032


@contextmanager
def open_hdf5(path: Path, hint: str) -> Iterator[h5py.File]:
    """The file opened for reading; anything that goes wrong inside the block is an InvalidFileError.

    Args:
        path: the file.
        hint: what was expected and how to mend it, for messages.
    """
    if not path.exists():
        raise missing_file(path, hint)
    if not path.is_file():
        raise InvalidFileError(f"{path} is not a regular file. {hint}")
    try:
        if path.stat().st_size == 0:
            raise InvalidFileError(f"{path} is empty. {hint}")
        with h5py.File(path, "r", locking=False) as file:  # files are renamed into place, never changed
            yield file
    except AmplError:
        raise
    except Exception as error:  # h5py turns damage into nearly every built-in exception
        why = " ".join(str(error).split())[:160]
        raise InvalidFileError(f"{path} cannot be read as HDF5 ({type(error).__name__}: {why}). {hint}") from error


def find_datasets(file: h5py.File, path: Path) -> dict[str, h5py.Dataset]:
    """Every dataset of the file by its full name ("infos/qpos").

    Raises:
        InvalidFileError: a link that leaves the tree, or groups nested in a circle.
    """
    found: dict[str, h5py.Dataset] = {}
    _collect(file, "", 0, path, found)
    return found


def read_array(dataset: h5py.Dataset, key: str, path: Path) -> NDArray[Any]:
    """All values of one dataset.

    Raises:
        InvalidFileError: storage outside the file, chunks that are missing, or a size that the file cannot hold.
    """
    check_storage(dataset, key, path)
    array = np.empty(dataset.shape, dtype=dataset.dtype)
    if array.size:
        dataset.read_direct(array)
    return array


def read_scalar(dataset: h5py.Dataset, key: str, path: Path) -> Any:
    """A metadata value: an array, or for an empty shape its only value (bytes, number).

    Raises:
        InvalidFileError: as `read_array`.
    """
    if dataset.shape == () and h5py.check_string_dtype(dataset.dtype) is not None:
        return dataset[()]
    array = read_array(dataset, key, path)
    if array.dtype.kind not in "biufS":
        raise InvalidFileError(f"{path}: '{key}' holds {array.dtype}; expected numbers or text.")
    return array[()] if array.shape == () else array


def read_attribute(file: h5py.File, name: str, path: Path) -> str | int | float:
    """One attribute of the root: text of fixed length, or a number.

    Raises:
        InvalidFileError: anything else.
    """
    attribute = file.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "Sifu":
        raise InvalidFileError(f"{path}: the attribute '{name}' is {attribute.dtype}; expected one text or number.")
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else value.item()


def check_storage(dataset: h5py.Dataset, key: str, path: Path) -> None:
    """Raises InvalidFileError unless every value of the dataset is stored in this file."""
    if dataset.dtype.kind == "O":
        raise InvalidFileError(f"{path}: '{key}' has values of variable length; expected numbers.")
    if dataset.shape is None:
        raise InvalidFileError(f"{path}: '{key}' has no shape; expected an array.")
    if dataset.is_virtual or dataset.external:
        raise InvalidFileError(f"{path}: '{key}' keeps its values in another file; copy them into this one.")
    if dataset.chunks is not None:
        expected = int(np.prod([-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]))
        if dataset.id.get_num_chunks() != expected:
            raise InvalidFileError(
                f"{path}: '{key}' has {dataset.id.get_num_chunks()} of its {expected} chunks; the file is damaged."
            )
    room = dataset.id.get_storage_size() * (1 if dataset.chunks is None else _DEFLATE_LIMIT)
    if dataset.size * dataset.dtype.itemsize > max(room, 0):
        raise InvalidFileError(
            f"{path}: '{key}' claims shape {list(dataset.shape)}, more than its {dataset.id.get_storage_size()} "
            "stored bytes can hold; the file is damaged."
        )


class LazyValues(Mapping[str, Any]):
    """The keys below one group of a file, read each time they are asked for; only their names are held."""

    def __init__(self, path: Path, group: str, keys: Iterable[str], read: Callable[[h5py.Dataset, str, Path], Any],
                 hint: str) -> None:  # fmt: skip
        """Remembers names.

        Args:
            path: the file.
            group: with its slash: "infos/".
            keys: full names in the file; those of other groups are left out.
            read: `read_array` or `read_scalar`.
            hint: for messages.
        """
        self._keys = {key.removeprefix(group): key for key in keys if key.startswith(group)}
        self._path, self._read, self._hint = path, read, hint

    def __getitem__(self, name: str) -> Any:
        key = self._keys[name]
        with open_hdf5(self._path, self._hint) as file:
            dataset = find_datasets(file, self._path).get(key)
            if dataset is None:
                raise InvalidFileError(f"{self._path} lost its key '{key}' while it was in use.")
            return self._read(dataset, key, self._path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _collect(group: h5py.Group, prefix: str, depth: int, path: Path, found: dict[str, h5py.Dataset]) -> None:
    if depth > _DEPTH:
        raise InvalidFileError(f"{path} has groups nested deeper than {_DEPTH} levels at '{prefix}'; not a D4RL file.")
    for name in group:
        key = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InvalidFileError(f"{path}: '{key}' is a link to somewhere else; expected an array.")
        value = group[name]
        if isinstance(value, h5py.Dataset):
            found[key] = value
        elif isinstance(value, h5py.Group):
            _collect(value, f"{key}/", depth + 1, path, found)
        if len(found) > _KEYS:
            raise InvalidFileError(f"{path} has more than {_KEYS} keys; not a D4RL file.")
