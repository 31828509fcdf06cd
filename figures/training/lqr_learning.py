"""Figure `lqr-learning`: what each algorithm learns on linear-Gaussian problems, and what it believes. One row a task.

Left: scores, 0 being the return of the policy that collected the data (dotted) and 100 the optimum's (dashed), both
exact. Then what models and, beside them, critics promise of the discounted return, minus the true one; above zero they
promise too much. Paths of a model are as long as an episode and are set beside episodes from the same starts; critics
value paths that never end, as the exact return does. These axes leave out what lies far off, as before an algorithm has
learned anything. Where one method ends five times as far from zero as half of the methods do, the axis is logarithmic
beyond these, so that they do not lie on zero. Lines are means over seeds, bands reach from the lowest to the highest
seed. Right, where runs have them: the weights of the last retraining of the first seed beside the exact ones, one point
a transition.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.seed_curves import draw_seeds, fold_far_values
from figures.drawing.style import (
    GRAY,
    LOWEST_SCORE,
    SERIES_COLORS,
    headline,
    literal,
    new_figure,
    panel_title,
    series_line,
    series_look,
)
from figures.inputs.names import MAIN, train_command
from figures.inputs.records import Numbers
from figures.inputs.runs import Run, find_all_runs
from figures.inputs.scores import not_drawn, provenance
from figures.inputs.weights import read_exact_weights, read_weights

_PREFIX = "lqr-"
_FIRST = ("ampl", "damo", "mopo")  # algorithms; the others follow
_MOST_TASKS, _MOST_METHODS = 3, 6
_PROMISES = {
    "the model, an episode": ("certificate/model_return", "evaluation/discounted_return_mean"),
    "the critics, for ever": ("certificate/value_estimate", "truth/discounted_return"),
}
"""Who promises over which horizon; columns of the promise, and of the truth over as many steps."""

_MOST_POINTS = 2000  # of a method's weights
_LEAST_WEIGHT = 1e-6  # what is below is drawn there
_GRAY = "#777777"
_COLORS = [color for color in SERIES_COLORS if color != GRAY]
_PANEL_WIDTH = 48  # letters
_MOST_DECADES = 4  # that are named on a side of zero


def draw(folder: Path) -> Figure:
    """Draws the runs on tasks lqr-... below a folder.

    Raises:
        InvalidFileError: there is none.
    """
    found = [run for run in find_all_runs(folder) if run.task.startswith(_PREFIX)]
    runs = [run for run in found if run.scored]
    if not runs:
        command = train_command("lqr-pointmass", MAIN, algorithm="mopo", out=folder)
        raise InvalidFileError(f"no scored run on a task {_PREFIX}... below {folder}. `{command}` makes one.")
    every = sorted({run.task for run in runs})
    tasks = every[:_MOST_TASKS]
    methods = sorted({(run.algorithm, run.label) for run in runs if run.task in tasks})
    methods.sort(key=lambda method: method[0] not in _FIRST)
    methods, left_out = methods[:_MOST_METHODS], methods[_MOST_METHODS:]
    runs = [run for run in runs if run.task in tasks and (run.algorithm, run.label) in methods]
    weighted = {(run.task, run.algorithm, run.label): kept for run in reversed(runs) if (kept := _weights(run))}
    columns = 4 if any(task in tasks for task, *_ in weighted) else 3
    figure = new_figure(4.0 * columns + 1.0, 1.8 + 3.4 * len(tasks))
    grid = figure.subplots(len(tasks), columns, squeeze=False)
    for row, task in enumerate(tasks):
        drawn = {
            method: [run for run in runs if (run.task, run.algorithm, run.label) == (task, *method)]
            for method in methods
        }
        _draw_scores(grid[row, 0], drawn)
        for axes, (who, columns_of) in zip(grid[row, 1:3], _PROMISES.items(), strict=True):
            folded = _draw_promises(axes, drawn, *columns_of)
            panel_title(axes, f"Promised by {who}", *([("logarithmic far from zero", GRAY)] if folded else []))
        panel_title(grid[row, 0], task, *_never_shown(drawn))
        if columns == 4:
            _draw_weights(grid[row, 3], {method: weighted.get((task, *method)) for method in methods})
    for axes in grid[:, :3].flat:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [
        Line2D([], [], color=_look(index)[0], linestyle=series_line(index), label=literal(" ".join(method)))
        for index, method in enumerate(methods)
    ]
    handles += [
        Line2D([], [], color=_GRAY, linestyle="--", label="optimum"),
        Line2D([], [], color=_GRAY, linestyle=":", label="behavior"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    missing = not_drawn(every[_MOST_TASKS:], f"{_MOST_TASKS} tasks")
    others = not_drawn(map(" ".join, left_out), f"{_MOST_METHODS} methods")
    headline(figure, *_finding(runs, tasks[0]), missing, others, provenance(runs, found))
    return figure


def _look(index: int) -> tuple[str, str]:
    """Color and marker of a method: none is gray, as what they are compared with is."""
    return _COLORS[index % len(_COLORS)], series_look(index)[1]


def _draw_scores(axes: Axes, drawn: dict[tuple[str, str], list[Run]]) -> None:
    for height, line in ((0.0, ":"), (100.0, "--")):
        axes.axhline(height, color=_GRAY, linestyle=line, linewidth=1.2)
    for index, there in enumerate(drawn.values()):
        if there:
            draw_seeds(axes, [run.curve for run in there], _look(index)[0], line=series_line(index))
    axes.set_ylim(LOWEST_SCORE, 110.0)
    axes.set_ylabel("score (behavior 0, optimum 100)")


def _never_shown(drawn: dict[tuple[str, str], list[Run]]) -> list[tuple[str, str]]:
    """What to say of each method whose scores are all too low to be seen, in lines of its color that fit the panel."""
    return [
        (line, _look(index)[0])
        for index, (method, runs) in enumerate(drawn.items())
        if runs and all((run.curve.values < LOWEST_SCORE).all() for run in runs)
        for line in wrap(
            f"{' '.join(method)}: below, on average {np.mean([run.last_score for run in runs]):,.0f} at the end",
            _PANEL_WIDTH,
        )
    ]


def _draw_promises(axes: Axes, drawn: dict[tuple[str, str], list[Run]], promise: str, truth: str) -> bool:
    """Draws what is promised minus the truth; says whether the axis is logarithmic far from zero."""
    axes.axhline(0.0, color=_GRAY, linewidth=1.2)
    last = []  # of each method, how far its seeds end from zero
    for index, there in enumerate(drawn.values()):
        if curves := [_difference(run, promise, truth) for run in there]:
            draw_seeds(axes, curves, _look(index)[0], line=series_line(index))
            last.append(np.array([abs(curve.values[-1]) for curve in curves if len(curve.values)]))
    axes.set_ylabel("promised minus true return")
    last = sorted((each for each in last if each.size), key=np.mean)
    if not last:
        return False
    nearer = last[: (len(last) + 1) // 2]
    folded = fold_far_values(axes, last, nearer)
    size = max(float(each.max()) for each in last)
    if folded:
        _name_decades(axes, max(float(each.max()) for each in nearer), size)
    axes.set_ylim(-2.0 * size, 2.0 * size)  # untrained policies and critics are far outside
    return folded


def _name_decades(axes: Axes, linear: float, most: float) -> None:
    """Names zero and powers of ten on both sides of it, from where the vertical axis becomes logarithmic."""
    powers = np.arange(np.ceil(np.log10(linear)), np.log10(2.0 * most))
    decades = 10.0 ** powers[:: -(-len(powers) // _MOST_DECADES)]
    axes.set_yticks([*-decades, 0.0, *decades])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


class _Weights(NamedTuple):
    epoch: int  # of the retraining
    estimated: Numbers  # [N]
    exact: Numbers  # [N]


def _weights(run: Run) -> _Weights | None:
    """The last retraining's; None if there is none, or the exact ones are not known."""
    for epoch, path in reversed(run.snapshots().items()):
        exact = read_exact_weights(path)
        if exact is not None:
            return _Weights(epoch, read_weights(path), exact)
    return None


