"""Violins: how values are distributed, estimated from all of them and drawn with dashed quartiles.

The density is a Gaussian kernel estimate with Scott's bandwidth (standard deviation times N^(-1/5)), on the range of
the values and two bandwidths beyond, as in the paper's Figure 2. It is computed on bins, so that it takes no more than
the summary that runs keep of their weights, and two million values take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ampl.runs.weights_summary import N_BINS, QUARTERS, WeightsSummary
from figures.drawing.style import BLACK, VERMILLION

Numbers = NDArray[np.float64]

HALF_WIDTH = 0.36  # of the widest place of a violin; positions are 1 apart
LEFT, RIGHT = -1, 1  # the halves of a violin

_TAIL = 2.0  # bandwidths drawn beyond the extremes
_MOST_LABELS = 10  # of violins below a panel
_LEAST_HEIGHT = 1e-4  # of a panel's scale
_ROUNDING = 1e-6  # values closer together than this are one value, in float32 near 1
_DASHES = ((0, (2, 2)), (0, (4, 2)), (0, (2, 2)))  # of the quartile lines; the median's are longer
_SHORTEST = 0.2  # of the half width: a quartile line where the violin is thin


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What a violin shows.

    Attributes:
        place: [G] values, ascending; one entry if all values are the same; none if there are no values.
        density: [G] relative to the largest, in [0, 1].
        quartile: [3] first quartile, median, third quartile; NaN if there are no values.
        low, high: the extremes; NaN likewise.
        excluded: share of the values that were -inf and are left out, in [0, 1].
    """

    place: Numbers
    density: Numbers
    quartile: Numbers
    low: float
    high: float
    excluded: float

    @property
    def span(self) -> float:
        """Distance of the extremes; infinite if values were left out, NaN if there are none."""
        return np.inf if self.excluded > 0.0 and self.place.size else self.high - self.low


def describe(values: NDArray[Any]) -> Distribution:
    """The distribution of values, [N], which may be -inf (the log of zero)."""
    return distribution(WeightsSummary.of_logs(values))


def distribution(summary: WeightsSummary) -> Distribution:
    """The same of values of which only this is known."""
    place, density = _density(summary)
    return Distribution(
        place=place,
        density=density,
        quartile=summary.quantiles[QUARTERS],
        low=float(summary.quantiles[0]),
        high=float(summary.quantiles[-1]),
        excluded=summary.zeros / summary.number,
    )


def draw_violins(axes: Axes, distributions: Sequence[Distribution], color: str, half: int | None = None) -> None:
    """Violins at 1, 2, 3, ...; values left out (log of zero) are counted below them."""
    for position, distribution in enumerate(distributions, start=1):
        _draw_violin(axes, position, distribution, color, half)
        if distribution.excluded > 0.0 and half is None:
            place: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": VERMILLION}
            axes.text(position, 0.015, percentage(distribution.excluded), transform=axes.get_xaxis_transform(), **place)


def set_scale(axes: Axes, labels: Sequence[int], values: Iterable[float], *, room_below: bool) -> None:
    """One place a label on the x axis, and a y axis that holds all values and perhaps a line of text below them."""
    step = -(-len(labels) // _MOST_LABELS)
    axes.set_xticks(range(1, len(labels) + 1, step), [str(label) for label in labels[::step]])
    axes.set_xlim(0.4, len(labels) + 0.6)
    axes.grid(axis="x", visible=False)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    drawn = np.array([value for value in values if np.isfinite(value)])
    if drawn.size:
        height = max(float(np.ptp(drawn)), _LEAST_HEIGHT)
        middle = float(drawn.max() + drawn.min()) / 2.0
        axes.set_ylim(middle - (0.68 if room_below else 0.55) * height, middle + 0.55 * height)


def percentage(share: float) -> str:
    """A share in [0, 1] as text that never rounds to none or all: "<1 %", "12 %", ">99 %"."""
    if 0.0 < share < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < share < 1.0 else f"{100.0 * share:.0f} %"


def _draw_violin(axes: Axes, position: float, distribution: Distribution, color: str, half: int | None = None) -> None:
    """Draws a violin around `position`, or only its LEFT or RIGHT half; nothing if there are no values."""
    place, width = distribution.place, HALF_WIDTH * distribution.density
    if not place.size:
        return
    left = position - (0.0 if half == RIGHT else 1.0) * width
    right = position + (0.0 if half == LEFT else 1.0) * width
    if place.size == 1:
        axes.hlines(place, left, right, color=color, linewidth=3.0)
    else:
        axes.fill_betweenx(place, left, right, facecolor=color, edgecolor=color, alpha=0.55, linewidth=0.8)
    widths = np.maximum(np.interp(distribution.quartile, place, width), _SHORTEST * HALF_WIDTH)
    for value, reach, dash in zip(distribution.quartile, widths, _DASHES, strict=True):
        ends = (position - (0.0 if half == RIGHT else reach), position + (0.0 if half == LEFT else reach))
        axes.hlines(value, *ends, color=BLACK, linewidth=1.0, linestyle=dash)


def _density(summary: WeightsSummary) -> tuple[Numbers, Numbers]:
    """Where the density is known, and the density there relative to its largest value."""
    low, high = summary.quantiles[[0, -1]]
    if not summary.counts.any():
        return np.zeros(0), np.zeros(0)
    if high - low < _ROUNDING:
        return np.array([np.median(summary.quantiles[QUARTERS])]), np.ones(1)
    step = (high - low) / N_BINS
    bandwidth = max(summary.deviation * float(summary.counts.sum()) ** -0.2, step)
    tail, reach = round(_TAIL * bandwidth / step), min(int(np.ceil(4.0 * bandwidth / step)), N_BINS // 2)
    counts = np.pad(summary.counts, tail)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / bandwidth) ** 2)
    density = np.convolve(counts, kernel)[reach : reach + counts.size]
    return low + step * (np.arange(counts.size) - tail + 0.5), density / density.max()
