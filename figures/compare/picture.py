"""A comparison as a picture: every seed, interquartile means, and their intervals. A pair of panels for each task.

Left: the mean of the last evaluations, right: the last one. Rows have the numbers that they have in the tables. Scores
below -100, as of a policy that drives off, are triangles at the edge, so that the others can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ampl.statistics import CONFIDENCE
from figures.compare.results import Compared, Comparison
from figures.compare.rows import Policies
from figures.drawing.style import BLUE, GRAY, LOWEST_SCORE, headline, literal, new_figure, panel_title
from figures.inputs.measures import UNITS, Measure
from figures.inputs.records import Numbers
from figures.inputs.scores import origin

_MOST_ROWS = 40
_LABEL_WIDTH = 44  # letters
_LINE, _BETWEEN, _AROUND = 0.19, 0.15, 1.25  # inches: for a line of a label, between rows, and around a panel


def draw(comparison: Comparison) -> Figure:
    """Draws the first 40 rows; a line says how many more there are."""
    drawn = comparison.rows[:_MOST_ROWS]
    panels: dict[tuple[str, Measure], list[Compared]] = {}
    for each in drawn:
        over = f"over {len(each.row.tasks)} tasks: " if len(each.row.tasks) > 1 else ""
        panels.setdefault((over + ", ".join(each.row.tasks), each.row.measure), []).append(each)
    heights = [sum(map(_height, there)) for there in panels.values()]
    figure = new_figure(11.0, 1.2 + sum(heights) + _AROUND * len(panels))
    grid = figure.subplots(len(panels), len(Policies), squeeze=False, height_ratios=heights, sharex="row")
    for row, ((tasks, measure), there) in zip(grid, panels.items(), strict=True):
        for axes, policies, title in zip(row, Policies, (tasks, ""), strict=True):
            _name_rows(axes, there, named=axes is row[0])
            if measure is Measure.EXACT and policies is Policies.RECENT:  # nothing to average over
                panel_title(axes, title, ("exact returns: see the last evaluation", GRAY))
                axes.tick_params(axis="x", length=0, labelbottom=False)  # the other panel has the same locator
                axes.grid(visible=False)
                axes.spines["bottom"].set_visible(False)
                continue
            axes.set_xlabel(UNITS[measure])
            _draw_rows(axes, there, policies)
            panel_title(axes, title, (policies, GRAY))
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3)
    n_runs = sum(len(each.row.runs) for each in drawn if len(each.row.tasks) == 1)
    n_tasks = len({task for each in drawn for task in each.row.tasks})
    more = len(comparison.rows) - len(drawn)
    missing = f"Not drawn: the {more} rows after the first {_MOST_ROWS}." if more else "All rows of the tables."
    missing += f" Triangles are scores below {LOWEST_SCORE:g}." if any(map(_goes_below, drawn)) else ""
    finding = f"{n_runs} runs on {n_tasks} {'task' if n_tasks == 1 else 'tasks'}"
    source = origin([run for each in drawn for run in each.row.runs], comparison.found)
    headline(figure, finding, missing, source)
    return figure


def _name_rows(axes: Axes, there: Sequence[Compared], *, named: bool) -> None:
    places = _places(there)
    axes.set_ylim(sum(map(_height, there)), 0.0)
    axes.set_yticks(places, [_label(each) for each in there] if named else [""] * len(there))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def _draw_rows(axes: Axes, there: Sequence[Compared], policies: Policies) -> None:
    for place, each in zip(_places(there), there, strict=True):
        result, lowest = each.results[policies], _lowest(each)
        for scores in result.scores:
            _mark(axes, np.asarray(scores), place, lowest, "o", color=GRAY, markersize=4, alpha=0.6)
        value, interval = result.interquartile_mean
        if interval is not None:
            ends = np.maximum(interval, lowest)
            axes.plot(ends, [place] * 2, color=BLUE, linewidth=4, alpha=0.35, solid_capstyle="butt")
        fill_color = BLUE if interval else "white"
        _mark(axes, np.array([value]), place, lowest, "D", color=BLUE, markersize=6, markerfacecolor=fill_color)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _mark(axes: Axes, values: Numbers, place: float, lowest: float, marker: str, **look: Any) -> None:
    """Draws values of a row, those below the lowest as triangles there."""
    inside = values[values >= lowest]
    outside = len(values) - len(inside)
    axes.plot(inside, [place] * len(inside), marker, **look)
    axes.plot([lowest] * outside, [place] * outside, "<", **look)


def _lowest(each: Compared) -> float:
    """What is drawn of a row at the least: returns have no scale of their own."""
    return LOWEST_SCORE if each.row.measure is Measure.SCORE else -np.inf


def _goes_below(each: Compared) -> bool:
    return any(min(scores) < _lowest(each) for result in each.results.values() for scores in result.scores)


def _label(each: Compared) -> str:
    return fill(literal(f"{each.number}  {each.row.method}"), _LABEL_WIDTH, break_on_hyphens=False)


def _places(there: Sequence[Compared]) -> list[float]:
    """The middle of each row, from the top, in inches where the panel has the room that it asks for."""
    heights = [_height(each) for each in there]
    return [float(end) - height / 2 for end, height in zip(np.cumsum(heights), heights, strict=True)]


def _height(each: Compared) -> float:
    """Of a row, in inches where its panel has the room that it asks for."""
    return _BETWEEN + _LINE * (1 + _label(each).count("\n"))


def _legend() -> list[Line2D]:
    mean = f"interquartile mean, {CONFIDENCE:.0%} interval"
    return [
        Line2D([], [], linestyle="", marker="o", color=GRAY, markersize=4, alpha=0.6, label="a seed"),
        Line2D([], [], color=BLUE, marker="D", markersize=6, linewidth=4, label=mean),
        Line2D(
            [], [], linestyle="", marker="D", color=BLUE, markerfacecolor="white", label="single seeds: no interval"
        ),
    ]
