"""Figure `weights-published`: AMPL's estimator of the weights with its published settings, update by update.

Above, over the updates of one estimation: how far the weights are from w* and from one, whether they order the data as
w* does, and what is left of the one equation that they are trained on. Below: every row's weight at the end beside w*.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from figures.drawing.style import BLACK, BLUE, GRAY, SKY, WINE, headline, literal, new_figure, panel_title, series_line
from figures.inputs.records import Numbers, Record, Texts, record_source

_COLORS = (BLUE, SKY, WINE)
_LEFT_OUT = 5.0  # percent of the exact weights, which reach down to nothing


@dataclass(frozen=True, kw_only=True)
class WeightsPublishedRecord(Record):
    """E estimators, each measured P times; the first is AMPL's as published."""

    estimator: Annotated[Texts, "E"]
    step: Annotated[Numbers, "E", "P"]
    error: Annotated[Numbers, "E", "P"]  # E_b|w - w*|, w of mean one
    rank_correlation: Annotated[Numbers, "E", "P"]
    effective_share: Annotated[Numbers, "E", "P"]
    distance_from_one: Annotated[Numbers, "E", "P"]  # E_b|w - 1|
    residual: Annotated[Numbers, "E", "P"]  # left minus right side of Eq. 10, in units of rescaled rewards
    weights: Annotated[Numbers, "E", "M"]  # at the end, at M rows of the data
    exact_weights: Annotated[Numbers, "M"]
    exact_distance_from_one: Numbers
    exact_effective_share: Numbers


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = WeightsPublishedRecord.read(path, "weights-published")
    count = len(record.estimator)
    figure = new_figure(10.8, 7.4)
    halves = figure.add_gridspec(2, 1)
    above, below = halves[0].subgridspec(1, 3), halves[1].subgridspec(1, count)
    flat = float(record.exact_distance_from_one)
    for column, (title, notes, values) in enumerate((
        ("Error of the weights", ["mean |w − w*|; dashed: w = 1 everywhere"], record.error),
        ("Order of the data", ["rank correlation of w and w*"], record.rank_correlation),
        ("What is left of Eq. 10", ["|left − right side|, rescaled rewards"], np.abs(record.residual)),
    )):  # fmt: skip
        axes = figure.add_subplot(above[column])
        for index in range(count):
            axes.plot(record.step[index], values[index], linewidth=1.6, **_look(index))
        axes.set_xlabel("updates")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        panel_title(axes, title, *((note, BLACK) for note in notes))
        if column == 0:
            axes.axhline(flat, color=BLACK, linestyle="--", linewidth=1.2)
        if column == 1:
            axes.axhline(0.0, color=GRAY, linewidth=1.0)
            axes.set_ylim(-1.0, 1.0)
        if column == 2:
            axes.set_yscale("log")
    for index in range(count):
        _draw_rows(figure.add_subplot(below[index]), record, index)
    names = [literal(str(name)) for name in record.estimator]
    handles = [Line2D([], [], label=name, **_look(index)) for index, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower center", ncols=count)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_rows(axes: Axes, record: WeightsPublishedRecord, index: int) -> None:
    """Estimated against exact weights of the data, one point a row."""
    axes.scatter(record.exact_weights, record.weights[index], s=4, color=_color(index), alpha=0.35, linewidths=0)
    low, high = _lowest(record), 1.2 * float(max(record.exact_weights.max(), record.weights.max()))
    axes.plot([low, high], [low, high], color=GRAY, linewidth=1.0)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), xlabel="exact w*")
    if index == 0:
        axes.set_ylabel("estimated w")
    share, exact = record.effective_share[index, -1], float(record.exact_effective_share)
    note = f"effective share {share:.4g}; w*: {exact:.3g}"
    panel_title(
        axes, str(record.estimator[index]), (f"after {record.step[index, -1]:,.0f} updates", BLACK), (note, BLACK)
    )


def _lowest(record: WeightsPublishedRecord) -> float:
    """Where the axes of weights begin: all estimates are above, and all exact weights but the smallest."""
    return 0.9 * float(min(np.percentile(record.exact_weights, _LEFT_OUT), record.weights.min()))


def _look(index: int) -> dict[str, Any]:
    """Of a line."""
    return {"color": _color(index), "linestyle": series_line(index)}


def _color(index: int) -> str:
    return _COLORS[index % len(_COLORS)]


def _finding(record: WeightsPublishedRecord) -> tuple[str, str, str]:
    """Whether the published estimator moves, and whether towards w*."""
    moved, start, end = record.distance_from_one[0, -1], record.error[0, 0], record.error[0, -1]
    nearer = "towards w*" if end < start else "away from w*"
    finding = (
        f"As published, AMPL's weights move {moved:.2g} from one, {nearer}: mean |w − w*| {start:.4g}, then {end:.4g}"
    )
    subtitle = f"Exact weights are {float(record.exact_distance_from_one):.3g} from one. Gray: w = w*."
    below = np.mean(record.exact_weights < _lowest(record))
    detail = (
        "Policy: the optimum's gain with half the behavior policy's noise; exact critic; one seed. "
        "Weights have mean one over the data; Eq. 10 is measured before they are divided by their mean. "
        f"{below:.1%} of the rows have smaller exact weights than the lower panels show."
    )
    return finding, subtitle, detail
