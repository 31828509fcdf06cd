"""Arrays of an HDF5 file that may be damaged or foreign: every failure becomes an InvalidFileError that names the file.

Nothing is followed out of the file (external or virtual storage, soft links), nothing is unpickled, and no array is
allocated that the stored bytes could not fill. Values of variable length lie in a heap without checksums, where damage
can send the HDF5 library round in circles: they are read only where a caller asks for that one value.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d
from numpy.typing import NDArray

from ampl.errors import AmplError, InvalidFileError, error_words
from continuous.data.file_guard import check_hdf5_file, check_unpacked

_logger = logging.getLogger(__name__)

_DEPTH = 8  # levels of groups; D4RL's deepest key, metadata/policy/fc0/weight, has four
_KEYS = 4096  # keys in a file; D4RL's largest has 21
_LONGEST_TEXT = 1 << 16  # bytes of an attribute
_DEFLATE_LIMIT = 1100  # deflate cannot shrink data by more than a factor of 1032


@contextmanager
def open_hdf5(path: Path, hint: str) -> Iterator[h5py.File]:
    """The file opened for reading; anything that goes wrong inside the block is an InvalidFileError.

    Args:
        path: the file.
        hint: what was expected and how to mend it, for messages.
    """
    check_hdf5_file(path, hint)
    try:
        with h5py.File(path, "r", locking=False) as file:  # files are renamed into place, never changed
            yield file
    except AmplError:
        raise
    except Exception as error:  # h5py turns damage into nearly every built-in exception
        raise InvalidFileError(f"{path} cannot be read as HDF5 ({error_words(error)}). {hint}") from error


def find_group(file: h5py.File, name: str, path: Path) -> h5py.Group:
    """One group directly below the root of the file.

    Raises:
        InvalidFileError: there is none, or a link to somewhere else.
    """
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Group):
        raise InvalidFileError(f"{path} has no group '{name}' of its own.")
    return file[name]


def find_datasets(group: h5py.Group, path: Path) -> dict[str, h5py.Dataset]:
    """Every dataset of a file, or below one of its groups, by its full name from there ("infos/qpos").

    Raises:
        InvalidFileError: a link that leaves the tree, or groups nested in a circle.
    """
    found: dict[str, h5py.Dataset] = {}
    _collect(group, "", 0, path, found, count(1))
    return found


def read_array(dataset: h5py.Dataset, key: str, path: Path, *, gaps: bool = False) -> NDArray[Any]:
    """All values of one dataset; arguments and errors as `check_storage`."""
    check_storage(dataset, key, path, gaps=gaps)
    array = np.empty(dataset.shape, dtype=dataset.dtype)
    if array.size:
        dataset.read_direct(array)
    return array


def read_scalar(dataset: h5py.Dataset, key: str, path: Path) -> Any:
    """A metadata value: an array, or for an empty shape its only value (bytes, number).

    Raises:
        InvalidFileError: as `read_array`.
    """
    text = h5py.check_string_dtype(dataset.dtype)
    if dataset.shape == () and text is not None and text.length is None:  # of variable length
        _check_own(dataset, key, path)
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
    if attribute.shape != () or attribute.dtype.kind not in "Sifu" or attribute.dtype.itemsize > _LONGEST_TEXT:
        raise InvalidFileError(
            f"{path}: the attribute '{name}' is {attribute.dtype}; expected one short text or number."
        )
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else value.item()


def check_storage(dataset: h5py.Dataset, key: str, path: Path, *, gaps: bool = False) -> None:
    """Whether the values of a dataset can be read from this file, and are as many as it has room for.

    HDF5 reads what was never written as the dataset's fill value. That is taken where nothing at all was written (a
    column of zeros need not be), and with `gaps` where only a part was: a flag that nobody set is not set. Of
    measurements a part that is missing was lost, or not recorded to the end.

    Args:
        dataset: what is to be read.
        key: its name, for messages.
        path: the file, for messages.
        gaps: whether a part of it may be unwritten.

    Raises:
        InvalidFileError: values in another file, of variable length, missing, or more than is allowed.
    """
    if dataset.dtype.kind == "O":
        raise InvalidFileError(f"{path}: '{key}' has values of variable length; expected numbers.")
    if dataset.shape is None:
        raise InvalidFileError(f"{path}: '{key}' has no shape; expected an array.")
    _check_own(dataset, key, path)
    check_unpacked(path, unpacked_size(dataset))
    pieces, written, room = _pieces(dataset), _written_pieces(dataset), dataset.id.get_storage_size()
    if written > pieces or (written and unpacked_size(dataset) // pieces * written > room * _shrinkage(dataset)):
        raise InvalidFileError(
            f"{path}: '{key}' claims shape {list(dataset.shape)}, which does not fit to its {written} chunks of {room} "
            "stored bytes; the file is damaged."
        )
    if written < pieces:
        _check_gaps(dataset, key, path, written, pieces, gaps)


def _check_own(dataset: h5py.Dataset, key: str, path: Path) -> None:
    if dataset.is_virtual or dataset.external:
        raise InvalidFileError(f"{path}: '{key}' keeps its values in another file; copy them into this one.")


def unpacked_size(dataset: h5py.Dataset) -> int:
    """Bytes that are unpacked to read a dataset: whole chunks, which may be more than its rows need."""
    size = _pieces(dataset) * math.prod(dataset.chunks) if dataset.chunks is not None else dataset.size
    return int(size or 0) * dataset.dtype.itemsize


def _pieces(dataset: h5py.Dataset) -> int:
    """Chunks that cover the shape; 1 for what is stored in one piece, 0 without values."""
    if dataset.chunks is None or not dataset.size:
        return int(bool(dataset.size))
    return math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))


def _written_pieces(dataset: h5py.Dataset) -> int:
    if dataset.chunks is not None:
        return int(dataset.id.get_num_chunks())
    return int(dataset.size and dataset.id.get_space_status() != h5d.SPACE_STATUS_NOT_ALLOCATED)


def _shrinkage(dataset: h5py.Dataset) -> int:
    return 1 if dataset.chunks is None else _DEFLATE_LIMIT


def _check_gaps(dataset: h5py.Dataset, key: str, path: Path, written: int, pieces: int, gaps: bool) -> None:
    """Judges values that were never written."""
    properties = dataset.id.get_create_plist()
    if properties.get_fill_time() == h5d.FILL_TIME_NEVER or properties.fill_value_defined() == h5d.FILL_VALUE_UNDEFINED:
        raise InvalidFileError(
            f"{path}: {pieces - written} of {pieces} chunks of '{key}' were never written, and the file names no value "
            "that stands for them. Write them."
        )
    if written and not gaps:
        raise InvalidFileError(
            f"{path}: {pieces - written} of {pieces} chunks of '{key}' are missing: it was not written to the end, or "
            "the file is damaged. Keep only the rows that are whole, or get the file again."
        )
    what = f"{pieces - written} of {pieces} chunks of '{key}' were" if written else f"'{key}' was"
    _logger.warning("%s: %s never written, which reads as %s.", path, what, dataset.fillvalue)


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


def _collect(
    group: h5py.Group, prefix: str, depth: int, path: Path, found: dict[str, h5py.Dataset], links: Iterator[int]
) -> None:
    if depth > _DEPTH:
        raise InvalidFileError(f"{path} has groups nested deeper than {_DEPTH} levels at '{prefix}'; not a D4RL file.")
    for name in group:
        key = f"{prefix}{name}"
        if next(links) > _KEYS:  # groups count, too: a few that link to one another make millions of ways
            raise InvalidFileError(f"{path} has more than {_KEYS} keys; not a D4RL file.")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InvalidFileError(f"{path}: '{key}' is a link to somewhere else; expected an array.")
        value = group[name]
        if isinstance(value, h5py.Dataset):
            found[key] = value
        elif isinstance(value, h5py.Group):
            _collect(value, f"{key}/", depth + 1, path, found, links)
