"""Figure `learning-curves`: scores and value estimates of every run, epoch by epoch. One column a task.

Upper row: normalized score, lower row: what the critic says (at the starts of episodes where an algorithm records
it, otherwise over its batches). Lines are means over seeds, bands reach from the lowest to the highest seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ampl.errors import InvalidFileError
from ampl.metrics_table import read_metrics
from figures.records import Numbers
from figures.runs import Run, find_runs
from figures.scores import distinct, step_range
from figures.seed_curves import draw_seeds
from figures.style import SERIES_COLORS, headline, new_figure, panel_title, series_look

_ALGORITHMS = ("ampl", "mopo", "damo")
_VALUES = ("certificate/value_estimate", "critic/start_value_mean", "critic/value_mean")
_MOST_TASKS = 6
_Line: TypeAlias = Literal["-", "--", ":", "-."]
_LINES: tuple[_Line, ...] = ("-", "--", ":", "-.")


def draw(folder: Path) -> Figure:
    """Draws the scored runs below a folder, the first six tasks.

    Raises:
        InvalidFileError: there is none.
    """
    runs = [run for name in _ALGORITHMS for run in find_runs(folder, name) if run.scored]
    if not runs:
        raise InvalidFileError(
            f"no scored run below {folder}. `ampl train mopo hopper-medium-replay-v2 --out {folder}` makes one."
        )
    tasks = sorted({run.task for run in runs})[:_MOST_TASKS]
    methods = list(dict.fromkeys((run.algorithm, run.variant) for run in runs if run.task in tasks))
    figure = new_figure(max(7.0, 4.2 * len(tasks)), 7.4)
    grid = figure.subplots(2, len(tasks), squeeze=False, sharex="col")
    for column, task in enumerate(tasks):
        for index, method in enumerate(methods):
            there = [run for run in runs if run.task == task and (run.algorithm, run.variant) == method]
            if there:
                color, line = _look(index)
                draw_seeds(grid[0, column], [run.score for run in there], color, line=line)
                draw_seeds(grid[1, column], [_value(run) for run in there], color, line=line)
        grid[1, column].set_xlabel("epoch")
        panel_title(grid[0, column], task)
    grid[0, 0].set_ylabel("normalized score   (0-100)")
    grid[1, 0].set_ylabel("critic's value   (reward units)")
    handles = [
        Line2D([], [], color=_look(index)[0], linestyle=_look(index)[1], label=f"{algorithm} {variant}")
        for index, (algorithm, variant) in enumerate(methods)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    headline(figure, *_finding([run for run in runs if run.task in tasks]))
    return figure


def _look(index: int) -> tuple[str, _Line]:
    """Color and line style; colors repeat in another style."""
    return series_look(index)[0], _LINES[index // len(SERIES_COLORS) % len(_LINES)]


def _value(run: Run) -> Numbers:
    metrics = read_metrics(run.path / "metrics.csv")
    return next((metrics[name] for name in _VALUES if name in metrics), np.zeros(0))


def _finding(runs: Sequence[Run]) -> tuple[str, str]:
    """The best mean score of the last evaluations, and how all runs came about: the headline and the line below it."""
    scores: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        scores.setdefault((run.task, run.algorithm, run.variant), []).append(run.recent_score)
    best = max(scores, key=lambda key: float(np.mean(scores[key])))
    finding = f"Highest score: {np.mean(scores[best]):.1f}, {best[1]} {best[2]} on {best[0]}"
    detail = "Means over seeds of the last evaluations; bands: lowest to highest seed. "
    detail += "Values: at the starts of episodes where a run recorded them, otherwise over its batches.\n"
    detail += f"Data: {distinct(run.data for run in runs)}; steps: {step_range(runs)}; "
    detail += f"device: {distinct(run.device for run in runs)}; commit: {distinct(run.commit for run in runs)}."
    return finding, detail
