"""Figure `theorem1-deep`: both sides of Theorem 1 for trained deep models, epoch by epoch. One column a run's method.

Above: the gap |J(pi, P_hat) - J(pi, P*)| with a band of two standard errors, Theorem 1's bound with the constant
sqrt(2) and with the sharp one, from the model part of D_pi and two standard errors, and r_max, which no gap of rewards
in [0, r_max] exceeds. Below: the sharp bound over the gap and two standard errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from figures.drawing.style import BLACK, BLUE, GRAY, ORANGE, headline, new_figure, panel_title
from figures.inputs.runs import Run
from figures.training.lqr_runs import curve_of, draw_measured, find_lqr_runs, provenance

_MOST = 4  # columns
_GAP, _SHARP, _BOUND = "truth/theorem1_gap", "truth/theorem1_sharp_bound", "truth/theorem1_bound"
_SLACK = "truth/theorem1_slack"
_R_MAX = 1.0  # of the tasks lqr-...-bounded
_LEAST_SHOWN = 1e-5


def draw(folder: Path) -> Figure:
    """Draws the runs below a folder that recorded Theorem 1's sides.

    Raises:
        InvalidFileError: there is none.
    """
    runs = find_lqr_runs(folder, _GAP, "lqr-pointmass-bounded")
    methods = sorted({(run.task, run.algorithm, run.label) for run in runs})[:_MOST]
    figure = new_figure(max(8.0, 3.6 * len(methods)), 6.6)
    grid = figure.subplots(2, len(methods), squeeze=False, sharex=True, sharey="row", height_ratios=(2.0, 1.0))
    for (above, below), method in zip(grid.T, methods, strict=True):
        there = [run for run in runs if (run.task, run.algorithm, run.label) == method]
        panel_title(above, f"{method[1]} {method[2]}, {method[0]}")
        above.axhline(_R_MAX, color=GRAY, linestyle="--", linewidth=1.2)
        draw_measured(above, there, _BOUND, ORANGE)
        draw_measured(above, there, _SHARP, BLUE)
        draw_measured(above, there, _GAP, BLACK, width=2.2)
        draw_measured(below, there, _SLACK, BLUE)
        for axes in (above, below):
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0, 0].set_ylim(bottom=_LEAST_SHOWN)
    grid[0, 0].set_ylabel("reward a step")
    grid[1, 0].set_ylabel("slack")
    handles = [
        Line2D([], [], color=BLACK, linewidth=2.2, label="gap |J(π, P̂) - J(π, P*)|"),
        Line2D([], [], color=BLUE, label="Theorem 1, sharp constant"),
        Line2D([], [], color=ORANGE, label="Theorem 1, √2"),
        Line2D([], [], color=GRAY, linestyle="--", label="trivial: r_max"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    headline(figure, *_finding([run for run in runs if (run.task, run.algorithm, run.label) in methods]))
    return figure


def _finding(runs: list[Run]) -> tuple[str, str]:
    """In how many evaluations each bound says more than nothing, and how the runs came about."""
    sharp, bound, slack = (
        np.concatenate([curve_of(run, column).values for run in runs]) for column in (_SHARP, _BOUND, _SLACK)
    )
    finding = f"The sharp bound is below r_max in {np.sum(sharp < _R_MAX)} of {len(sharp)} evaluations"
    detail = (
        f"The one with √2: in {np.sum(bound < _R_MAX)}. The smallest slack of the sharp bound is {slack.min():.2g}.\n"
    )
    return finding, detail + provenance(runs)
