"""Figure `learning-curves`: scores and value estimates of every run, epoch by epoch. One column a task.

Upper row: normalized score, lower row: what the critic says (of the starts of the evaluation's episodes where a run
records a certificate, otherwise over its batches). Lines are means over seeds, bands reach from the lowest to the
highest seed. A panel has room for six variants, those that were published first. Scores below -100 lie outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.seed_curves import draw_seeds, leave_out_low_scores
from figures.drawing.style import MOST_LINES, headline, literal, new_figure, panel_title, series_line, series_look
from figures.inputs.names import MAIN, train_command
from figures.inputs.runs import RETURN, SCORE_WINDOW, Run, find_all_runs
from figures.inputs.scores import not_drawn, provenance, with_scores

_FIRST = ("ampl", "mopo", "damo")  # algorithms; the others follow
_PUBLISHED = ("main", "mbpo", "nw")
_CERTIFICATE, _BATCH = "certificate/value_estimate", "critic/value_mean"
_MOST_TASKS = 6
_LABEL_WIDTH = 32  # letters
_LOOKS = 24  # pairs of a color and a line style
_Method: TypeAlias = tuple[str, str]  # algorithm, and variant with what differs from its settings
_Curves: TypeAlias = dict[tuple[str, _Method], list[Run]]
"""The seeds of each task and method."""


def draw(folder: Path) -> Figure:
    """Draws the scored runs below a folder: the first six tasks, six variants of each; a note names the others.

    Raises:
        InvalidFileError: there is none.
    """
    found = find_all_runs(folder, (SCORE, RETURN))
    scored, unscored = with_scores(found)
    curves = _curves(scored)
    if not curves:
        command = train_command("hopper-medium-replay-v2", MAIN, algorithm="mopo", out=folder)
        raise InvalidFileError(
            " ".join(filter(None, [f"no scored run below {folder}. `{command}` makes one.", unscored]))
        )
    drawn = _with_room(curves)
    tasks = sorted({task for task, _ in drawn})
    looks = _looks(drawn)
    figure = new_figure(max(9.0, 4.2 * len(tasks)), 7.4)
    grid = figure.subplots(2, len(tasks), squeeze=False, sharex="col")
    for (task, method), runs in drawn.items():
        column, (color, line) = tasks.index(task), looks[method]
        draw_seeds(grid[0, column], [run.curve for run in runs], color, line=line)
        draw_seeds(grid[1, column], _values(runs), color, line=line)
    for column, task in enumerate(tasks):
        grid[1, column].set_xlabel("epoch")
        grid[1, column].xaxis.set_major_locator(MaxNLocator(integer=True))
        panel_title(grid[0, column], task)
        leave_out_low_scores(grid[0, column])
    grid[0, 0].set_ylabel("normalized score   (0-100)")
    grid[1, 0].set_ylabel("critic's value   (reward units)")
    handles = [
        Line2D([], [], color=color, linestyle=line, label=_label(method)) for method, (color, line) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    origin = provenance([run for runs in drawn.values() for run in runs], found)
    headline(figure, *_finding(drawn, [place for place in curves if place not in drawn]), unscored, origin)
    return figure


def _curves(runs: Sequence[Run]) -> _Curves:
    """What could be drawn, in the order published variants, algorithm, variant, task."""
    found: _Curves = {}
    for run in sorted(runs, key=_order):
        found.setdefault((run.task, (run.algorithm, run.label)), []).append(run)
    return found


def _order(run: Run) -> tuple[bool, int]:
    first = _FIRST.index(run.algorithm) if run.algorithm in _FIRST else len(_FIRST)
    return run.label not in _PUBLISHED, first


def _with_room(curves: _Curves) -> _Curves:
    """The first tasks, and of each the first methods."""
    tasks = sorted({task for task, _ in curves})[:_MOST_TASKS]
    places = [place for task in tasks for place in [each for each in curves if each[0] == task][:MOST_LINES]]
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
        tasks = {task for task, other in drawn if other == method}
        beside = [looks[other] for task, other in drawn if task in tasks and other in looks]
        free = [look for look in every if look not in looks.values()] or every
        apart = [look for look in free if all(look[0] != other[0] and look[1] != other[1] for other in beside)]
        looks[method] = (apart or free)[0]
    return looks


def _label(method: _Method) -> str:
    """For the legend, whose three columns have room for so many letters each."""
    return fill(literal(" ".join(method)), _LABEL_WIDTH, break_on_hyphens=False)


def _finding(drawn: _Curves, left_out: Sequence[tuple[str, _Method]]) -> tuple[str, ...]:
    """The best mean score of the last evaluations, how to read the panels, and what has no room in them."""
    scores = {place: float(np.mean([run.recent_score for run in runs])) for place, runs in drawn.items()}
    task, method = best = max(scores, key=lambda place: scores[place])
    finding = f"Highest mean of the last {SCORE_WINDOW}: {scores[best]:.1f}, {' '.join(method)} on {task}"
    batches = [
        place
        for place, there in drawn.items()
        if not _certified(there) and any(len(curve.values) for curve in _values(there))
    ]
    subtitle = "Lines: means over seeds; bands: lowest to highest seed."
    values = "Values: of the starts of evaluation episodes where runs recorded a certificate"
    values += f"; otherwise means over batches: {'; '.join(_by_task(batches))}." if batches else "."
    missing = not_drawn(_by_task(left_out), f"{_MOST_TASKS} tasks and {MOST_LINES} variants a task")
    return finding, subtitle, values, missing


def _by_task(places: Sequence[tuple[str, _Method]]) -> list[str]:
    """Each task with its methods."""
    tasks: dict[str, list[str]] = {}
    for task, method in places:
        tasks.setdefault(task, []).append(" ".join(method))
    return [f"{task}: {', '.join(methods)}" for task, methods in sorted(tasks.items())]
