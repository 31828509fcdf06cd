"""Records as typed objects: what each figure reads, checked so that a wrong file is one line of error.

A figure declares its record as a class whose annotations say the shape of each array:

    @dataclass(frozen=True, kw_only=True)
    class Theorem1Record(Record):
        gap: Annotated[Numbers, "N"]
        bound: Annotated[Numbers, "N", "B", INFINITE]
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz

Numbers = NDArray[np.float64]
Texts = NDArray[np.str_]
Shape = tuple[int | str, ...]  # a letter stands for a length that must be the same wherever it occurs
INFINITE = "may be infinite"  # stands behind the shape of such numbers

_DIGEST = 12  # letters of a file's hash that name it

REMEDY = "Delete the file and run the command again to compute it anew."


@dataclass(frozen=True, kw_only=True)
class Record:
    """What an experiment found; every field is one array of the file, a single number where it has no shape."""

    @classmethod
    def read(cls, path: Path, figure: str) -> Self:
        """The record of a figure: its arrays, of the declared kinds and shapes, numbers as float64.

        Raises:
            InvalidFileError: an array is missing or another one than declared.
        """
        declared = get_type_hints(cls, include_extras=True)
        arrays = read_npz(path, f"the record of figure '{figure}'", declared)
        lengths: dict[str, int] = {}
        for name, annotation in declared.items():
            kind, *shape = [annotation] if annotation in (Numbers, Texts) else get_args(annotation)
            _check_kind(path, name, arrays[name], "U" if kind == Texts else "fiu")
            _check_shape(path, name, arrays[name].shape, tuple(n for n in shape if n != INFINITE), lengths)
            if kind == Numbers:
                arrays[name] = arrays[name].astype(np.float64)
                if np.isnan(arrays[name]).any() or (INFINITE not in shape and np.isinf(arrays[name]).any()):
                    raise InvalidFileError(f"{path}: array '{name}' holds values that are not finite. {REMEDY}")
        return cls(**{name: arrays[name] for name in declared})


def record_source(path: Path) -> str:
    """One sentence: which record, told by its bytes, and how it came about."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGEST]
    return f"Record {path.name} (SHA-256 {digest}), which `ampl figure {path.stem}` computed."


def _check_kind(path: Path, name: str, array: NDArray[Any], kinds: str) -> None:
    """Raises InvalidFileError unless the array's dtype is of one of the kinds."""
    if array.dtype.kind not in kinds:
        expected = "text" if kinds == "U" else "numbers"
        raise InvalidFileError(f"{path}: array '{name}' has dtype {array.dtype}; expected {expected}. {REMEDY}")


def _check_shape(path: Path, name: str, found: tuple[int, ...], expected: Shape, lengths: dict[str, int]) -> None:
    """Raises InvalidFileError unless `found` matches; `lengths` keeps what each letter stands for."""
    wrong = len(found) != len(expected) or 0 in found
    if not wrong:
        wanted = [lengths.setdefault(n, m) if isinstance(n, str) else n for n, m in zip(expected, found, strict=True)]
        wrong = list(found) != wanted
    if wrong:
        shape = ", ".join(f"{n} = {lengths[n]}" if n in lengths else str(n) for n in map(str, expected))
        raise InvalidFileError(f"{path}: array '{name}' has shape {list(found)}; expected [{shape}]. {REMEDY}")
