"""Figure `conservatism`: what algorithms take for their policy's return against what it earns, on finite MDPs.

One panel an algorithm, one line a kind of MDP: the estimate less the true return, both divided by the optimal policy's,
by the size of the data. Below zero it is a lower bound. Lines are means over datasets, bands from the lowest to the
highest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from figures.drawing.style import BLUE, GRAY, GREEN, ORANGE, headline, literal, new_figure, panel_title, series_line
from figures.inputs.records import Numbers, Record, Texts, record_source

_COLUMNS, _COLORS = 3, (BLUE, ORANGE, GREEN)
_LINEAR = 0.1  # of the optimal return: up to there the axis is linear
_Returns: TypeAlias = Annotated[Numbers, "L", "T", "N", "D"]


@dataclass(frozen=True, kw_only=True)
class ConservatismRecord(Record):
    """L algorithms on T kinds of MDPs, with D datasets of each of N sizes; in units of the optimal return."""

    algorithm: Annotated[Texts, "L"]
    task: Annotated[Texts, "T"]
    size: Annotated[Numbers, "N"]  # transitions
    estimate: _Returns
    truth: _Returns


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = ConservatismRecord.read(path, "conservatism")
    gap = record.estimate - record.truth
    columns = min(_COLUMNS, len(record.algorithm))
    rows = -(-len(record.algorithm) // columns)
    figure = new_figure(max(8.0, 3.2 * columns), 2.0 + 2.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    looks = [(_COLORS[task % len(_COLORS)], series_line(task)) for task in range(len(record.task))]
    for number, axes in enumerate(grid.flat):
        if number >= len(record.algorithm):
            axes.remove()
            continue
        axes.axhline(0.0, color="#555555", linewidth=0.9)
        for (color, line), values in zip(looks, gap[number], strict=True):
            axes.fill_between(record.size, values.min(-1), values.max(-1), color=color, alpha=0.15, linewidth=0)
            axes.plot(record.size, values.mean(-1), color=color, linestyle=line, linewidth=1.8)
        above = int((gap[number] > 0.0).sum())
        panel_title(axes, str(record.algorithm[number]), (f"above the truth: {above} of {gap[number].size}", GRAY))
    first = grid[0, 0]
    first.set_xscale("log")
    first.set_yscale("symlog", linthresh=_LINEAR)
    largest = float(np.abs(gap).max())
    first.set_ylim(1.6 * min(float(gap.min()), -_LINEAR), 1.6 * max(float(gap.max()), _LINEAR))
    ticks = [0.0, *(sign * step for step in (0.1, 1.0, 10.0, 100.0) if step <= largest for sign in (-1.0, 1.0))]
    first.yaxis.set_major_locator(FixedLocator(ticks))
    first.yaxis.set_minor_locator(NullLocator())
    first.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in grid[-1]:
        axes.set_xlabel("transitions")
    for axes in grid[:, 0]:
        axes.set_ylabel("estimate - truth")
    handles = [
        Line2D([], [], color=color, linestyle=line, label=literal(str(task)))
        for (color, line), task in zip(looks, record.task, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    headline(figure, *_finding(record, gap), record_source(path))
    return figure


def _finding(record: ConservatismRecord, gap: Numbers) -> tuple[str, str, str]:
    """Which algorithms are always below the truth, and which are with the most data."""
    always = [str(name) for name, values in zip(record.algorithm, gap, strict=True) if (values <= 0.0).all()]
    finding = f"Always below the true return: {_listed(always)}"
    late = [str(name) for name, values in zip(record.algorithm, gap[:, :, -1], strict=True) if (values <= 0.0).all()]
    detail = (
        f"With {record.size[-1]:,.0f} transitions below it with every dataset: {_listed(late)}. In units of the "
        f"optimal policy's return; the axis is linear up to {_LINEAR:g}."
    )
    subtitle = f"Means over {gap.shape[3]} datasets, bands from lowest to highest; default settings, untied models."
    return finding, subtitle, detail


def _listed(names: list[str]) -> str:
    return "; ".join(names) if names else "none"
