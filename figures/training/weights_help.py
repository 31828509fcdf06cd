"""Figure `weights-help`: do importance weights in the model's fit help? Better ones from left to right.

Columns: finite MDPs (the record of `weights-help-finite`), linear-Gaussian problems and D4RL's or other tasks (runs of
AMPL's variants). Rows: how far the weights are from w*, the model's error where the policy goes, and what the policy
earns; the last two beside refits without weights, or beside one fit. In the last column nobody knows the first two. A
panel ends where the means and most bars do: bars of a task that spread five times as far are cut, and marked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ampl.errors import InvalidFileError
from figures.drawing.style import BLACK, headline, literal, new_figure, panel_title, series_line, series_look
from figures.inputs.names import train_command
from figures.inputs.records import Numbers, record_source
from figures.inputs.runs import find_runs
from figures.inputs.scores import provenance, window_note
from figures.training.weights_help_tasks import DEEP, KINDS, NONE, Task, Values, deep_tasks, finite_tasks

_LQR = "lqr-"
_ROWS = ("weights' error\nE|w - w*|", "model's error under π\n(relative)", "return gained")
_COLUMNS = {
    "finite": ("Finite MDPs", "% of the way from behavior to optimum"),
    "lqr": ("Linear-Gaussian problems", "% of the way from behavior to optimum"),
    "other": ("D4RL's tasks", "points of score"),
}
"""Title of each column, and the unit of its last row; see `_title`."""
_FAR = 5.0  # times the extent of all else: bars that spread farther are cut
_D4RL = re.compile(r"-v\d+$")  # the end of their names
_SHORT_UNITS = {"finite": "%", "lqr": "%", "other": "points"}
_RUNS_NOTE = f"{window_note()} Of each task only the seeds that runs of all its kinds have."
_LQR_NOTE = (
    "On linear-Gaussian problems the model's errors are estimated from samples: single seeds, and the mean that they "
    "are divided by, are noisy, and can be negative."
)


def draw_record(path: Path) -> Figure:
    """Draws the record at `path` alone.  Raises InvalidFileError."""
    return _draw({"finite": finite_tasks(path)}, record_source(path))


def draw(folder: Path) -> Figure:
    """Draws what is there below a folder of runs: its record, and runs of AMPL with and without weights.

    Raises:
        InvalidFileError: there is neither.
    """
    record = folder / "records" / "weights-help-finite.npz"
    found = find_runs(folder, "ampl", variants=DEEP)
    runs = [run for run in found if run.scored]
    columns = {
        "finite": finite_tasks(record) if record.exists() else [],
        "lqr": deep_tasks([run for run in runs if run.task.startswith(_LQR)]),
        "other": deep_tasks([run for run in runs if not run.task.startswith(_LQR)]),
    }
    if not any(columns.values()):
        command = train_command("lqr-pointmass", "unit-weights", out=folder)
        record_command = shlex.join(["ampl", "figure", "weights-help-finite", "--runs", str(folder)])
        raise InvalidFileError(
            f"no record weights-help-finite, and no scored run of AMPL without weights beside another variant's of the "
            f"same seed below {folder}. `{command}` makes one, `{record_command}` the record."
        )
    drawn = [run for tasks in columns.values() for task in tasks for run in task.runs]
    sources = [record_source(record)] if columns["finite"] else []
    sources += [provenance(drawn, found, lines=False)] if drawn else []
    return _draw({name: tasks for name, tasks in columns.items() if tasks}, " ".join(sources))


def _draw(columns: Mapping[str, Sequence[Task]], source: str) -> Figure:
    figure = new_figure(max(7.0, 4.0 * len(columns)), 8.4)
    grid = figure.subplots(len(_ROWS), len(columns), squeeze=False, sharex="col")
    every = [task for tasks in columns.values() for task in tasks]
    names = [task.name for task in every]
    kinds = [kind for kind in KINDS if any(kind in task.earned for task in every)]
    cut: list[str] = []
    for column, (name, tasks) in enumerate(columns.items()):
        unit = _COLUMNS[name][1]
        panel_title(grid[0, column], _title(name, tasks))
        for row, axes in enumerate(grid[:, column]):
            measured = [(task.name, task.rows()[row]) for task in tasks]
            if not any(values for _, values in measured):
                axes.set_axis_off()
                axes.text(0.5, 0.5, "not known here", ha="center", transform=axes.transAxes)
                continue
            for task, values in measured:
                _draw_task(axes, values, names.index(task), kinds)
            _reference(axes, row, unit, kinds)
            if task := _spreads_far(dict(measured)):
                _cut(axes, dict(measured), task, names.index(task), kinds)
                cut.append(task)
    for axes, label in zip(grid[:, 0], _ROWS, strict=True):
        axes.set_ylabel(label)
    handles = [
        Line2D([], [], color=series_look(i)[0], marker=series_look(i)[1], linestyle=series_line(i), label=literal(name))
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    headline(
        figure,
        _finding(columns),
        "Points: means over seeds or datasets; bars: lowest to highest; ±: standard error.",
        "Gains in the title: the highest of each column's means over seeds or datasets.",
        "Weights of the model's refits: none; AMPL's, by one equation (Eq. 10); better ones (finite: fixed point of "
        "Eq. 9 on the data; deep: 66 equations); the exact ones. One fit: no refits. All weights are of the policy at "
        "the last refit, which has moved since.",
        f"Triangles: bars that go on beyond the panel, of {', '.join(dict.fromkeys(cut))}." if cut else "",
        _beside_one_fit(columns),
        _RUNS_NOTE if any(task.runs for task in every) else "",
        _LQR_NOTE if "lqr" in columns else "",
        source,
    )
    return figure


def _title(name: str, tasks: Sequence[Task]) -> str:
    """Of a column: D4RL's tasks are called so where all of them are, by their names and data."""
    runs = [run for task in tasks for run in task.runs]
    theirs = all(_D4RL.search(run.task) and not run.data.startswith("own") for run in runs)
    return "Other tasks" if name == "other" and not theirs else _COLUMNS[name][0]


