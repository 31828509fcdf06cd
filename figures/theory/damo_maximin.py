"""Figure `damo-maximin`: what the maximizer of each of DAMO's objectives earns in the truth, and what it was promised.

Source: DAMO, sections 5 and 6.3, Table 1; theory.md, section 6. Medians over random MDPs with bands between
quartiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from figures.drawing.style import BLACK, GRAY, headline, literal, new_figure, panel_title, series_look
from figures.inputs.records import Numbers, Record, Texts, record_source

_LINEAR = 0.02  # of the right panel's symmetric logarithm, reward units a step
_TRUTH = "needs the truth"


@dataclass(frozen=True, kw_only=True)
class DamoMaximinRecord(Record):
    """M methods at G coefficients on N MDPs."""

    method: Annotated[Texts, "M"]  # those that say "needs the truth" are drawn dashed
    alpha: Annotated[Numbers, "G"]  # ascending
    earned: Annotated[Numbers, "N", "M", "G"]  # true return, 0 at the behavior policy's and 1 at the optimum
    claimed: Annotated[Numbers, "N", "M", "G"]  # what the method said less what its policy earns, reward units a step


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = DamoMaximinRecord.read(path, "damo-maximin")
    of_truth = [_TRUTH in str(name) for name in record.method]
    rows = [[i for i, needs in enumerate(of_truth) if needs == wanted] for wanted in (False, True)]
    rows = [methods for methods in rows if methods]
    figure = new_figure(11.5, 2.4 + 3.6 * len(rows))
    grid = figure.subplots(len(rows), 2, squeeze=False, sharex="col", sharey="col")
    grid[0, 0].set_xscale("log")
    grid[0, 1].set_xscale("log")
    grid[0, 1].set_yscale("symlog", linthresh=_LINEAR)
    grid[0, 0].set_ylim(max(-1.0, float(np.quantile(record.earned, 0.25, axis=0).min()) - 0.05), 1.08)
    for (left, right), methods in zip(grid, rows, strict=True):
        of = [("of methods that need the truth", GRAY)] if of_truth[methods[0]] else []
        _draw_lines(left, record, record.earned, methods)
        left.axhline(1.0, color=BLACK, linewidth=1.0, linestyle="--")
        left.axhline(0.0, color=GRAY, linewidth=1.0, linestyle=":")
        left.set_ylabel("true return\n(0: behavior policy, 1: optimum)")
        panel_title(left, "What the maximizer earns", *of)
        _draw_lines(right, record, record.claimed, methods)
        right.axhline(0.0, color=BLACK, linewidth=1.0)
        right.set_ylabel("claimed − earned\n(reward units a step)")
        panel_title(right, "What it was promised", *of, ("above zero: overestimated", GRAY))
    for axes in grid[-1]:
        axes.set_xlabel("coefficient α   (reward units per nat)")
    figure.legend(handles=_legend(record), loc="outside lower center", ncols=4, columnspacing=1.6)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_lines(axes: Axes, record: DamoMaximinRecord, values: Numbers, methods: Sequence[int]) -> None:
    """The median of each of some methods, with the quartiles as a light band."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    for index in methods:
        color, marker = series_look(index)
        line = "--" if _TRUTH in str(record.method[index]) else "-"
        axes.plot(record.alpha, middle[index], color=color, marker=marker, markersize=5, linestyle=line, linewidth=1.5)
        axes.fill_between(record.alpha, low[index], high[index], color=color, alpha=0.07, linewidth=0)


def _legend(record: DamoMaximinRecord) -> list[Line2D]:
    handles = []
    for index, name in enumerate(record.method):
        color, marker = series_look(index)
        line: LineStyleType = "--" if _TRUTH in str(name) else "-"
        handles.append(
            Line2D([], [], color=color, marker=marker, markersize=5, linestyle=line, label=literal(str(name)))
        )
    return handles


def _finding(record: DamoMaximinRecord) -> tuple[str, str, str]:
    """Who overestimates and what each earns at its best, from the record: headline, line below it, note."""
    earned, claimed = np.median(record.earned, axis=0), np.median(record.claimed, axis=0)  # [M, G]
    fair = [index for index, name in enumerate(record.method) if _TRUTH not in str(name)]
    over = [str(record.method[index]) for index in fair if claimed[index, 0] > 0.0]
    finding = f"{len(over)} of {len(fair)} methods overestimate at the smallest α"
    ranked = sorted(fair, key=lambda index: -earned[index].max())
    ranking = ", ".join(f"{earned[index].max():.2f} {record.method[index]}" for index in ranked)
    detail = f"Overestimated: {', '.join(over)}. " if over else ""
    detail += f"Median earned at the best of the α tried (differences are not tested): {ranking}."
    subtitle = (
        f"Medians and quartiles over {len(record.earned)} random MDPs whose models are wrong where data are scarce."
    )
    return finding, subtitle, detail
