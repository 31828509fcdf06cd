"""Reading and writing files so that nothing is ever half-written, unpickled, or replaced by accident.

Outputs are written to a temporary file beside the target, flushed to disk and renamed. A file that already stands at
the target is replaced only if its first bytes show that this program wrote it (or if it is empty). Of an input it is
first seen that it is a file, of the right kind and of a size that can be read.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ampl.errors import AmplError, ForeignFileError, InvalidFileError, missing_file
from ampl.json_text import parse_json
from ampl.npz_members import member_names, member_size, read_member
from ampl.temporary_files import LONGEST_NAME, remove_leftovers, temporary_beside
from ampl.unpacking_limit import check_unpacked_size

SIGNATURE = "ampl-testbed"  # stands in the first bytes of every file we write
_SIGNATURE_WINDOW = 4096  # bytes searched for it
_MOST_JSON_BYTES = 1 << 26  # far more than any JSON file of ours has
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an archive without members


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, replace: bool = True) -> None:
    """Calls `write` on a temporary file beside `path`, then renames it into place.

    Args:
        path: the file.
        write: gets the open file.
        replace: whether a file that stands at `path` when the writing is done gives way.

    Raises:
        ForeignFileError: something stands there and does not give way; it stays.
        InvalidFileError: the folder cannot be written to. Nothing is left behind.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path.parent, glob.escape(path.name))
            temporary = stack.enter_context(temporary_beside(path))
        except OSError as error:
            raise InvalidFileError(
                f"cannot write {path}: {error.strerror}. Choose a folder you can write to."
            ) from error
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(temporary, path)
            else:
                move_to_new_name(temporary, path)
        except FileExistsError as error:
            raise ForeignFileError(f"{path} was made by another process in the meantime; it stays.") from error
        except OSError as error:
            raise InvalidFileError(f"cannot write {path}: {error.strerror}.") from error


def check_output(path: Path, signature: str = SIGNATURE) -> None:
    """Whether an output can go to `path`, to be asked before the work that makes it.

    Raises:
        ForeignFileError: something that this program did not write is there: see `check_replaceable`.
        InvalidFileError: its folder cannot be written to, or its name is too long.
    """
    check_output_folder(path.parent)
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InvalidFileError(f"the name of {path} is too long; expected at most {LONGEST_NAME} bytes.")
    check_replaceable(path, signature)


def check_output_folder(folder: Path, hint: str = "Choose a folder you can write to.") -> None:
    """Raises InvalidFileError unless files can be written into `folder`, which need not be there yet.

    Args:
        folder: where outputs are about to go.
        hint: how to choose another, for the message.
    """
    try:
        with suppress(FileNotFoundError):
            folder.lstat()  # which raises for names that are too long, or hold what no name may
        nearest = next(part for part in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(part))
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidFileError(f"cannot write into {folder}: {why}. {hint}") from error


def move_to_new_name(source: Path, target: Path) -> None:
    """Renames a file unless its new name is taken; of two processes that want one name, one gets it.

    Raises:
        FileExistsError: the name is taken; both files stay as they are.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        target.touch(exist_ok=False)
        os.replace(source, target)
    source.unlink(missing_ok=True)


def check_replaceable(path: Path, signature: str = SIGNATURE) -> None:
    """Raises ForeignFileError if `path` holds something that this program did not write.

    Args:
        path: where an output is about to go.
        signature: a text that every such output of ours has in its first bytes.
    """
    if not path.exists():
        if path.is_symlink():
            raise ForeignFileError(f"{path} is a link that leads to no file; it stays. Choose another name.")
        return
    if path.is_dir():
        raise ForeignFileError(f"{path} is a folder; expected a file name. Add a file name to it.")
    if not path.is_file():
        raise ForeignFileError(f"{path} is a device, a pipe or a socket; it stays. Choose the name of a file.")
    if path.stat().st_size and not is_signed(path, signature):
        raise ForeignFileError(f"{path} exists and was not written by ampl; it stays. Choose another name or move it.")


def is_signed(path: Path, signature: str = SIGNATURE) -> bool:
    """Whether a file has a signature of ours in its first bytes.  Raises InvalidFileError if it cannot be read."""
    return signature.encode() in _first_bytes(path, _SIGNATURE_WINDOW)


def check_regular_file(path: Path, hint: str = "") -> None:
    """Whether `path` is a file that can be read to an end, which a folder, a pipe or a device cannot.

    Args:
        path: an input.
        hint: what was expected, and how to get it, for the message.

    Raises:
        InvalidFileError: it is missing, or no such file.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path, hint) from None
    except OSError as error:
        raise InvalidFileError(f"cannot read {path}: {error.strerror}. {hint}".rstrip()) from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        raise InvalidFileError(f"{path} is {what}, not a regular file. {hint}".rstrip())


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        InvalidFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidFileError(f"cannot read {path}: {error.strerror}.") from error


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8, atomically; halves of characters, as in names of files that are not text, as escapes."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes, atomically."""
    write_atomically(path, lambda file: file.write(data))


