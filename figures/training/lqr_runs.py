"""Runs on linear-Gaussian problems that recorded a truth, and its curves with their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.typing import LineStyleType
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.seed_curves import stacked
from figures.inputs.names import MAIN, train_command
from figures.inputs.records import Numbers
from figures.inputs.runs import Run, find_all_runs

ERRORS = 2.0  # standard errors to each side that bands show


def find_lqr_runs(folder: Path, column: str, example: str) -> tuple[list[Run], list[Run]]:
    """The runs below a folder that recorded a column, in the order algorithm, task, variant, seed; and those like them
    that stopped or are not evaluated yet: they recorded it too, or are of a task of the others.

    Args:
        folder: of all runs.
        column: of metrics.csv.
        example: a task on which `ampl train` records it.

    Raises:
        InvalidFileError: there is none.
    """
    found = find_all_runs(folder)
    recorded = [run for run in found if run.epochs and len(curve_of(run, column).epochs)]
    runs = [run for run in recorded if run.scored]
    if not runs:
        command = train_command(example, MAIN, algorithm="mopo", out=folder)
        raise InvalidFileError(f"no run with {column} below {folder}. `{command}` makes one.")
    tasks = {run.task for run in recorded}
    return runs, [run for run in found if not run.scored and run.task in tasks]


def curve_of(run: Run, column: str) -> Curve:
    """One column of a run."""
    return read_curve(run.path / "metrics.csv", column)


def draw_measured(
    axes: Axes, runs: Sequence[Run], column: str, color: str, *, line: LineStyleType = "-", width: float = 1.6
) -> None:
    """Draws a column's mean over seeds, with a band of two of its standard errors where they are recorded.

    Args:
        axes: the panel.
        runs: seeds of one algorithm on one task, at least one.
        column: see `measured`.
        color: of line and band.
        line: its style.
        width: of the line, in points.
    """
    epochs, mean, error = measured(runs, column)
    axes.plot(epochs, mean, color=color, linestyle=line, linewidth=width)
    if error.any():
        axes.fill_between(epochs, mean - ERRORS * error, mean + ERRORS * error, color=to_rgba(color, 0.18), linewidth=0)


def measured(runs: Sequence[Run], column: str) -> tuple[NDArray[np.int64], Numbers, Numbers]:
    """A column where the seeds that go so far have it: epochs, mean over these, and its standard error, each [epochs].

    The error is zero where the runs record none in the column of the same name with `_error` at the end.
    """
    curves, errors = ([curve_of(run, f"{column}{end}") for run in runs] for end in ("", "_error"))
    epochs, values = stacked(curves)
    mean = np.nanmean(values, axis=0)
    if not all(len(error.epochs) for error in errors):
        return epochs, mean, np.zeros(len(epochs))
    _, spread = stacked(errors)
    return epochs, mean, np.sqrt(np.nansum(np.square(spread), axis=0)) / np.isfinite(values).sum(axis=0)
