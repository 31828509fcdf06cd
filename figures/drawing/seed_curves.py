"""Curves of several seeds in one panel: a line for their mean, a band from the lowest to the highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.typing import LineStyleType
from numpy.typing import NDArray

from ampl.runs.metrics_table import Curve
from figures.drawing.style import LOWEST_SCORE
from figures.inputs.records import Numbers

LOW_RETURNS = "lower returns of the first policies are left out"
_FAR = 5.0  # times the reference, or the later returns: beyond it the axis becomes logarithmic, or ends


def draw_seeds(
    axes: Axes,
    curves: Sequence[Curve],
    color: str | tuple[float, float, float, float],
    *,
    line: LineStyleType = "-",
    width: float = 1.6,
    band: bool = True,
) -> None:
    """Draws the mean over seeds and the range, at the epochs that `stacked` says; nothing without any.

    Args:
        axes: the panel.
        curves: of each seed, at least one.
        color: of line and band.
        line: its style.
        width: of the line, in points.
        band: whether the range is drawn.
    """
    epochs, values = stacked(curves)
    if not len(epochs):
        return
    axes.plot(epochs, np.nanmean(values, axis=0), color=color, linestyle=line, linewidth=width)
    if band and len(values) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        axes.fill_between(epochs, low, high, color=to_rgba(color, 0.13), linewidth=0)


def stacked(curves: Sequence[Curve]) -> tuple[NDArray[Any], Numbers]:
    """Curves of several seeds side by side, at the epochs that all seeds which go so far were measured at.

    Returns:
        [epochs] them, and [seeds, epochs] the values, NaN beyond the end of a shorter curve.
    """
    every = np.unique(np.concatenate([curve.epochs for curve in curves]))
    there = np.array([np.isin(every, curve.epochs) for curve in curves])
    ended = np.array([every > curve.epochs.max(initial=-1) for curve in curves])
    values = np.full(there.shape, np.nan)
    values[there] = np.concatenate([curve.values for curve in curves])
    kept = (there | ended).all(axis=0)
    return every[kept], values[:, kept]


def leave_out_low_scores(axes: Axes) -> None:
    """Ends a panel of scores at the lowest that is shown, unless all lie below."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines] or [np.zeros(1)])
    if drawn.min() < LOWEST_SCORE < drawn.max():
        axes.set_ylim(LOWEST_SCORE, drawn.max() + 0.05 * (drawn.max() - LOWEST_SCORE))


def leave_out_low_returns(axes: Axes) -> bool:
    """Ends a panel of returns where the later half of its curves does, if early ones lie far below; says whether."""
    returns = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines]
    if not returns:
        return False
    later = np.concatenate([values[len(values) // 2 :] for values in returns])
    if np.concatenate(returns).min() >= -_FAR * np.abs(later).max():
        return False
    height = np.ptp(later) or np.abs(later).max()
    axes.set_ylim(later.min() - height, later.max() + height)
    return True


def fold_far_values(axes: Axes, values: Sequence[Numbers], reference: Sequence[Numbers]) -> bool:
    """Makes the vertical axis logarithmic beyond the reference where values go five times farther; says whether."""
    size = max((float(np.abs(each).max()) for each in reference if each.size), default=0.0)
    most = max((float(np.abs(each).max()) for each in values if each.size), default=0.0)
    if size <= 0.0 or most <= _FAR * size:
        return False
    axes.set_yscale("symlog", linthresh=size)
    return True
