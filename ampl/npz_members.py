"""The arrays of an .npz archive: each is measured by its header before it gets memory, and none is unpickled."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

_SUFFIX = ".npy"
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def member_names(archive: zipfile.ZipFile) -> list[str]:
    """The names of the arrays.

    Raises:
        zipfile.BadZipFile: a member has another name than the archive's directory says; to go on would hide an array.
    """
    for member in archive.infolist():
        archive.open(member).close()
    return [name.removesuffix(_SUFFIX) for name in archive.namelist() if name.endswith(_SUFFIX)]


def member_size(archive: zipfile.ZipFile, name: str) -> int:
    """The bytes of an array when it is unpacked, its header included."""
    return archive.getinfo(f"{name}{_SUFFIX}").file_size


def read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Reads one array.

    Raises:
        ValueError: it holds Python objects, or its header asks for another size than the member has.
        Exception: whatever zipfile and numpy raise for a damaged member.
    """
    with archive.open(f"{name}{_SUFFIX}") as file:
        expected = _size_by_header(file)
    if expected != (found := member_size(archive, name)):
        raise ValueError(f"array '{name}' is to have {expected} bytes by its header, and has {found}")
    with archive.open(f"{name}{_SUFFIX}") as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def _size_by_header(file: IO[bytes]) -> int:
    """What an array takes by its header, the header included; ValueError for one that holds objects."""
    version = npy.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"format {version} is not known")
    shape, _, dtype = _HEADER_READERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return file.tell() + math.prod(shape) * max(dtype.itemsize, 1)  # elements without bytes would cost nothing
