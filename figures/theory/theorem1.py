"""Figure `theorem1`: the return gap against every bound of it, one panel a bound, one point an MDP.

Source: theory.md, section 4. A point above the diagonal breaks the bound of its panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from figures.drawing.style import BLACK, GREEN, VERMILLION, headline, literal, new_figure, panel_title, series_look
from figures.inputs.records import INFINITE, Numbers, Record, Texts, record_source

_ZERO_GAP = 1e-12  # below it a gap is rounding error: not drawn, never a violation
_TOLERANCE = 1e-9  # relative; a bound met with equality is not broken
_SHADE: dict[str, Any] = {"color": VERMILLION, "alpha": 0.08, "linewidth": 0}


@dataclass(frozen=True, kw_only=True)
class Theorem1Record(Record):
    """The return gap and B bounds of it, on N MDPs."""

    family: Annotated[Texts, "N"]  # what kind of MDP
    gap: Annotated[Numbers, "N"]  # of the normalized returns, in units of reward_bound per step
    bound_name: Annotated[Texts, "B"]
    bound: Annotated[Numbers, "N", "B", INFINITE]  # same unit as the gap
    discount: Annotated[Numbers, "N"]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = Theorem1Record.read(path, "theorem1")
    visible = record.gap >= _ZERO_GAP  # [N]
    broken = visible[:, None] & (record.gap[:, None] > record.bound * (1.0 + _TOLERANCE))  # [N, B]
    limits = _limits(record.bound[visible]), _limits(record.gap[visible])

    n_bounds = len(record.bound_name)
    columns = n_bounds if n_bounds <= 4 else min((4, 3), key=lambda count: -n_bounds % count)
    rows = -(-n_bounds // columns)
    figure = new_figure(max(6.0, min(12.0, 4.0 * columns)), 1.4 + 3.2 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < n_bounds:
            _draw_bound(axes, record, index, visible, broken[:, index], limits)
            if index + columns >= n_bounds:
                axes.tick_params(labelbottom=True)
                axes.set_xlabel(r"bound  (units of $r_{\max}$ per step)")
        else:
            axes.remove()

    figure.supylabel(r"actual gap  |J(π, P*) − J(π, P̂)|  (units of $r_{\max}$ per step)", size=10)
    handles = _legend(record)
    columns = len(handles) if len(handles) <= 9 else -(-len(handles) // 2)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.2, handletextpad=0.4)
    headline(figure, *_finding(record, visible, broken), record_source(path))
    return figure


def _draw_bound(
    axes: Axes,
    record: Theorem1Record,
    index: int,
    visible: NDArray[np.bool_],
    broken: NDArray[np.bool_],
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """One panel: points below the diagonal by family, those above it on top, and what they amount to in words."""
    (left, right), (bottom, top) = limits
    bound = record.bound[:, index]  # [N]
    drawn = visible & np.isfinite(bound)
    shown = np.clip(bound, left, right)  # a bound of zero stands at the left edge
    families = list(dict.fromkeys(record.family))
    for family in sorted(families, key=lambda name: -np.count_nonzero(record.family == name)):  # rare ones on top
        color, marker = series_look(families.index(family))
        mine = drawn & ~broken & (record.family == family)
        axes.scatter(shown[mine], record.gap[mine], s=11, color=color, marker=marker, alpha=0.55, linewidths=0,
                     rasterized=True)  # fmt: skip
        mine = drawn & broken & (record.family == family)
        axes.scatter(shown[mine], record.gap[mine], s=18, color=VERMILLION, marker=marker, edgecolors=BLACK,
                     linewidths=0.5, zorder=3, rasterized=True)  # fmt: skip
    line = np.geomspace(min(left, bottom), max(right, top), 2)
    axes.plot(line, line, color=BLACK, linewidth=1.0, zorder=2)
    axes.fill_between(line, line, max(right, top), **_SHADE)
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top))
    looseness = _looseness(record.gap, bound, visible), BLACK
    panel_title(axes, str(record.bound_name[index]), _verdict(record.discount, broken), looseness)


def _verdict(discount: Numbers, broken: NDArray[np.bool_]) -> tuple[str, str]:
    """How often a bound is broken, and the color that says so."""
    count = np.count_nonzero(broken)
    if count == 0:
        return f"never violated ({len(broken):,} MDPs)", GREEN
    return f"violated by {count:,} of {len(broken):,}, all at γ ≤ {discount[broken].max():.3g}", VERMILLION


def _looseness(gap: Numbers, bound: Numbers, visible: NDArray[np.bool_]) -> str:
    """The median of bound / gap over the MDPs with a gap, and how many bounds are infinite."""
    if not visible.any():
        return "no MDP with a gap"
    infinite = np.count_nonzero(np.isinf(bound[visible]))
    median = np.median(bound[visible] / gap[visible])
    words = f"median bound/gap {median:,.0f}×" if median >= 100.0 else f"median bound/gap {median:.3g}×"
    return words if infinite == 0 else f"{words}, {infinite:,} infinite"


def _limits(values: Numbers) -> tuple[float, float]:
    """A range in which every positive finite value stands clear of the frame."""
    usable = values[(values > 0.0) & np.isfinite(values)]
    if len(usable) == 0:
        return 0.1, 10.0
    return float(usable.min() / 2.0), float(usable.max() * 2.0)


def _legend(record: Theorem1Record) -> list[Line2D | Patch]:
    """One entry a family, then the diagonal, a violation, and the shaded half."""
    handles: list[Line2D | Patch] = []
    for index, family in enumerate(dict.fromkeys(record.family)):
        color, marker = series_look(index)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=color, label=literal(str(family))))
    return [
        *handles,
        Line2D([], [], color=BLACK, label="gap = bound"),
        Line2D([], [], linestyle="", marker="o", color=VERMILLION, markeredgecolor=BLACK, label="violation"),
        Patch(label="bound broken", **_SHADE),
    ]


def _finding(record: Theorem1Record, visible: NDArray[np.bool_], broken: NDArray[np.bool_]) -> tuple[str, str]:
    """What the panels amount to, counted: the headline and the line below it."""
    failing = np.count_nonzero(broken.any(axis=0))
    n_mdps, n_bounds = record.bound.shape
    if failing == 0:
        finding = f"All {n_bounds} bounds of the return gap hold on all {n_mdps:,} MDPs"
    else:
        finding = f"{n_bounds - failing} of {n_bounds} bounds of the return gap hold on all {n_mdps:,} MDPs; {failing} "
        finding += "does not" if failing == 1 else "do not"
    hidden = n_mdps - np.count_nonzero(visible)
    note = f"{hidden:,} MDPs with a gap below {_ZERO_GAP:g} are not drawn." if hidden else ""
    return (
        finding,
        f"One point an MDP; closer to the diagonal is tighter, above it the bound is broken. {note}".rstrip(),
    )