def read_json(path: Path, hint: str = "") -> Any:
    """Reads a JSON file, strictly: see `parse_json`.

    Args:
        path: the file.
        hint: what was expected, and how to mend it, for the message.

    Raises:
        InvalidFileError: missing, no regular file, larger than any of ours, not UTF-8, or not JSON; with the reason.
    """
    check_regular_file(path, hint)
    data = _first_bytes(path, _MOST_JSON_BYTES + 1)
    try:
        if len(data) > _MOST_JSON_BYTES:
            raise ValueError(f"it has more than {_MOST_JSON_BYTES >> 20} MiB")
        return parse_json(data.decode())
    except ValueError as error:
        raise InvalidFileError(f"{path} is not JSON that can be used ({error}). {hint}".rstrip()) from error


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays as compressed .npz, atomically, with our signature as the name of the first member."""
    named = {SIGNATURE: np.array(1)} | {name: np.asarray(value) for name, value in arrays.items()}
    for name, value in named.items():
        if value.dtype == object:
            raise TypeError(f"array '{name}' has dtype object; only plain arrays are stored")
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **named))


def read_npz(
    path: Path, what: str, required: Iterable[str], optional: Iterable[str] = (), layout: str | None = None
) -> dict[str, NDArray[Any]]:
    """Reads the named arrays of an .npz file and no others; nothing is unpickled.

    Args:
        path: the file.
        what: what the file should hold, for the message ("a finite MDP").
        required: names that must be among its arrays.
        optional: names that are read where they are there.
        layout: the arrays that a file should have, in words, for the message; None: the required ones.

    Raises:
        InvalidFileError: missing, not an .npz archive, truncated, larger than allowed when it is unpacked, holding
            pickled objects, or lacking an array.
    """
    names = tuple(required)
    expected = f"Expected {what}: an .npz file with the arrays {layout or ', '.join(names)}."
    check_regular_file(path, expected)
    if not _first_bytes(path, 4).startswith(_ZIP_SIGNATURES):
        raise InvalidFileError(f"{path} cannot be read as .npz (it does not begin like one). {expected}")
    try:
        with zipfile.ZipFile(path) as archive:
            there = member_names(archive)
            missing = [name for name in names if name not in there]
            if missing:
                raise InvalidFileError(f"{path} lacks the array '{missing[0]}'; it has {sorted(there)}. {expected}")
            wanted = [*names, *(name for name in optional if name in there)]
            check_unpacked_size(path, sum(member_size(archive, name) for name in wanted))
            return {name: read_member(archive, name) for name in wanted}
    except AmplError:
        raise
    except Exception as error:  # whatever zipfile, its decompressors and numpy raise for a damaged archive
        raise InvalidFileError(f"{path} cannot be read as .npz ({type(error).__name__}). {expected}") from error


def _first_bytes(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a file, or all if it has fewer.  Raises InvalidFileError."""
    try:
        with path.open("rb") as file:
            return file.read(n_bytes)
    except OSError as error:
        raise InvalidFileError(f"cannot read {path}: {error.strerror}.") from error
