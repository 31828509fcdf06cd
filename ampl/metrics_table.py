"""metrics.csv: a row an epoch, the same columns in every row, floats that read back to the very same bits."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.files import check_regular_file, write_atomically

EPOCH = "epoch"


class MetricsTable:
    """The open metrics.csv of one run.

    Args:
        path: the file; made with the first row.
        keep_epochs: rows 1 to `keep_epochs` stay, later ones and a torn last line are cut: the run continues there.

    Raises:
        InvalidFileError: the file does not hold the rows to keep.
    """

    def __init__(self, path: Path, keep_epochs: int = 0) -> None:
        self.path = path
        self.columns: tuple[str, ...] = ()
        if keep_epochs == 0:
            path.unlink(missing_ok=True)
        else:
            self._cut_after(keep_epochs)

    def append(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Adds the row of one epoch.

        Raises:
            InvalidArgumentError: the names differ from those of the rows before.
            InvalidFileError: the file cannot be written to.
        """
        new = not self.columns
        if new:
            self.columns = (EPOCH, *metrics)
        if self.columns != (EPOCH, *metrics):
            different = set(self.columns[1:]) ^ set(metrics)
            what = f"'{min(different)}' is not in all of them" if different else "their order differs"
            raise InvalidArgumentError(
                f"metrics of epoch {epoch} have other names than those in {self.path}: {what}. "
                "Every epoch must report the same metrics in the same order."
            )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if new:
            writer.writerow(self.columns)
        writer.writerow([epoch, *(repr(float(value)) for value in metrics.values())])
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(text.getvalue())
        except OSError as error:
            raise InvalidFileError(f"cannot write {self.path}: {error.strerror}.") from error

    def sync(self) -> None:
        """Flushes the rows so far to disk; before a checkpoint that counts on them."""
        if self.columns:
            try:
                with self.path.open("ab") as file:
                    os.fsync(file.fileno())
            except OSError as error:
                raise InvalidFileError(f"cannot write {self.path}: {error.strerror}.") from error

    def last(self) -> dict[str, float]:
        """The metrics of the last row, without the epoch; empty before the first row."""
        if not self.columns:
            return {}
        return {name: float(column[-1]) for name, column in read_metrics(self.path).items() if name != EPOCH}

    def _cut_after(self, epoch: int) -> None:
        self.columns = check_rows(self.path, epoch)
        lines = self.path.read_bytes().splitlines(keepends=True)[: epoch + 1]
        write_atomically(self.path, lambda file: file.writelines(lines))


def check_rows(path: Path, epoch: int) -> tuple[str, ...]:
    """The names of the columns, if the rows of epochs 1 to `epoch` are there.  Raises InvalidFileError."""
    table = read_metrics(path)
    if not np.array_equal(table[EPOCH][:epoch], np.arange(1, epoch + 1)):
        raise InvalidFileError(
            f"{path} does not hold the rows of epochs 1 to {epoch} that its checkpoint counts on. "
            "Remove the run directory and train again."
        )
    return tuple(table)


def read_metrics(path: Path) -> dict[str, NDArray[np.float64]]:
    """Reads a metrics.csv: column name to values, [epochs]; a torn last line (without its newline) is left out.

    Raises:
        InvalidFileError: missing, not text, or with a row that does not fit the header; the message names the line.
    """
    check_regular_file(path, "It appears with the first epoch of a training run.")
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        header, *rows = list(csv.reader(io.StringIO(whole))) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFileError(f"cannot read {path}: {error}.") from error
    if header[:1] != [EPOCH]:
        raise InvalidFileError(f"{path} does not begin with a column '{EPOCH}'; expected the metrics.csv of a run.")
    try:
        if any(len(row) != len(header) for row in rows):
            raise ValueError("wrong number of cells")
        values = np.array([[float(cell) for cell in row] for row in rows]).reshape(len(rows), len(header))
    except ValueError as error:
        line = next(number for number, row in enumerate(rows, 2) if not _fits(row, len(header)))
        raise InvalidFileError(f"{path}, line {line}: expected {len(header)} numbers, as in the header.") from error
    return {name: values[:, index] for index, name in enumerate(header)}


def _fits(row: list[str], n_cells: int) -> bool:
    try:
        return len([float(cell) for cell in row]) == n_cells
    except ValueError:
        return False
