"""metrics.csv: a row an epoch, the same columns in every row, floats that read back to the very same bits.

Metrics of the groups `evaluation/` and `certificate/` are measured in some epochs only. A group is measured as a whole;
where it is not, its cells are empty. Its columns appear with the first epoch that has it.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.files import check_regular_file, write_atomically
from ampl.interfaces import Metrics

EPOCH = "epoch"
MEASURED_GROUPS = ("evaluation", "certificate", "truth", "exact_weights")
"""What need not be measured in every epoch: names before the slash."""


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

        Args:
            epoch: the row's.
            metrics: all that was measured in it.

        Raises:
            InvalidArgumentError: the names of a group differ from those of the rows before.
            InvalidFileError: the file cannot be written to.
        """
        if self.columns:
            self._widen(self._new_columns(epoch, metrics))
            row = _line([epoch, *(_cell(metrics.get(name)) for name in self.columns[1:])])
        else:
            self.columns = (EPOCH, *metrics)
            row = _line(self.columns) + _line([epoch, *map(_cell, metrics.values())])
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(row)
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
        """The metrics that the last row has, without the epoch; empty before the first row."""
        if not self.columns:
            return {}
        row = {name: float(column[-1]) for name, column in read_metrics(self.path).items() if name != EPOCH}
        return {name: value for name, value in row.items() if not np.isnan(value)}

    def _new_columns(self, epoch: int, metrics: Mapping[str, float]) -> list[str]:
        """Names of groups that are measured for the first time.  Raises InvalidArgumentError."""
        there, here = _by_group(self.columns[1:]), _by_group(metrics)
        new: list[str] = []
        for group in {**there, **here}:
            before, now = there.get(group, []), here.get(group, [])
            if before == now or (group and not now):
                continue
            if group and not before:
                new += now
                continue
            different = set(before) ^ set(now)
            what = f"'{min(different)}' is not in all of them" if different else "their order differs"
            raise InvalidArgumentError(
                f"metrics of epoch {epoch} have other names than those in {self.path}: {what}. "
                "Every epoch must report the same metrics in the same order."
            )
        return new

    def _widen(self, names: Sequence[str]) -> None:
        """Adds columns that are empty in the rows so far."""
        if not names:
            return
        self.columns = (*self.columns, *names)
        _, rows = _read_rows(self.path)
        lines = [self.columns, *([*row, *[""] * len(names)] for row in rows)]
        write_atomically(self.path, lambda file: file.writelines(_line(cells).encode() for cells in lines))

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
            "Put the file back as it was, or train again into another --out."
        )
    return tuple(table)


class Curve(NamedTuple):
    """A metric where it was measured.

    Attributes:
        epochs: [measurements], ascending.
        values: [measurements] in the metric's unit.
    """

    epochs: NDArray[np.int64]
    values: NDArray[np.float64]


def read_curve(path: Path, name: str) -> Curve:
    """One column of a metrics.csv, see `read_curves`."""
    return read_curves(path, [name])[name]


def read_curves(path: Path, names: Iterable[str]) -> dict[str, Curve]:
    """Columns of a metrics.csv without their empty cells; an empty curve where there is no such column.

    Raises:
        InvalidFileError: see `read_metrics`.
    """
    header, rows = _read_rows(path)
    table = _numbers(path, header, rows)
    curves = {}
    for name in names:
        column = header.index(name) if name in header else -1
        measured = np.array([column >= 0 and row[column] != "" for row in rows], dtype=bool)
        curves[name] = Curve(table[measured, 0].astype(np.int64), table[measured, column])
    return curves


def read_metrics(path: Path) -> dict[str, NDArray[np.float64]]:
    """Reads a metrics.csv: column name to values, [epochs]; a torn last line (without its newline) is left out.

    Returns:
        The columns; NaN where something was not measured.

    Raises:
        InvalidFileError: missing, not text, or with a row that does not fit the header; the message names the line.
    """
    header, rows = _read_rows(path)
    values = _numbers(path, header, rows)
    return {name: values[:, index] for index, name in enumerate(header)}


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the cells of every whole line.  Raises InvalidFileError."""
    check_regular_file(path, "It appears with the first epoch of a training run.")
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        header, *rows = list(csv.reader(io.StringIO(whole))) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFileError(f"cannot read {path}: {error}.") from error
    if header[:1] != [EPOCH]:
        raise InvalidFileError(f"{path} does not begin with a column '{EPOCH}'; expected the metrics.csv of a run.")
    return header, rows


def _numbers(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """All cells, [epochs, columns]; NaN where one of a measured group is empty.  Raises InvalidFileError."""
    found = []
    for line, row in enumerate(rows, start=2):
        try:
            found.append(
                [math.nan if not cell and _group(name) else float(cell) for name, cell in zip(header, row, strict=True)]
            )
        except ValueError as error:
            raise InvalidFileError(f"{path}, line {line}: expected {len(header)} numbers, as in the header.") from error
    table = np.array(found, dtype=np.float64).reshape(len(rows), len(header))
    wrong = np.flatnonzero(table[:, 0] != np.arange(1, len(rows) + 1))
    if wrong.size:
        place = int(wrong[0])
        raise InvalidFileError(f"{path}, line {place + 2}: the epoch is {rows[place][0]}; expected {place + 1}.")
    return table


def _group(name: str) -> str:
    """The group of a metric that need not be in every row; empty for all others."""
    group = name.split("/")[0]
    return group if group in MEASURED_GROUPS else ""


def _by_group(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_group(name), []).append(name)
    return groups


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def joined(*parts: Metrics) -> dict[str, float]:
    """All metrics of an epoch in one row; InvalidArgumentError if two parts have the same name."""
    row: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if name in row:
                raise InvalidArgumentError(f"the metric '{name}' is reported twice in one epoch; names must differ.")
            row[name] = float(value)
    return row
