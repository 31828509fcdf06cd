"""Figure `proposition2`: how fast w <- T w reaches w*, near the behavior policy and far from it, in three norms.

Source: theory.md, section 2. In L1(d_b) the error falls at least as fast as discount^k for every covered
policy; the sup norm certifies that only near the behavior policy, and may start by growing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.drawing.style import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILLION,
    headline,
    literal,
    new_figure,
    panel_title,
)
from figures.inputs.records import Numbers, Record, Texts, record_source

_FLOOR = 1e-13  # relative error below which only rounding is left: curves end there
_ROUNDING = 1e-12  # a relative error this far above the guarantee is still rounding
_COLORS = (BLUE, ORANGE, PURPLE)  # of the three norms
_WIDTHS = (5.0, 3.2, 1.4)  # points: where curves coincide, all three show
_L1, _SUP = 0, 2  # their places in the record


@dataclass(frozen=True, kw_only=True)
class Proposition2Record(Record):
    """How fast the iteration of T reaches w*, on M MDPs, K iterations."""

    mdp: Annotated[Texts, "M"]
    policy: Annotated[Texts, 2]  # the one near the behavior policy first
    norm: Annotated[Texts, 3]  # L1(d_b), L2(d_b), sup
    error: Annotated[Numbers, "M", 2, 3, "K+1"]  # norm of w_k - w*
    factor: Annotated[Numbers, "M", 2, 3]  # operator norm of the linear part of T: the worst possible one-step factor
    rate: Annotated[Numbers, "M", 2, 3, 3]  # factor an iteration that each curve's tail shows, and its 95 % interval
    discount: Annotated[Numbers, "M"]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = Proposition2Record.read(path, "proposition2")
    relative = _relative(record.error)  # [M, 2, 3, K+1]
    lowest, highest = np.nanmin(relative, initial=1.0), np.nanmax(relative, initial=1.0)
    n_mdps, n_policies = record.factor.shape[:2]
    figure = new_figure(max(7.0, min(12.5, 3.6 * n_mdps)), 1.6 + 3.1 * n_policies)
    grid = figure.subplots(n_policies, n_mdps, sharex="col", sharey=True, squeeze=False)
    for row in range(n_policies):
        for column in range(n_mdps):
            axes = grid[row, column]
            _draw_panel(axes, record, relative[column, row], column, row)
            axes.set_xlim(0, _last_iteration(relative[column]))
            axes.set_ylim(lowest / 3.0, highest * 10.0)
        grid[row, 0].set_ylabel(r"relative error  $\Vert w_k - w^*\Vert\,/\,\Vert w_0 - w^*\Vert$")
    for axes in grid[-1]:
        axes.set_xlabel("iteration k of w ← T w")
    figure.legend(handles=_legend(record), loc="outside lower center", ncols=5, columnspacing=1.6)
    headline(figure, *_finding(record, relative), record_source(path))
    return figure


def _draw_panel(axes: Axes, record: Proposition2Record, relative: Numbers, mdp: int, policy: int) -> None:
    """One MDP and policy: three measured curves and the two predicted lines.  relative: [3, K+1]."""
    iteration = np.arange(relative.shape[-1])
    discount, factor = record.discount[mdp], record.factor[mdp, policy, _SUP]
    for curve, color, width in zip(relative, _COLORS, _WIDTHS, strict=True):
        axes.plot(iteration, curve, color=color, linewidth=width)
    axes.set_yscale("log")
    axes.plot(iteration, discount**iteration, color=BLACK, linewidth=1.2, linestyle=(0, (5, 3)))
    with np.errstate(over="ignore"):
        axes.plot(iteration, np.minimum(factor**iteration, 1e300), color=_COLORS[_SUP], linewidth=1.4, linestyle=":")
    if np.isnan(relative).all():
        axes.text(0.5, 0.5, "$w_0 = w^*$ already", transform=axes.transAxes, ha="center", color=GRAY)
    panel_title(
        axes,
        f"{record.mdp[mdp]}, γ = {discount:.3g}",
        (str(record.policy[policy]), BLACK),
        (_verdict(factor), GREEN if factor < 1.0 else VERMILLION),
        (_measured(record.rate[mdp, policy, _SUP]), _COLORS[_SUP]),
    )


def _verdict(factor: float) -> str:
    """What the sup-norm factor says about contraction in that norm."""
    sign = "<" if factor < 1.0 else ">" if factor > 1.0 else "="
    return f"sup factor {factor:.3g} {sign} 1: {'contraction' if factor < 1.0 else 'no contraction'}"


def _measured(rate: Numbers) -> str:
    """The rate that the tail of the sup-norm curve shows, with its interval.  rate: [3]."""
    middle, low, high = rate
    return f"later measured at {middle:.4f} ± {(high - low) / 2.0:.4f}"


def _relative(error: Numbers) -> Numbers:
    """Each curve divided by its first value; NaN from where it first is only rounding, or if that value is zero."""
    first = error[..., :1]
    relative = error / np.where(first > 0.0, first, np.nan)
    return np.where(np.logical_and.accumulate(relative >= _FLOOR, axis=-1), relative, np.nan)


def _last_iteration(relative: Numbers) -> int:
    """Where the slowest curve of an MDP ends.  relative: [2, 3, K+1]."""
    alive = np.isfinite(relative).any(axis=(0, 1))  # [K+1]
    return max(int(np.flatnonzero(alive).max(initial=0)), 1)


def _legend(record: Proposition2Record) -> list[Line2D]:
    """The three measured norms, then the two predictions."""
    measured = [
        Line2D([], [], color=c, linewidth=w, label=literal(str(n)))
        for n, c, w in zip(record.norm, _COLORS, _WIDTHS, strict=True)
    ]
    return [
        *measured,
        Line2D(
            [],
            [],
            color=BLACK,
            linewidth=1.2,
            linestyle=(0, (5, 3)),
            label=r"$\gamma^k$: guarantee in L1(d_b), any policy",
        ),
        Line2D([], [], color=_COLORS[_SUP], linewidth=1.4, linestyle=":", label="(sup factor)$^k$: guarantee in sup"),
    ]


def _finding(record: Proposition2Record, relative: Numbers) -> tuple[str, str]:
    """What the curves say, counted: the headline and the line below it."""
    iteration = np.arange(relative.shape[-1])
    guarantee = record.discount[:, None, None] ** iteration  # [M, 1, K+1]
    above = relative[:, :, _L1] > guarantee + _ROUNDING  # [M, 2, K+1]; false where NaN
    n_panels = above.shape[0] * above.shape[1]
    kept = n_panels - np.count_nonzero(above.any(axis=-1))
    factor = record.factor[..., _SUP]  # [M, 2]
    contracting = np.count_nonzero(factor < 1.0)
    finding = f"Weight iteration keeps rate γ in L1(d_b) in {kept} of {n_panels} cases, near the behavior policy or far"
    detail = f"In the sup norm T is a contraction in {contracting} of {n_panels} cases: "
    return finding, f"{detail}its one-step factor lies between {factor.min():.3g} and {factor.max():.3g}."
