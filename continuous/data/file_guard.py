"""What is asked of a dataset file before it is opened, hashed, or unpacked into memory."""

from __future__ import annotations

import os
from pathlib import Path

from ampl.errors import InvalidFileError
from ampl.files import check_regular_file
from ampl.unpacking_limit import VARIABLE, check_unpacked_size

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK = 512  # bytes; the signature stands at 0 or behind a user block of 512, 1024, 2048, ...
_LARGEST_USER_BLOCK = 1 << 20
_LARGEST_FILE = 32_000_000_000  # bytes; more than ten times D4RL's largest
_HARMLESS = 256_000_000  # unpacked bytes that any file may ask for
_LARGEST_RATIO = 100  # of unpacked to stored bytes; recorded numbers shrink at most tenfold


def check_hdf5_file(path: Path, hint: str = "") -> None:
    """Raises InvalidFileError unless `path` is a regular file that begins like HDF5 and is not absurdly large.

    Args:
        path: the file.
        hint: what was expected and how to mend it, for the message.
    """
    check_regular_file(path, hint)  # before it is opened: a pipe would never answer
    try:
        size = path.stat().st_size
        if size == 0:
            raise InvalidFileError(f"{path} is empty. {hint}".rstrip())
        if size > _LARGEST_FILE:
            raise InvalidFileError(
                f"{path} has {size / 1e9:.0f} GB; expected at most {_LARGEST_FILE / 1e9:.0f}. {hint}".rstrip()
            )
        if not _has_signature(path):
            raise InvalidFileError(f"{path} cannot be read as HDF5 (it does not begin like one). {hint}".rstrip())
    except OSError as error:
        raise InvalidFileError(f"cannot read {path}: {error.strerror}. {hint}".rstrip()) from error


def check_unpacked(path: Path, n_bytes: int) -> None:
    """Checks what is to be read of a compressed dataset file, before memory is taken.

    A few hundred kilobytes can unpack to all the memory there is; so where the user has set no limit, more than 256 MB
    must also be in proportion to the file.

    Args:
        path: the file.
        n_bytes: what its arrays take when they are unpacked, as its headers say.

    Raises:
        InvalidFileError: more than allowed, see `ampl.unpacking_limit`, or a hundred times the size of the file.
        InvalidArgumentError: the limit is set to something that is no number above 0.
    """
    check_unpacked_size(path, n_bytes)
    stored = path.stat().st_size
    if not os.environ.get(VARIABLE) and n_bytes > max(_HARMLESS, _LARGEST_RATIO * stored):
        raise InvalidFileError(
            f"{path} has {stored / 1e6:.3g} MB and unpacks to {n_bytes / 1e9:.3g} GB, more than {_LARGEST_RATIO} times "
            f"as much. If that is meant, set the environment variable {VARIABLE} to a larger number of GB."
        )


def _has_signature(path: Path) -> bool:
    with path.open("rb") as file:
        place = 0
        while place <= _LARGEST_USER_BLOCK:
            file.seek(place)
            if file.read(len(_SIGNATURE)) == _SIGNATURE:
                return True
            place = 2 * place or _FIRST_USER_BLOCK
    return False
