"""Figure `theorem1-deep`: both sides of Theorem 1 for trained deep models, epoch by epoch. One column a run's method.

Above: the gap |J(pi, P_hat) - J(pi, P*)| with a band of two standard errors (where it is not larger than these, an
arrow down from their sum with it, for the gap is anything below), Theorem 1's bound with the constant sqrt(2) and with
the sharp one, from the model part of D_pi and two standard errors, and r_max, which no gap of rewards in [0, r_max]
exceeds. Below: the sharp bound over the gap and two standard errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from ampl.runs.metrics_table import Curve
from figures.drawing.style import BLACK, BLUE, GRAY, ORANGE, headline, new_figure, panel_title
from figures.inputs.runs import Run
from figures.inputs.scores import not_drawn, provenance
from figures.training.lqr_runs import ERRORS, curve_of, draw_measured, find_lqr_runs, measured

_MOST = 4  # columns
_GAP, _SHARP, _BOUND = "truth/theorem1_gap", "truth/theorem1_sharp_bound", "truth/theorem1_bound"
_R_MAX = 1.0  # of the tasks lqr-...-bounded


def draw(folder: Path) -> Figure:
    """Draws the runs below a folder that recorded Theorem 1's sides.

    Raises:
        InvalidFileError: there is none.
    """
    runs, lost = find_lqr_runs(folder, _GAP, "lqr-pointmass-bounded")
    every = sorted({(run.task, run.algorithm, run.label) for run in runs})
    methods = every[:_MOST]
    figure = new_figure(max(8.0, 3.6 * len(methods)), 6.6)
    grid = figure.subplots(2, len(methods), squeeze=False, sharex=True, sharey="row", height_ratios=(2.0, 1.0))
    for (above, below), method in zip(grid.T, methods, strict=True):
        there = [run for run in runs if (run.task, run.algorithm, run.label) == method]
        panel_title(above, f"{method[1]} {method[2]}, {method[0]}")
        above.axhline(_R_MAX, color=GRAY, linestyle=":", linewidth=1.2)
        draw_measured(above, there, _BOUND, ORANGE, line="-.")
        draw_measured(above, there, _SHARP, BLUE)
        _draw_gap(above, there)
        below.plot(*_slack(there), color=BLUE, linewidth=1.6)
        for axes in (above, below):
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0, 0].set_ylabel("reward a step")
    grid[1, 0].set_ylabel("slack")
    handles = [
        Line2D([], [], color=BLACK, linewidth=2.2, marker="o", markersize=4, label="gap |J(π, P̂) - J(π, P*)|"),
        Line2D([], [], color=BLACK, linestyle="", marker="v", label="gap at most this"),
        Line2D([], [], color=BLUE, label="Theorem 1, sharp constant"),
        Line2D([], [], color=ORANGE, linestyle="-.", label="Theorem 1, √2"),
        Line2D([], [], color=GRAY, linestyle=":", label="trivial: r_max"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    drawn = [run for run in runs if (run.task, run.algorithm, run.label) in methods]
    missing = not_drawn(map(" ".join, every[_MOST:]), f"{_MOST} methods")
    headline(figure, *_finding(drawn), missing, provenance(drawn, lost))
    return figure


def _draw_gap(axes: Axes, runs: list[Run]) -> None:
    """The mean over seeds: lines where it exceeds two standard errors, and otherwise what it is at most."""
    epochs, gap, error = measured(runs, _GAP)
    clear = gap > ERRORS * error
    axes.plot(epochs, np.where(clear, gap, np.nan), color=BLACK, linewidth=2.2, marker="o", markersize=4)
    low, high = (np.where(clear, gap + sign * ERRORS * error, np.nan) for sign in (-1.0, 1.0))
    axes.fill_between(epochs, low, high, color=to_rgba(BLACK, 0.18), linewidth=0)
    most = (gap + ERRORS * error)[~clear]
    axes.plot(epochs[~clear], most, color=BLACK, linestyle="", marker="v", markersize=7)


def _slack(runs: list[Run]) -> Curve:
    """The sharp bound over the gap and two of its standard errors, of the means over seeds; inf where these are 0."""
    epochs, gap, error = measured(runs, _GAP)
    _, sharp, _ = measured(runs, _SHARP)
    most = gap + ERRORS * error
    return Curve(epochs, np.divide(sharp, most, out=np.full(len(sharp), np.inf), where=most > 0.0))


def _finding(runs: list[Run]) -> tuple[str, str]:
    """In how many evaluations each bound says more than nothing, and how far the sharp one is from the gap."""
    sharp, bound = (np.concatenate([curve_of(run, column).values for run in runs]) for column in (_SHARP, _BOUND))
    slack = np.concatenate([_slack([run]).values for run in runs])
    finding = f"The sharp bound is below r_max in {np.sum(sharp < _R_MAX)} of {len(sharp)} evaluations"
    subtitle = (
        f"The one with √2: in {np.sum(bound < _R_MAX)}. The smallest slack of the sharp bound is {slack.min():.2g}."
    )
    return finding, subtitle
