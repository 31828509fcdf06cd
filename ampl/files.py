"""Reading and writing files so that nothing is ever half-written, unpickled, or replaced by accident.

Outputs are written to a temporary file beside the target, flushed to disk and renamed. A file that already stands at
the target is replaced only if its first bytes show that this program wrote it (or if it is empty).
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ampl.errors import ForeignFileError, InvalidFileError, missing_file

SIGNATURE = "ampl-testbed"  # stands in the first bytes of every file we write
_SIGNATURE_WINDOW = 4096  # bytes searched for it


def write_atomically(path: Path, write: Callable[[BinaryIO], None], *, replace: bool = True) -> None:
    """Calls `write` on a temporary file beside `path`, then renames it into place.

    Args:
        path: the file.
        write: gets the open file.
        replace: whether a file that stands at `path` when the writing is done gives way.

    Raises:
        ForeignFileError: something stands there and does not give way; it stays.
        InvalidFileError: the folder cannot be written to. Nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InvalidFileError(f"cannot write {path}: {error.strerror}. Choose a folder you can write to.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if replace:
            os.replace(temporary, path)
        else:
            move_to_new_name(Path(temporary), path)
    except FileExistsError as error:
        raise ForeignFileError(f"{path} was made by another process in the meantime; it stays.") from error
    except OSError as error:
        raise InvalidFileError(f"cannot write {path}: {error.strerror}.") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


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
        return
    if path.is_dir():
        raise ForeignFileError(f"{path} is a folder; expected a file name. Add a file name to it.")
    with path.open("rb") as file:
        head = file.read(_SIGNATURE_WINDOW)
    if head and signature.encode() not in head:
        raise ForeignFileError(f"{path} exists and was not written by ampl; it stays. Choose another name or move it.")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8, atomically."""
    write_atomically(path, lambda file: _write_bytes(file, text.encode()))


def read_json(path: Path, hint: str = "") -> Any:
    """Reads a JSON file; InvalidFileError names the file and the line of the first mistake."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise missing_file(path, hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFileError(f"cannot read {path}: {error}. {hint}".rstrip()) from error
    except json.JSONDecodeError as error:
        raise InvalidFileError(f"{path} is not JSON (line {error.lineno}: {error.msg}). {hint}".rstrip()) from error


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays as compressed .npz, atomically, with our signature as the name of the first member."""
    named = {SIGNATURE: np.array(1)} | {name: np.asarray(value) for name, value in arrays.items()}
    for name, value in named.items():
        if value.dtype == object:
            raise TypeError(f"array '{name}' has dtype object; only plain arrays are stored")
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **named))


def read_npz(path: Path, what: str, required: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Reads every array of an .npz file; nothing is unpickled.

    Args:
        path: the file.
        what: what the file should hold, for the message ("a finite MDP").
        required: names that must be among its arrays.

    Raises:
        InvalidFileError: missing, not an .npz archive, truncated, holding pickled objects, or lacking an array.
    """
    names = tuple(required)
    expected = f"Expected {what}: an .npz file with the arrays {', '.join(names)}."
    if not path.exists():
        raise missing_file(path, expected)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, NotImplementedError, RuntimeError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise InvalidFileError(f"{path} cannot be read as .npz ({type(error).__name__}). {expected}") from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidFileError(f"{path} lacks the array '{missing[0]}'; it has {sorted(arrays)}. {expected}")
    return arrays


def _write_bytes(file: BinaryIO, data: bytes) -> None:
    file.write(data)