def _draw_task(axes: Axes, values: Values, index: int, places: Sequence[str]) -> None:
    kinds = [kind for kind in places if kind in values]
    place = _places(kinds, index, places)
    means = np.array([values[kind].mean() for kind in kinds])
    reach = np.array([[means[i] - values[kind].min(), values[kind].max() - means[i]] for i, kind in enumerate(kinds)])
    color, marker = series_look(index)
    axes.errorbar(
        place, means, yerr=reach.T, color=color, marker=marker, linestyle=series_line(index), linewidth=1.2,
        markersize=5, elinewidth=0.9,
    )  # fmt: skip


def _places(kinds: Sequence[str], index: int, places: Sequence[str]) -> Numbers:
    """Where the kinds of the task number `index` stand, so that tasks stand side by side."""
    return np.array([places.index(kind) for kind in kinds]) + 0.06 * (index % 5 - 2)


def _spreads_far(measured: Mapping[str, Values]) -> str:
    """The task whose bars would flatten a panel; empty if none would."""
    spans = {task: np.ptp(np.concatenate([*values.values()])) for task, values in measured.items() if values}
    widest = max(spans, key=lambda task: spans[task])
    low, high = _extent(measured, widest)
    return widest if len(spans) > 1 and spans[widest] > _FAR * (high - low) > 0.0 else ""


def _extent(measured: Mapping[str, Values], widest: str) -> tuple[float, float]:
    """From the lowest to the highest of all means and of the other tasks' bars."""
    means = [[each.mean() for each in values.values()] for values in measured.values()]
    bars = [np.concatenate([*values.values()]) for task, values in measured.items() if values and task != widest]
    every = np.concatenate([*means, *bars])
    return float(every.min()), float(every.max())


def _cut(axes: Axes, measured: Mapping[str, Values], task: str, index: int, places: Sequence[str]) -> None:
    """Ends a panel without the bars of a task, and marks where these go on."""
    low, high = _extent(measured, task)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    axes.set_ylim(low, high)
    for place, values in zip(_places([*measured[task]], index, places), measured[task].values(), strict=True):
        for beyond, edge, marker in ((values.min() < low, low, "v"), (values.max() > high, high, "^")):
            if beyond:
                axes.plot(place, edge, marker, color=series_look(index)[0], markersize=7, clip_on=False, zorder=3)


def _reference(axes: Axes, row: int, unit: str, kinds: Sequence[str]) -> None:
    """Labels of the kinds, and a line at what there is without weights."""
    axes.set_xticks(range(len(kinds)), kinds)
    axes.tick_params(labelbottom=True)
    axes.set_xlim(-0.4, len(kinds) - 0.6)
    if row == 0:
        axes.set_ylim(bottom=0.0)
    else:
        axes.axhline(1.0 if row == 1 else 0.0, color=BLACK, linewidth=0.8)
    if row == len(_ROWS) - 1:
        axes.set_xlabel("weights in the model's fit")
        axes.set_title(unit, loc="right", fontsize=8.5)


def _finding(columns: Mapping[str, Sequence[Task]]) -> str:
    """What weights gain at most: in each column the highest mean of a task.

    Where no task has refits without weights to compare with, the refits are part of what is gained.
    """
    parts = []
    for name, tasks in columns.items():
        weighted = [task for task in tasks if task.largest_gain().size]
        alone = [task for task in weighted if NONE in task.earned]
        if weighted:
            gains = max((task.largest_gain() for task in alone or weighted), key=lambda each: float(each.mean()))
            what = "" if alone else "together with the refits "
            parts.append(f"{_mean_gain(gains)} {_SHORT_UNITS[name]} {what}({_title(name, tasks)})")
    return f"Weights gain at most {', '.join(parts)}" if parts else "No refit here has weights"


def _beside_one_fit(columns: Mapping[str, Sequence[Task]]) -> str:
    """Whose gains are no gains of weights alone, in a sentence; empty if all are."""
    tasks = [task.name for there in columns.values() for task in there if NONE not in task.earned]
    return f"Gained beside one fit, by refits and weights together: {', '.join(tasks)}." if tasks else ""


def _mean_gain(gains: Numbers) -> str:
    """Mean over seeds, and its standard error where there are several."""
    error = f" ± {gains.std(ddof=1) / np.sqrt(len(gains)):.1f}" if len(gains) > 1 else ""
    return f"{gains.mean():+.1f}{error}"
