"""Figure `weights-help`: do importance weights in the model's fit help? Better ones from left to right.

Columns: finite MDPs (the record of `weights-help-finite`), linear-Gaussian problems and D4RL's or other tasks (runs of
AMPL's variants). Rows: how far the weights are from w*, the model's error where the policy goes, and what the policy
earns; the last two beside refits without weights, or beside one fit. In the last column nobody knows the first two.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import read_curve
from figures.drawing.style import BLACK, headline, literal, new_figure, panel_title, series_line, series_look
from figures.inputs.names import MAIN, train_command
from figures.inputs.records import Numbers, Record, Texts, record_source
from figures.inputs.runs import Run, find_runs, recent
from figures.inputs.scores import provenance, window_note

ONE_FIT, NONE, BETTER, EXACT = "one fit", "none", "better", "exact"
AMPLS = "AMPL's"
_WEIGHTED = (AMPLS, BETTER, EXACT)
_KINDS = (ONE_FIT, NONE, *_WEIGHTED)
_FINITE = {"nw": NONE, "one-moment": AMPLS, MAIN: BETTER, "exact-weights": EXACT}
_DEEP = {"nw": ONE_FIT, "unit-weights": NONE, MAIN: AMPLS, "multi-moment": BETTER, "exact-weights": EXACT}
_LQR = "lqr-"
_ROWS = ("weights' error\nE|w - w*|", "model's error under π\n(relative)", "return gained")
_COLUMNS = {
    "finite": ("Finite MDPs", "% of the way from behavior to optimum"),
    "lqr": ("Linear-Gaussian problems", "% of the way from behavior to optimum"),
    "other": ("D4RL's tasks", "points of score"),
}
"""Title of each column, and the unit of its last row; see `_title`."""
_D4RL = re.compile(r"-v\d+$")  # the end of their names
_SHORT_UNITS = {"finite": "%", "lqr": "%", "other": "points"}
_RUNS_NOTE = f"{window_note()} Of each task only the seeds that runs of all its kinds have."
_LQR_NOTE = (
    "On linear-Gaussian problems the model's errors are estimated from samples: single seeds, and the mean that they "
    "are divided by, are noisy, and can be negative."
)
_Values: TypeAlias = dict[str, Numbers]
"""By kind of weights, a number a seed."""


@dataclass(frozen=True, kw_only=True)
class WeightsHelpRecord(Record):
    """V kinds of weights on T tasks, N datasets each."""

    task: Annotated[Texts, "T"]
    variant: Annotated[Texts, "V"]
    weights_error: Annotated[Numbers, "T", "V", "N"]
    model_divergence: Annotated[Numbers, "T", "V", "N"]  # nats
    true_return: Annotated[Numbers, "T", "V", "N"]  # reward units a step
    behavior_return: Annotated[Numbers, "T"]
    optimal_return: Annotated[Numbers, "T"]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What was measured on one task; empty where nothing was.

    Others are compared with refits without weights or, where no run has these, with a model that is fitted once.
    """

    name: str
    error: _Values
    divergence: _Values
    earned: _Values
    runs: tuple[Run, ...] = ()

    @property
    def best(self) -> str:
        """The kind of the best weights; empty if no refit has any."""
        return next((kind for kind in reversed(_WEIGHTED) if kind in self.earned), "")

    def rows(self) -> list[_Values]:
        """What is drawn in each row: as it is, as a multiple of no weights, as a difference seed by seed."""
        without = NONE if NONE in self.earned else ONE_FIT
        unit = self.divergence[without].mean() if without in self.divergence else np.nan
        relative = {kind: values / unit for kind, values in self.divergence.items()}
        gained = {kind: values - self.earned[without] for kind, values in self.earned.items()}
        return [self.error, relative, gained]


def draw_record(path: Path) -> Figure:
    """Draws the record at `path` alone.  Raises InvalidFileError."""
    return _draw({"finite": _finite(path)}, record_source(path))


