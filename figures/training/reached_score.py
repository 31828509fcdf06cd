"""Figure `reached-score`: does it reach that score, and does it know what it is worth? A column for each task.

Upper row: the score of every seed over the updates, with the level of the data and what was published. Lower row: what
the policy earns, discounted, and what is promised before it is tried: by the critics, and by the penalized model where
there is one (means over seeds). Critics value paths that never end; where the exact return of these is known, as on
linear-Gaussian problems, it has a line of its own. Each task shows one method: of those with the most updates that of
the highest score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import Curve, read_curve, read_curves
from figures.drawing.seed_curves import LOW_RETURNS, draw_seeds, leave_out_low_returns, leave_out_low_scores
from figures.drawing.style import BLACK, BLUE, GRAY, GREEN, ORANGE, SKY, headline, new_figure, panel_title
from figures.inputs.measures import with_scores
from figures.inputs.names import train_command
from figures.inputs.published import published_scores
from figures.inputs.runs import RETURN, Run, find_all_runs
from figures.inputs.scores import averaged, not_drawn, provenance

_MOST_TASKS = 4
_ABOVE = 0.12  # of a panel's height, as room for a label
_TRUE = "evaluation/discounted_return_mean"
_PROMISES: Mapping[str, tuple[str, str, LineStyleType]] = {
    _TRUE: ("true discounted return", BLACK, "-"),
    "truth/discounted_return": ("the same of paths that never end", GREEN, (0, (1, 1))),
    "certificate/model_return": ("promised by the model, less its penalty", ORANGE, "--"),
    "certificate/value_estimate": ("promised by the critics", BLUE, "-."),
}
"""Column of metrics.csv; label, color and line."""

_SCORE, _DATA, _BEST, _PUBLISHED = "score, a seed", "the data's mean", "the data's best episode", "published"
_LINES: Mapping[str, tuple[str, LineStyleType]] = {
    _SCORE: (SKY, "-"),
    _DATA: (GRAY, "-"),
    _BEST: (GRAY, (0, (6, 3))),
    _PUBLISHED: (BLACK, ":"),
    **{label: (color, line) for label, color, line in _PROMISES.values()},
}
"""Label of the legend; color and line."""


def draw(folder: Path) -> Figure:
    """Draws the scored runs below a folder, of the first four tasks.

    Raises:
        InvalidFileError: there is none with a normalized score.
    """
    found = find_all_runs(folder, (SCORE, RETURN))
    scored, unscored = with_scores(found)
    by_task = _longest(scored)
    if not by_task:
        command = train_command("hopper-medium-replay-v2", "kit", algorithm="mopo", out=folder)
        raise InvalidFileError(
            " ".join(filter(None, [f"no scored run below {folder}. `{command}` makes one.", unscored]))
        )
    tasks = sorted(by_task)[:_MOST_TASKS]
    figure = new_figure(max(8.5, 4.2 * len(tasks)), 7.2)
    grid = figure.subplots(2, len(tasks), squeeze=False, sharex="col")
    shown: set[str] = set()
    for column, task in enumerate(tasks):
        runs = by_task[task]
        panel_title(grid[0, column], task, (f"{runs[0].algorithm} {runs[0].label}", GRAY))
        shown |= _draw_scores(grid[0, column], runs) | _draw_promises(grid[1, column], runs)
        lowest = grid[1, column]
        if not lowest.lines:
            lowest.set_axis_off()
            panel_title(lowest, "", ("no discounted returns recorded", GRAY))
            lowest = grid[0, column]
            lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("updates   (thousands)")
    grid[0, 0].set_ylabel("normalized score   (0-100)")
    for axes in [axes for axes in grid[1] if axes.lines][:1]:
        axes.set_ylabel("discounted return   (reward units)")
    handles = [
        Line2D([], [], color=color, linestyle=line, label=label)
        for label, (color, line) in _LINES.items()
        if label in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    drawn = [run for task in tasks for run in by_task[task]]
    headline(
        figure,
        _finding({task: by_task[task] for task in tasks}),
        "Above, a line is a seed; below, a mean of seeds. Of each task the method of the most updates, then the best.",
        "Gray lines: the data's mean and best episode, if recorded; dotted: published, full length, original data.",
        not_drawn(sorted(set(by_task) - set(tasks)), f"{_MOST_TASKS} tasks"),
        unscored,
        provenance(drawn, found),
    )
    return figure


def _longest(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The seeds of one method on each task: that of the most updates, among equals that of the highest score."""
    methods: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        methods.setdefault((run.task, run.algorithm, run.label), []).append(run)
    longest: dict[str, list[Run]] = {}
    for (task, *_), there in methods.items():
        if task not in longest or _rank(there) > _rank(longest[task]):
            longest[task] = there
    return longest


