"""Figure `return-gap`: where the gap to the optimum comes from on linear-Gaussian problems. One panel a task and
method.

J(pi*) - J(pi) is the sum of three parts (see `continuous.algorithms.return_gap`): what better planning in the model
would bring, and the model's error where data are dense and where they are not. Dotted: how much the learned reward
promises too much where the model goes; it is no part of the gap, whose parts have one reward, but what an algorithm
that believes it optimizes. Lines are means over seeds, bands two standard errors to each side; what is far outside the
range of the second half of the epochs is left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from figures.drawing.style import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    headline,
    new_figure,
    panel_title,
    series_line,
)
from figures.inputs.runs import Run
from figures.inputs.scores import not_drawn, provenance
from figures.training.lqr_runs import curve_of, draw_measured, find_lqr_runs

_MOST, _COLUMNS = 9, 3  # panels
_TICKS = 5  # about
_DECADES = 6  # to each side of zero
_GAP = "truth/return_gap"
_PARTS = {
    "optimization": ("truth/gap_optimization", BLUE, series_line(1)),
    "model error, data dense": ("truth/gap_dense", GREEN, series_line(2)),
    "model error, data sparse": ("truth/gap_sparse", ORANGE, series_line(5)),
}
_REWARD = "truth/reward_overestimation"


def draw(folder: Path) -> Figure:
    """Draws the runs below a folder that split their return gap.

    Raises:
        InvalidFileError: there is none.
    """
    runs, lost = find_lqr_runs(folder, _GAP, "lqr-pointmass")
    every = sorted({(run.task, run.algorithm, run.label) for run in runs})
    panels = every[:_MOST]
    runs = [run for run in runs if (run.task, run.algorithm, run.label) in panels]
    columns = 2 if len(panels) == 4 else min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure = new_figure(max(8.0, 3.6 * columns), 2.0 + 3.0 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel_title(axes, panel[0], (" ".join(panel[1:]), GRAY))
        _draw_parts(axes, [run for run in runs if (run.task, run.algorithm, run.label) == panel])
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel("discounted return")
    handles = [Line2D([], [], color=BLACK, linewidth=2.6, label="gap to the optimum")]
    handles += [Line2D([], [], color=color, linestyle=line, label=name) for name, (_, color, line) in _PARTS.items()]
    handles += [Line2D([], [], color=PURPLE, linestyle=":", label="what the learned reward promises too much")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if columns > 2 else 2)
    missing = not_drawn(map(" ".join, every[_MOST:]), f"{_MOST} methods")
    headline(figure, *_finding(runs), missing, provenance(runs, lost))
    return figure


def _draw_parts(axes: Axes, runs: list[Run]) -> None:
    columns = (_GAP, _REWARD, *(column for column, *_ in _PARTS.values()))
    curves = [curve_of(run, column).values for run in runs for column in columns]
    late = np.concatenate([values[len(values) // 2 :] for values in curves])  # before, policies may diverge
    last = max(abs(float(curve_of(run, _GAP).values[-1])) for run in runs)
    linear = float(np.clip(10.0 ** np.floor(np.log10(max(last, 1e-9))), 0.01, 10.0))
    linear = max(linear, 10.0 ** (np.floor(np.log10(np.abs(late).max() + 1e-9)) - _DECADES))
    axes.set_yscale("symlog", linthresh=linear)
    locator = SymmetricalLogLocator(axes.yaxis.get_transform())
    locator.set_params(numticks=_TICKS)
    axes.yaxis.set_major_locator(locator)
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    draw_measured(axes, runs, _GAP, BLACK, width=2.6)
    for column, color, line in _PARTS.values():
        draw_measured(axes, runs, column, color, line=line)
    draw_measured(axes, runs, _REWARD, PURPLE, line=":")
    axes.set_ylim(min(3.0 * late.min(), -linear), max(10.0 * late.max(), linear))


def _finding(runs: list[Run]) -> tuple[str, str, str]:
    """How much of the last gaps is the error of the model; of several seeds of a method their means."""
    last: dict[str, dict[int, tuple[float, float]]] = {}  # by method and seed
    small = 0
    for run in runs:
        gap, *error = (curve_of(run, column).values[-1] for column in (_GAP, "truth/gap_dense", "truth/gap_sparse"))
        small += abs(sum(error)) < abs(gap) / 2.0
        last.setdefault(f"{run.algorithm} {run.label}, {run.task}", {})[run.seed] = sum(error), gap
    shown = []
    for method, seeds in last.items():
        of_error, of_gap = np.mean(list(seeds.values()), axis=0)
        over = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else f"seed {min(seeds)}"
        shown.append(f"{of_error:.2g} of {of_gap:.2g} ({method}, {over})")
    finding = f"Model error is the smaller part of the last gap in {small} of {len(runs)} runs"
    subtitle = "The three parts add up to the gap J(π*) - J(π), π* the Riccati policy. Bands: two standard errors."
    return finding, subtitle, f"The model's error in the last gap: {', '.join(shown)}."