def _draw_weights(axes: Axes, found: dict[tuple[str, str], _Weights | None]) -> None:
    """Estimated against exact weights, each method's in its color and marker; without any there is no panel."""
    if not any(found.values()):
        axes.remove()
        return
    low, high, notes = 1.0, 1.0, list[tuple[str, str]]()
    for index, (method, weights) in enumerate(found.items()):
        if weights is not None:
            shown = slice(None, None, max(1, len(weights.exact) // _MOST_POINTS))
            exact, estimated = (np.maximum(each[shown], _LEAST_WEIGHT) for each in (weights.exact, weights.estimated))
            color, marker = _look(index)
            axes.scatter(exact, estimated, s=4, color=color, marker=marker, alpha=0.4, linewidths=0)
            ends = np.percentile((exact, estimated), [0.5, 99.9])
            low, high = min(low, ends[0]), max(high, ends[1])
            worth = [each.sum() ** 2 / len(each) / np.square(each).sum() for each in (weights.estimated, weights.exact)]
            note = f"{' '.join(method)}: w worth {worth[0]:.0%} of the rows, w* {worth[1]:.0%}"
            notes += [(line, color) for line in wrap(note, _PANEL_WIDTH)]
    low, high = 0.8 * low, 1.25 * high
    axes.plot([low, high], [low, high], color=_GRAY, linestyle="--", linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="exact weight w*  (dashed: w = w*)", ylabel="estimated weight w")
    epochs = sorted({weights.epoch for weights in found.values() if weights})
    panel_title(axes, f"Weights after epoch {', '.join(map(str, epochs))}", *notes)


def _difference(run: Run, promise: str, truth: str) -> Curve:
    """A promise minus the truth, where both were measured."""
    promised, true = (read_curve(run.path / "metrics.csv", column) for column in (promise, truth))
    epochs = np.intersect1d(promised.epochs, true.epochs)
    values = [curve.values[np.isin(curve.epochs, epochs)] for curve in (promised, true)]
    return Curve(epochs, values[0] - values[1])


def _finding(runs: list[Run], task: str) -> tuple[str, str]:
    """How far each algorithm came on the first task, and how to read it."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        if run.task == task:
            scores.setdefault(" ".join((run.algorithm, run.label)), []).append(float(run.curve.values[-1]))
    came = ", ".join(f"{name} {np.mean(last):,.0f}" for name, last in sorted(scores.items()))
    subtitle = "Last scores; 100 is the optimum. Returns are discounted; a model's are of an episode's length."
    return f"On {task}: {came}", subtitle