def _rank(runs: Sequence[Run]) -> tuple[int, float]:
    return max(run.steps or 0 for run in runs), float(np.mean([run.recent_score for run in runs]))


def _draw_scores(axes: Axes, runs: Sequence[Run]) -> set[str]:
    """Draws the scores and what they are compared with, with room above; the labels of what there is."""
    shown, levels = {_SCORE}, list(data_levels(runs[0]))
    for run in runs:
        draw_seeds(axes, [_in_updates(run, run.curve)], SKY, width=1.3)
    for label, level in zip((_DATA, _BEST), levels, strict=False):
        axes.axhline(level, color=GRAY, linestyle=_LINES[label][1], linewidth=1.2)
        shown.add(label)
    for source, score in list(published_scores(runs[0].task, runs[0].algorithm, runs[0].label).items())[:1]:
        axes.axhline(score.mean, color=BLACK, linestyle=":", linewidth=1.4)
        shown.add(_PUBLISHED)
        levels.append(score.mean)
        axes.annotate(
            f"{source}: {score.mean:.1f}", (0.01, score.mean), (0, 3), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="left", size=8.5,  # where curves are mostly lower
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
        )  # fmt: skip
    leave_out_low_scores(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(top=max([high, *(level + _ABOVE * (high - low) for level in levels)]))
    return shown


def _draw_promises(axes: Axes, runs: Sequence[Run]) -> set[str]:
    """Draws what is earned and promised; the labels of what every seed has recorded."""
    shown = set()
    found = [read_curves(run.path / "metrics.csv", _PROMISES) for run in runs]
    for name, (label, color, line) in _PROMISES.items():
        curves = [_in_updates(run, each[name]) for run, each in zip(runs, found, strict=True)]
        if all(curve.values.size for curve in curves):
            draw_seeds(axes, curves, color, line=line, band=False)
            shown.add(label)
    if leave_out_low_returns(axes):
        panel_title(axes, "", (LOW_RETURNS, GRAY))
    return shown


def data_levels(run: Run) -> tuple[float, ...]:
    """Mean and largest return of the data's episodes as normalized scores; nothing where they are not recorded.

    A score is linear in the return, and the line goes through the run's own evaluations.
    """
    if run.batch_mean is None or run.batch_max is None or run.curve.values.size < 2:
        return ()
    returns = read_curve(run.path / "metrics.csv", RETURN).values
    if len(returns) != len(run.curve.values) or np.ptp(returns) == 0.0:
        return ()
    slope, intercept = np.polyfit(returns, run.curve.values, 1)
    return tuple(float(slope * each + intercept) for each in (run.batch_mean, run.batch_max))


def _in_updates(run: Run, curve: Curve) -> Curve:
    """A curve over thousands of updates instead of epochs."""
    an_epoch = 1.0 if run.steps is None else run.steps / run.epochs / 1000.0
    return Curve(np.asarray(curve.epochs * an_epoch), curve.values)


def _finding(by_task: Mapping[str, Sequence[Run]]) -> str:
    """What each task's method reached, beside its data."""
    parts = []
    for task, runs in by_task.items():
        reached, levels = float(np.mean([run.recent_score for run in runs])), data_levels(runs[0])
        parts.append(f"{task} {reached:.0f}" + (f" (data {levels[0]:.0f})" if levels else ""))
    last = averaged(run for runs in by_task.values() for run in runs)
    return f"Means of the last {last} evaluations: {', '.join(parts)}"
