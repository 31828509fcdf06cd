"""Figure `learning-curves`: scores and value estimates of every run, epoch by epoch. One column a task.

Upper row: normalized score, or the return of runs without scores; lower row: what the critic says (of the starts of the
evaluation's episodes where a run records a certificate, otherwise over its batches). Lines are means over seeds, bands
reach from the lowest to the highest seed. A panel has room for six variants, those that were published first. Scores
below -100 lie outside it, and so do returns of first policies far below the later ones. A task of which some runs have
scores and others returns has a column for each kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.seed_curves import LOW_RETURNS, draw_seeds, leave_out_low_returns, leave_out_low_scores
from figures.drawing.style import (
    GRAY,
    MOST_LINES,
    headline,
    literal,
    new_figure,
    panel_title,
    series_line,
    series_look,
)
from figures.inputs.measures import FORMS, SCORES_OF_RETURNS, UNITS, Measure, measure_of
from figures.inputs.names import MAIN, train_command
from figures.inputs.runs import RETURN, Run, find_all_runs
from figures.inputs.scores import averaged, not_drawn, provenance

_FIRST = ("ampl", "mopo", "damo")  # algorithms; the others follow
_PUBLISHED = ("main", "mbpo", "nw")
_CERTIFICATE, _BATCH = "certificate/value_estimate", "critic/value_mean"
_MOST_TASKS = 6
_LABEL_WIDTH = 32  # letters
_AXIS_WIDTH = 30  # letters of its label in a line
_LOOKS = 24  # pairs of a color and a line style
_Method: TypeAlias = tuple[str, str]  # algorithm, and variant with what differs from its settings


class _Column(NamedTuple):
    """The two panels of a task, and what the upper one shows."""

    task: str
    measure: Measure


_Curves: TypeAlias = dict[tuple[_Column, _Method], list[Run]]
"""The seeds of each column and method."""


def draw(folder: Path) -> Figure:
    """Draws the evaluated runs below a folder: the first six tasks, six variants of each; a note names the others.

    Raises:
        InvalidFileError: there is none.
    """
    found = find_all_runs(folder, (SCORE, RETURN))
    curves = _curves([run for run in found if run.scored])
    if not curves:
        command = train_command("hopper-medium-replay-v2", MAIN, algorithm="mopo", out=folder)
        raise InvalidFileError(f"no run with an evaluation below {folder}. `{command}` makes one. {SCORES_OF_RETURNS}")
    drawn = _with_room(curves)
    columns = _columns(drawn)
    looks = _looks(drawn)
    figure = new_figure(max(9.0, 4.2 * len(columns)), 7.4)
    grid = figure.subplots(2, len(columns), squeeze=False, sharex="col")
    for (column, method), runs in drawn.items():
        place, (color, line) = columns.index(column), looks[method]
        draw_seeds(grid[0, place], [run.curve for run in runs], color, line=line)
        draw_seeds(grid[1, place], _values(runs), color, line=line)
    for place, column in enumerate(columns):
        grid[1, place].set_xlabel("epoch")
        grid[1, place].xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(grid[0, place], column, named=not place or column.measure is not columns[place - 1].measure)
    grid[1, 0].set_ylabel("critic's value   (reward units)")
    handles = [
        Line2D([], [], color=color, linestyle=line, label=_label(method)) for method, (color, line) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    origin = provenance([run for runs in drawn.values() for run in runs], found)
    headline(figure, *_finding(drawn, [place for place in curves if place not in drawn]), origin)
    return figure


def _finish(axes: Axes, column: _Column, *, named: bool) -> None:
    """Titles an upper panel, names its axis if wanted, and ends it where low values would flatten the others."""
    low_returns = False
    if column.measure is Measure.SCORE:
        leave_out_low_scores(axes)
    else:
        low_returns = leave_out_low_returns(axes)
    panel_title(axes, column.task, *([(LOW_RETURNS, GRAY)] if low_returns else []))
    if named:
        unit = "normalized score   (0-100)" if column.measure is Measure.SCORE else UNITS[column.measure]
        axes.set_ylabel(fill(unit, _AXIS_WIDTH, replace_whitespace=False))


def _curves(runs: Sequence[Run]) -> _Curves:
    """What could be drawn, in the order published variants, algorithm, variant, task."""
    found: _Curves = {}
    for run in sorted(runs, key=_order):
        found.setdefault((_Column(run.task, measure_of(run)), (run.algorithm, run.label)), []).append(run)
    return found


def _columns(curves: _Curves) -> list[_Column]:
    """Those with scores first, by task."""
    order = list(Measure)
    return sorted({column for column, _ in curves}, key=lambda each: (order.index(each.measure), each.task))


def _order(run: Run) -> tuple[bool, int]:
    first = _FIRST.index(run.algorithm) if run.algorithm in _FIRST else len(_FIRST)
    return run.label not in _PUBLISHED, first


def _with_room(curves: _Curves) -> _Curves:
    """The first columns, and of each the first methods."""
    places = [
        place
        for column in _columns(curves)[:_MOST_TASKS]
        for place in [each for each in curves if each[0] == column][:MOST_LINES]
    ]
    return {place: runs for place, runs in curves.items() if place in places}


def _values(runs: Sequence[Run]) -> list[Curve]:
    """The critic's values of each seed, of one kind for all seeds; nothing where there is none."""
    name = _CERTIFICATE if _certified(runs) else _BATCH
    return [read_curve(run.path / "metrics.csv", name) for run in runs]


