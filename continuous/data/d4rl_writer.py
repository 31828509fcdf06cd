"""Writes D4RL's HDF5 layout with a note of where the data come from; same content, same bytes.

The file starts with a 512-byte user block, which HDF5 readers skip: it says in plain text what the file is, and is how
we know our own files again. Metadata of the HDF5 1.10 format and compressed chunks carry checksums, so a damaged file
is noticed when it is read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ampl.errors import ForeignFileError, InvalidArgumentError
from ampl.files import SIGNATURE, check_replaceable, write_atomically
from continuous.data.d4rl_data import D4RLData, Provenance

ATTRIBUTE_PREFIX = "ampl_"
_USER_BLOCK = 512  # bytes, the smallest that HDF5 allows
_COMPRESSION = 4  # gzip level, h5py's default and D4RL's
_CHUNK_BYTES = 1 << 20


def write_d4rl(path: Path, data: D4RLData, provenance: Provenance, *, replace: bool = True) -> None:
    """Writes a dataset; D4RL's own loader reads it too.

    Args:
        path: the file, replaced only if this program wrote it.
        data: what to write. Counted time-outs are written as if they had been stored.
        provenance: becomes attributes of the root, named `ampl_source`, `ampl_seed`, ...
        replace: whether a file that this program wrote, and that is at `path` by now, gives way.

    Raises:
        ForeignFileError: `path` holds something that does not give way.
        InvalidArgumentError: no rows, or numbers that are not finite.
        InvalidFileError: the folder or the disk cannot take it. Nothing is left behind.
    """
    check_replaceable(path)
    _check_content(data)
    image = _hdf5_image(data, provenance)
    label = f"{SIGNATURE}: {provenance.source} D4RL data, recipe {provenance.recipe}\n".encode()[:_USER_BLOCK]

    def write(file: Any) -> None:
        file.write(label.ljust(_USER_BLOCK, b"\0"))
        file.write(image)

    write_atomically(path, write, replace=replace)


def write_beside(path: Path, data: D4RLData, provenance: Provenance) -> Path:
    """Writes a dataset under the first free one of the names NAME-2, NAME-3, ... beside `path`; returns its place.

    Raises:
        InvalidArgumentError: as `write_d4rl`.
        InvalidFileError: as `write_d4rl`.
    """
    for number in count(2):
        place = path.with_stem(f"{path.stem}-{number}")
        if not os.path.lexists(place):
            with suppress(ForeignFileError):  # another process had the same thought
                write_d4rl(place, data, provenance, replace=False)
                return place
    raise AssertionError("numbers do not end")


def _hdf5_image(data: D4RLData, provenance: Provenance) -> bytes:
    """The bytes of the file after the user block."""
    options = {"driver": "core", "backing_store": False, "libver": ("v110", "v110"), "userblock_size": _USER_BLOCK}
    with h5py.File("image", "w", **options) as file:
        for name, value in asdict(provenance).items():
            if value is not None:
                text = isinstance(value, str)  # of fixed length, so that a checksum covers it
                file.attrs[ATTRIBUTE_PREFIX + name] = np.bytes_(value.encode()) if text else value
        for name in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations"):
            if (array := getattr(data, name)) is not None:
                _put(file, name, array)
        for name in data.infos:
            _put(file, f"infos/{name}", data.infos[name])
        for name, value in data.metadata.items():
            _put(file, f"metadata/{name}", value)
        file.flush()
        return file.id.get_file_image()


def _put(file: h5py.File, key: str, value: Any) -> None:
    if np.ndim(value) == 0:
        in_header = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        in_header.set_layout(h5py.h5d.COMPACT)  # where a checksum covers it
        text = isinstance(value, str | bytes)
        scalar = np.bytes_(value.encode() if isinstance(value, str) else value) if text else value
        file.create_dataset(key, data=scalar, dcpl=in_header)
        return
    array = np.asarray(value)
    row_bytes = max(array.itemsize * int(np.prod(array.shape[1:])), 1)
    chunks = (min(max(_CHUNK_BYTES // row_bytes, 1), len(array)), *array.shape[1:])
    file.create_dataset(key, data=array, chunks=chunks, compression="gzip", compression_opts=_COMPRESSION)


def _check_content(data: D4RLData) -> None:
    if data.n_rows == 0:
        raise InvalidArgumentError("a dataset without rows cannot be written; collect at least one step.")
    for name in ("observations", "actions", "rewards", "next_observations"):
        array = getattr(data, name)
        if array is not None and not np.isfinite(array).all():
            raise InvalidArgumentError(f"{name} is not finite somewhere; a dataset holds finite numbers only.")
