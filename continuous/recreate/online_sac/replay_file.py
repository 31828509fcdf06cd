"""What SAC has seen, on disk: for datasets and for resuming.

Steps are columns under D4RL's keys, [n] or [n, width] each; the file keeps them in double precision.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import SIGNATURE, check_regular_file, check_replaceable, write_bytes
from ampl.json_text import parse_json

Columns: TypeAlias = dict[str, NDArray[Any]]

_HEADER = 4096  # bytes before the first row
_FLAGS = ("terminals", "timeouts")


class ReplayFile:
    """All steps of a training run, in the order they were taken, in a file that only grows.

    A header of 4096 bytes names the columns; rows of doubles follow. How many rows count is kept elsewhere (in the
    checkpoint), so a row that was written after it is simply written again.

    Args:
        path: an existing file, or where `create` puts one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.widths: Mapping[str, int] = _read_header(path)

    @staticmethod
    def create(path: Path, steps: Columns) -> ReplayFile:
        """A file for columns like these, without rows; one of ours at `path` is replaced.

        Raises:
            ForeignFileError: `path` is taken by something else.
            InvalidFileError: it cannot be written.
        """
        check_replaceable(path)
        widths = {name: _matrix(column).shape[1] for name, column in steps.items()}
        header = json.dumps({"format": f"{SIGNATURE} replay", "columns": widths}).encode()
        write_bytes(path, header.ljust(_HEADER))
        return ReplayFile(path)

    @property
    def width(self) -> int:
        """Numbers a row."""
        return sum(self.widths.values())

    def write(self, first: int, steps: Columns) -> None:
        """Puts steps at rows `first`, `first` + 1, ... and flushes them to disk.

        Raises:
            InvalidFileError: the disk is full or the file cannot be written.
        """
        rows = np.concatenate([_matrix(steps[name]) for name in self.widths], axis=1)
        try:
            with self.path.open("r+b") as file:
                file.seek(_HEADER + first * self.width * 8)
                file.write(np.ascontiguousarray(rows, dtype="<f8").tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InvalidFileError(
                f"cannot write {self.path}: {error.strerror}. Free some space and resume."
            ) from error

    def read(self, rows: int) -> Columns:
        """The first `rows` steps: flags as bool, everything else as float64.

        Raises:
            InvalidFileError: the file has fewer.
        """
        have = (self.path.stat().st_size - _HEADER) // (8 * self.width)
        if have < rows:
            raise InvalidFileError(f"{self.path} has {have} rows; its run made {rows}. Train again.")
        matrix = np.fromfile(self.path, dtype="<f8", count=rows * self.width, offset=_HEADER)
        parts = np.split(matrix.reshape(rows, self.width), np.cumsum(list(self.widths.values()))[:-1], axis=1)
        columns: Columns = {}
        for (name, width), part in zip(self.widths.items(), parts, strict=True):
            is_vector = name in _VECTORS
            columns[name] = np.ascontiguousarray(part if is_vector or width > 1 else part[:, 0])
            if name in _FLAGS:
                columns[name] = columns[name].astype(bool)
        return columns


_VECTORS = ("observations", "actions", "next_observations", "infos/qpos", "infos/qvel")


def _matrix(column: NDArray[Any]) -> NDArray[np.float64]:
    return column.reshape(len(column), -1).astype(np.float64)


def _read_header(path: Path) -> dict[str, int]:
    expected = "Expected the replay.bin of `ampl data train-behavior`."
    check_regular_file(path, expected)
    try:
        with path.open("rb") as file:
            header = parse_json(file.read(_HEADER).decode())
        if header["format"] == f"{SIGNATURE} replay":
            widths = {str(name): int(width) for name, width in header["columns"].items()}
            if widths and all(0 < width <= _HEADER for width in widths.values()):
                return widths
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InvalidFileError(f"{path} is not a replay buffer. {expected}")