def _certified(runs: Sequence[Run]) -> bool:
    return all(len(read_curve(run.path / "metrics.csv", _CERTIFICATE).values) for run in runs)


def _looks(drawn: _Curves) -> dict[_Method, tuple[str, LineStyleType]]:
    """Color and line style of each method: no two in a panel have either in common, as long as there are enough."""
    looks: dict[_Method, tuple[str, LineStyleType]] = {}
    every = [(series_look(index)[0], series_line(index)) for index in range(_LOOKS)]
    for method in dict.fromkeys(method for _, method in drawn):
        columns = {column for column, other in drawn if other == method}
        beside = [looks[other] for column, other in drawn if column in columns and other in looks]
        free = [look for look in every if look not in looks.values()] or every
        apart = [look for look in free if all(look[0] != other[0] and look[1] != other[1] for other in beside)]
        looks[method] = (apart or free)[0]
    return looks


def _label(method: _Method) -> str:
    """For the legend, whose three columns have room for so many letters each."""
    return fill(literal(" ".join(method)), _LABEL_WIDTH, break_on_hyphens=False)


def _finding(drawn: _Curves, left_out: Sequence[tuple[_Column, _Method]]) -> tuple[str, ...]:
    """The best of the last evaluations, how to read the panels, and what has no room in them."""
    batches = [
        place
        for place, there in drawn.items()
        if not _certified(there) and any(len(curve.values) for curve in _values(there))
    ]
    subtitle = "Lines: means over seeds; bands: lowest to highest seed."
    values = "Values: of the starts of evaluation episodes where runs recorded a certificate"
    values += f"; otherwise means over batches: {'; '.join(_by_task(batches))}." if batches else "."
    missing = not_drawn(_by_task(left_out), f"{_MOST_TASKS} tasks and {MOST_LINES} variants a task")
    return _best(drawn), subtitle, values, missing


def _best(drawn: _Curves) -> str:
    """The highest mean of the last scores; without scores that of the first task's returns, or of the last exact ones.

    Returns of different tasks cannot be compared, and exact ones fluctuate by no episodes that a mean would even out.
    """
    first, *others = _columns(drawn)
    scored, exact = first.measure is Measure.SCORE, first.measure is Measure.EXACT
    columns = [first, *(column for column in others if scored and column.measure is Measure.SCORE)]
    reached = {
        place: float(np.mean([run.last_score if exact else run.recent_score for run in runs]))
        for place, runs in drawn.items()
        if place[0] in columns
    }
    column, method = best = max(reached, key=lambda place: reached[place])
    value, name, several = f"{reached[best]:{FORMS[first.measure]}}", " ".join(method), averaged(drawn[best])
    if scored:
        return f"Highest mean of the last {several}: {value}, {name} on {column.task}"
    return (
        f"Highest {'last return' if exact else f'mean of the last {several} returns'} on {column.task}: {value}, {name}"
    )


def _by_task(places: Sequence[tuple[_Column, _Method]]) -> list[str]:
    """Each task with its methods."""
    tasks: dict[str, list[str]] = {}
    for column, method in places:
        tasks.setdefault(column.task, []).append(" ".join(method))
    return [f"{task}: {', '.join(methods)}" for task, methods in sorted(tasks.items())]
