"""Figure `lqr-learning`: what each algorithm learns on linear-Gaussian problems, and what it believes. One row a task.

Left: scores, 0 being the return of the policy that collected the data (dotted) and 100 the optimum's (dashed), both
exact. Right: what model and critics promise of the discounted return, minus the true one; above zero they promise too
much. Both axes leave out what lies far off, as before an algorithm has learned anything. Lines are means over seeds,
bands reach from the lowest to the highest seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.seed_curves import draw_seeds
from figures.drawing.style import headline, literal, new_figure, panel_title, series_look
from figures.inputs.names import MAIN, train_command
from figures.inputs.runs import Run, find_all_runs
from figures.inputs.scores import distinct, step_range

_PREFIX = "lqr-"
_MOST_TASKS, _MOST_METHODS = 3, 6
_TRUTH = "truth/discounted_return"
_PROMISES: Mapping[str, Literal["-", ":"]] = {"certificate/model_return": "-", "certificate/value_estimate": ":"}
_LOWEST = -100.0  # score; what lies below is left out of the picture
_GRAY = "#777777"


def draw(folder: Path) -> Figure:
    """Draws the runs on tasks lqr-... below a folder.

    Raises:
        InvalidFileError: there is none.
    """
    runs = [run for run in find_all_runs(folder) if run.task.startswith(_PREFIX) and run.scored]
    if not runs:
        command = train_command("lqr-pointmass", MAIN, algorithm="mopo", out=folder)
        raise InvalidFileError(f"no scored run on a task {_PREFIX}... below {folder}. `{command}` makes one.")
    tasks = sorted({run.task for run in runs})[:_MOST_TASKS]
    methods = sorted({(run.algorithm, run.label) for run in runs if run.task in tasks})[:_MOST_METHODS]
    figure = new_figure(11.0, 1.8 + 3.4 * len(tasks))
    grid = figure.subplots(len(tasks), 2, squeeze=False)
    for row, task in enumerate(tasks):
        drawn = {
            method: [run for run in runs if (run.task, run.algorithm, run.label) == (task, *method)]
            for method in methods
        }
        _draw_scores(grid[row, 0], drawn)
        _draw_promises(grid[row, 1], drawn)
        panel_title(grid[row, 0], task)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [
        Line2D([], [], color=series_look(index)[0], label=literal(" ".join(method)))
        for index, method in enumerate(methods)
    ]
    handles += [
        Line2D([], [], color=_GRAY, linestyle="--", label="optimum"),
        Line2D([], [], color=_GRAY, linestyle=":", label="behavior"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    headline(figure, *_finding(runs, tasks[0]))
    return figure


def _draw_scores(axes: Axes, drawn: dict[tuple[str, str], list[Run]]) -> None:
    for height, line in ((0.0, ":"), (100.0, "--")):
        axes.axhline(height, color=_GRAY, linestyle=line, linewidth=1.2)
    for index, there in enumerate(drawn.values()):
        if there:
            draw_seeds(axes, [run.curve for run in there], series_look(index)[0])
    axes.set_ylim(_LOWEST, 110.0)
    axes.set_ylabel("score (behavior 0, optimum 100)")


def _draw_promises(axes: Axes, drawn: dict[tuple[str, str], list[Run]]) -> None:
    axes.axhline(0.0, color=_GRAY, linewidth=1.2)
    every = []
    for index, there in enumerate(drawn.values()):
        for name, line in _PROMISES.items():
            curves = [_difference(run, name) for run in there]
            if curves:
                draw_seeds(axes, curves, series_look(index)[0], line=line)
                every += [curve.values for curve in curves]
    size = max((float(np.abs(values[-1])) for values in every if len(values)), default=1.0)
    axes.set_ylim(-2.0 * size, 2.0 * size)  # of the last values; untrained policies and critics are far outside
    axes.set_ylabel("promised minus true return\n(model: solid, critics: dotted)")


def _difference(run: Run, name: str) -> Curve:
    """A promise minus the truth, where both were measured."""
    promised, true = (read_curve(run.path / "metrics.csv", column) for column in (name, _TRUTH))
    epochs = np.intersect1d(promised.epochs, true.epochs)
    values = [curve.values[np.isin(curve.epochs, epochs)] for curve in (promised, true)]
    return Curve(epochs, values[0] - values[1])


def _finding(runs: list[Run], task: str) -> tuple[str, str]:
    """How far each algorithm came on the first task, and how the runs came about."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        if run.task == task:
            scores.setdefault(" ".join((run.algorithm, run.label)), []).append(float(run.curve.values[-1]))
    came = ", ".join(f"{name} {np.mean(last):.0f}" for name, last in sorted(scores.items()))
    detail = "Last scores; 100 is the optimum. Returns are discounted and start where an evaluation's episodes start.\n"
    detail += f"Data: {distinct(run.data for run in runs)}; updates: {step_range(runs)}; "
    detail += f"device: {distinct(run.device for run in runs)}; commit: {distinct(run.commit for run in runs)}."
    return f"On {task}: {came}", detail