def draw(folder: Path) -> Figure:
    """Draws what is there below a folder of runs: its record, and runs of AMPL with and without weights.

    Raises:
        InvalidFileError: there is neither.
    """
    record = folder / "records" / "weights-help-finite.npz"
    found = find_runs(folder, "ampl", variants=_DEEP)
    runs = [run for run in found if run.scored]
    columns = {
        "finite": _finite(record) if record.exists() else [],
        "lqr": _deep([run for run in runs if run.task.startswith(_LQR)]),
        "other": _deep([run for run in runs if not run.task.startswith(_LQR)]),
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


def _finite(path: Path) -> list[_Task]:
    record = WeightsHelpRecord.read(path, "weights-help")
    unknown = sorted(set(record.variant) - set(_FINITE))
    if unknown or "nw" not in record.variant:
        raise InvalidFileError(f"{path} has the variants {', '.join(record.variant)}; expected {', '.join(_FINITE)}.")
    kinds = [_FINITE[variant] for variant in record.variant]
    found = []
    for index, name in enumerate(record.task):
        way = record.optimal_return[index] - record.behavior_return[index]
        earned = 100.0 * (record.true_return[index] - record.behavior_return[index]) / way
        columns = (record.weights_error[index], record.model_divergence[index], earned)
        error, divergence, share = (dict(zip(kinds, values, strict=True)) for values in columns)
        found.append(_Task(name=str(name), error=error, divergence=divergence, earned=share))
    return found


def _deep(runs: Sequence[Run]) -> list[_Task]:
    """The tasks with runs of several kinds, one without weights among them, and the seeds that all of these have."""
    by_task: dict[str, dict[str, dict[int, Run]]] = {}
    for run in runs:
        by_task.setdefault(run.task, {}).setdefault(_DEEP[run.variant], {})[run.seed] = run
    by_task = {
        task: kinds for task, kinds in by_task.items() if len(kinds) > 1 and not {NONE, ONE_FIT}.isdisjoint(kinds)
    }
    common = {task: sorted(set.intersection(*map(set, kinds.values()))) for task, kinds in by_task.items()}
    shown = {
        task: {kind: [there[seed] for seed in common[task]] for kind, there in kinds.items()}
        for task, kinds in sorted(by_task.items())
        if common[task]
    }
    return [
        _Task(
            name=task,
            error=_measured(kinds, "exact_weights/error"),
            divergence=_measured(kinds, "truth/model_divergence_nats"),
            earned={kind: np.array([run.recent_score for run in there]) for kind, there in kinds.items()},
            runs=tuple(run for there in kinds.values() for run in there),
        )
        for task, kinds in shown.items()
    ]


def _measured(kinds: Mapping[str, Sequence[Run]], column: str) -> _Values:
    """Means of a column's last measurements, of the kinds whose seeds all have it."""
    found = {}
    for kind, runs in kinds.items():
        curves = [read_curve(run.path / "metrics.csv", column).values for run in runs]
        if all(curve.size for curve in curves):
            found[kind] = np.array([recent(curve) for curve in curves])
    return found


def _draw(columns: Mapping[str, Sequence[_Task]], source: str) -> Figure:
    figure = new_figure(max(7.0, 4.0 * len(columns)), 8.4)
    grid = figure.subplots(len(_ROWS), len(columns), squeeze=False, sharex="col")
    every = [task for tasks in columns.values() for task in tasks]
    names = [task.name for task in every]
    kinds = [kind for kind in _KINDS if any(kind in task.earned for task in every)]
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
        "Weights of the model's refits: none; AMPL's, by one equation (Eq. 10); better ones (finite: fixed point of "
        "Eq. 9 on the data; deep: 66 equations); the exact ones. One fit: no refits. All weights are of the policy at "
        "the last refit, which has moved since.",
        _beside_one_fit(columns),
        _RUNS_NOTE if any(task.runs for task in every) else "",
        _LQR_NOTE if "lqr" in columns else "",
        source,
    )
    return figure


def _title(name: str, tasks: Sequence[_Task]) -> str:
    """Of a column: D4RL's tasks are called so where all of them are, by their names and data."""
    runs = [run for task in tasks for run in task.runs]
    theirs = all(_D4RL.search(run.task) and not run.data.startswith("own") for run in runs)
    return "Other tasks" if name == "other" and not theirs else _COLUMNS[name][0]


def _draw_task(axes: Axes, values: _Values, index: int, places: Sequence[str]) -> None:
    kinds = [kind for kind in places if kind in values]
    place = np.array([places.index(kind) for kind in kinds]) + 0.06 * (index % 5 - 2)
    means = np.array([values[kind].mean() for kind in kinds])
    reach = np.array([[means[i] - values[kind].min(), values[kind].max() - means[i]] for i, kind in enumerate(kinds)])
    color, marker = series_look(index)
    axes.errorbar(
        place, means, yerr=reach.T, color=color, marker=marker, linestyle=series_line(index), linewidth=1.2,
        markersize=5, elinewidth=0.9,
    )  # fmt: skip


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


def _finding(columns: Mapping[str, Sequence[_Task]]) -> str:
    """By how much the best known weights change the return, on average over the tasks of each column.

    Where no task has refits without weights to compare with, the refits are part of what is gained.
    """
    parts = []
    for name, tasks in columns.items():
        weighted = [task for task in tasks if task.best]
        alone = [task for task in weighted if NONE in task.earned]
        gains = [task.rows()[2][task.best] for task in alone or weighted]
        if gains:
            what = "" if alone else "together with the refits "
            parts.append(f"{_mean_gain(gains)} {_SHORT_UNITS[name]} {what}({_title(name, tasks)})")
    if not parts:
        return "No refit here has weights"
    return f"The best weights at hand change the return by {', '.join(parts)}"


def _beside_one_fit(columns: Mapping[str, Sequence[_Task]]) -> str:
    """Whose gains are no gains of weights alone, in a sentence; empty if all are."""
    tasks = [task.name for there in columns.values() for task in there if NONE not in task.earned]
    return f"Gained beside one fit, by refits and weights together: {', '.join(tasks)}." if tasks else ""


def _mean_gain(gains: Sequence[Numbers]) -> str:
    """Mean over tasks of the means over seeds, and its standard error where every task has several seeds."""
    mean = np.mean([each.mean() for each in gains])
    if min(map(len, gains)) < 2:
        return f"{mean:+.1f}"
    variance = sum(each.var(ddof=1) / len(each) for each in gains)
    return f"{mean:+.1f} ± {np.sqrt(variance) / len(gains):.1f}"
