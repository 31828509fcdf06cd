"""Figure `estimation-error`: estimators of the weights against the number of transitions, where w* is known.

Each column is one MDP and one kind of function class. Source: theory.md, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from figures.drawing.style import (
    BLACK,
    GRAY,
    MOST_LINES,
    OLIVE,
    SERIES_COLORS,
    headline,
    literal,
    new_figure,
    panel_title,
    series_look,
)
from figures.inputs.records import INFINITE, Numbers, Record, Texts, record_source

_COLORS = (*SERIES_COLORS, OLIVE)  # there are nine estimators
_SHRINKING = 0.5  # points of line width from one series to the next, so that curves that coincide all show
_NEAREST = np.log(1e-3)  # the experiment counts smaller weights, negative ones too, as 1e-3
_Errors: TypeAlias = Annotated[Numbers, "M", "C", "E", "N", "D", INFINITE]


@dataclass(frozen=True, kw_only=True)
class EstimationErrorRecord(Record):
    """E estimators on M MDPs in C kinds of classes, at N sizes, D datasets each; infinite where there is no answer."""

    mdp: Annotated[Texts, "M"]
    setting: Annotated[Texts, "C"]
    estimator: Annotated[Texts, "E"]
    size: Annotated[Numbers, "N"]  # transitions
    weights_error: _Errors  # L1(d_b) distance to w*
    return_error: _Errors  # reward units
    log_range: Annotated[Numbers, "M", "C", "E", "N", 2, INFINITE]  # 5 %, 95 % quantiles of log w under d_b, nats
    true_log_range: Annotated[Numbers, "M", 2]  # the same of w*


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = EstimationErrorRecord.read(path, "estimation-error")
    columns = [(m, c) for m in range(len(record.mdp)) for c in range(len(record.setting))]
    count = len(record.estimator)
    groups = np.array_split(np.arange(count), -(-count // MOST_LINES))  # of estimators, a row of panels each
    figure = new_figure(1.5 + 3.1 * max(len(columns), 3), 4.4 + 6.0 * len(groups))
    grid = figure.subplots(2 * len(groups) + 1, len(columns), sharey="row", squeeze=False)
    for quantity, (errors, label) in enumerate((
        (record.weights_error, "mean |w − w*| under $d_b$"),
        (record.return_error, "|return error|   (reward a step)"),
    )):  # fmt: skip
        rows = grid[quantity * len(groups) :][: len(groups)]
        for row, group in zip(rows, groups, strict=True):
            if row[0] is not rows[0, 0]:
                row[0].sharey(rows[0, 0])
            row[0].set_ylabel(label)
            for axes, (m, c) in zip(row, columns, strict=True):
                _draw_errors(axes, record.size, errors[m, c], group)
    for (above, *_, below), (m, c) in zip(grid.T, columns, strict=True):
        _draw_ranges(below, record.log_range[m, c, :, -1], record.true_log_range[m])
        panel_title(above, str(record.mdp[m]), (str(record.setting[c]), BLACK))
    grid[-1, 0].set_ylabel(f"5–95 % range of log w at\nN = {record.size[-1]:,.0f}   (nats)")
    figure.legend(handles=_legend(record), loc="outside lower center", ncols=4)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_errors(axes: Axes, size: Numbers, error: Numbers, group: NDArray[np.intp]) -> None:
    """Median over the datasets, a line an estimator of the group, and the slope -1/2 of all.  error: [E, N, D]."""
    median = np.median(error, axis=-1)  # [E, N]; infinite where most datasets had no answer
    for index in group:
        color, marker = _look(index)
        curve = median[index]
        shown = np.where(np.isfinite(curve) & (curve > 0.0), curve, np.nan)
        axes.plot(size, shown, color=color, marker=marker, markersize=4.5, linewidth=_width(index, len(median)))
    drawn = median[np.isfinite(median[:, 0]) & (median[:, 0] > 0.0), 0]
    if len(drawn):
        slope = drawn.min() / 2.0 * np.sqrt(size[0] / size)
        axes.plot(size, slope, color=BLACK, linestyle="--", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("transitions N")


def _draw_ranges(axes: Axes, ranges: Numbers, truth: Numbers) -> None:
    """A bar an estimator beside the band of the exact weights.  ranges: [E, 2]; truth: [2]."""
    axes.axhspan(float(truth[0]), float(truth[1]), color=GRAY, alpha=0.25, linewidth=0)
    for index, ends in enumerate(ranges):
        if np.isfinite(ends).all():
            color, marker = _look(index)
            axes.plot([index, index], ends, color=color, marker=marker, markersize=6, linewidth=3)
    axes.set_xlim(-0.8, len(ranges) - 0.2)
    axes.set_xticks([])
    if np.min(ranges) <= _NEAREST + 1e-9:
        axes.axhline(_NEAREST, color=GRAY, linestyle=":", linewidth=1.0)
        axes.annotate("w ≤ 0.001", (0.0, _NEAREST), (4, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", size=8.5, color=GRAY)  # fmt: skip


def _look(index: int) -> tuple[str, str]:
    """Color and marker of an estimator."""
    return _COLORS[index % len(_COLORS)], series_look(index)[1]


def _width(index: int, count: int) -> float:
    return 1.2 + _SHRINKING * (count - 1 - index)


def _legend(record: EstimationErrorRecord) -> list[Line2D]:
    """The estimators, the slope, the truth."""
    handles = []
    for index, name in enumerate(record.estimator):
        color, marker = _look(index)
        handles.append(Line2D([], [], color=color, marker=marker, linewidth=2, label=literal(str(name))))
    slope = Line2D([], [], color=BLACK, linestyle="--", linewidth=1.2, label="slope −1/2")
    return [*handles, slope, Line2D([], [], color=GRAY, alpha=0.25, linewidth=9, label="exact w*")]


def _finding(record: EstimationErrorRecord) -> tuple[str, str, str]:
    """How many estimators approach w* in the first setting, and what the others keep: headline, line below it, note."""
    median = np.median(record.weights_error, axis=-1)  # [M, C, E, N]
    with np.errstate(invalid="ignore"):
        fallen = (median[..., -1] <= 0.1 * median[..., 0]) & np.isfinite(median[..., -1])  # [M, C, E]
    first, last = (np.asarray(fallen[:, setting].all(axis=0)) for setting in (0, -1))  # [E]
    staying = "; ".join(f"“{name}”" for name, falls in zip(record.estimator, first, strict=True) if not falls)
    finding = f"With {record.setting[0]}, {first.sum()} of {len(first)} estimators approach the exact weights"
    detail = f"Approach: on every MDP the error falls to a tenth or less from N = {record.size[0]:,.0f} to "
    detail += f"{record.size[-1]:,.0f}. Not: {staying or 'none'}. With {record.setting[-1]}: "
    detail += f"{last.sum()} of {len(last)}. "
    unanswered = float(np.mean(np.isinf(record.weights_error)))
    detail += f"{unanswered:.1%} of the runs had no answer."
    subtitle = f"Medians of {record.weights_error.shape[-1]} datasets. Curves that coincide lie inside one another."
    return finding, subtitle, detail
