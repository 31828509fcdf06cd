"""Figure `mopo-tradeoff`: what MOPO's penalized optimum is guaranteed and what it earns, with exact model errors.

Source: MOPO, Theorem 4.4 and Eq. 11; theory.md, section 5. A row is one MDP and one integral metric. Left: the return
of the best policy whose mean uncertainty is at most delta, what Eq. 11 leaves of it after the penalty, and the return
of the policy that MOPO picks. Right: what the penalized optimum earns and what its penalized model claims, against the
penalty coefficient; from one discount * c on the claim is proved to be a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures.drawing.style import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILLION,
    headline,
    new_figure,
    panel_title,
)
from figures.inputs.records import Numbers, Record, Texts, record_source

_ROUNDING = 1e-9  # relative to the largest return
_ZERO_PLACE = 0.35  # of the coefficient 0 on the logarithmic axis, as a share of the smallest positive one


@dataclass(frozen=True, kw_only=True)
class MopoTradeoffRecord(Record):
    """Returns and mean uncertainties of policies, on M pairs of an MDP and an integral metric.

    Returns are in reward units a step, uncertainties in the unit of the metric.
    """

    mdp: Annotated[Texts, "M"]
    metric: Annotated[Texts, "M"]
    delta: Annotated[Numbers, "M", "D"]  # bounds on the mean uncertainty, ascending
    best_return: Annotated[Numbers, "M", "D"]  # within each
    bound: Annotated[Numbers, "M", "D"]  # the right side of Eq. 11
    guarantee: Annotated[Numbers, "M"]  # the return of the penalized optimum at penalty discount * c
    supremum: Annotated[Numbers, "M"]  # the right side of Theorem 4.4
    penalty_weight: Annotated[Numbers, "M"]  # discount * c
    behavior_point: Annotated[Numbers, "M", 2]  # mean uncertainty and return of a policy
    optimum_point: Annotated[Numbers, "M", 2]
    chosen_point: Annotated[Numbers, "M", 2]
    fraction: Annotated[Numbers, "L"]  # penalty coefficients / (discount * c), ascending; the first may be 0
    true_return: Annotated[Numbers, "M", "L"]  # of each coefficient's optimum
    claimed_return: Annotated[Numbers, "M", "L"]  # the same in its penalized model
    enumerated: Annotated[Numbers, "M"]  # 1: best_return is over all deterministic policies; 0: traced numerically


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = MopoTradeoffRecord.read(path, "mopo-tradeoff")
    n_rows = len(record.mdp)
    figure = new_figure(11.0, 1.9 + 3.1 * n_rows)
    grid = figure.subplots(n_rows, 2, squeeze=False)
    for row in range(n_rows):
        _draw_trade_off(grid[row, 0], record, row)
        _draw_coefficients(grid[row, 1], record, row)
        for axes in grid[row]:
            axes.set_ylabel("return J   (reward a step)")
    grid[-1, 0].set_xlabel("allowed mean uncertainty δ   (unit of the metric)")
    grid[-1, 1].set_xlabel("penalty coefficient λ / (γ c)")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3, columnspacing=1.6)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_trade_off(axes: Axes, record: MopoTradeoffRecord, row: int) -> None:
    """J(pi^delta), Eq. 11's right side and the points of three policies, against delta."""
    delta, guarantee = record.delta[row], record.guarantee[row]
    axes.plot(delta, record.best_return[row], color=BLUE, linewidth=1.6, drawstyle="steps-post")
    axes.plot(delta, record.bound[row], color=ORANGE, linewidth=1.6, linestyle="-.")
    axes.axhline(guarantee, color=GREEN, linewidth=1.4, linestyle="--")
    for (uncertainty, returned), color, marker in (
        (record.behavior_point[row], GRAY, "s"),
        (record.optimum_point[row], BLACK, "*"),
        (record.chosen_point[row], GREEN, "o"),
    ):
        axes.plot(uncertainty, returned, color=color, marker=marker, markersize=11 if marker == "*" else 7,
                  linestyle="", markeredgecolor="white", markeredgewidth=0.8, zorder=4)  # fmt: skip
    high = max(record.best_return[row].max(), record.optimum_point[row, 1], guarantee)
    low = min(record.behavior_point[row, 1], record.supremum[row], record.best_return[row].min(), 0.0)
    margin = 0.12 * (high - low)
    axes.set_ylim(low - margin, high + margin)  # Eq. 11's side may fall far below: its best value is what counts
    axes.set_xlim(delta[0] - 0.03 * np.ptp(delta), delta[-1])
    how = "all deterministic policies" if record.enumerated[row] else "traced numerically"
    panel_title(
        axes,
        f"{record.mdp[row]}, {record.metric[row]}",
        (f"γ c = {record.penalty_weight[row]:.3g}; {how}", GRAY),
        (f"guaranteed {record.supremum[row]:.3g}, earned {guarantee:.3g}", GREEN),
    )


def _draw_coefficients(axes: Axes, record: MopoTradeoffRecord, row: int) -> None:
    """True and claimed return of the penalized optimum, against the coefficient."""
    places = _places(record.fraction)
    earned, claimed = record.true_return[row], record.claimed_return[row]
    axes.fill_between(places, earned, claimed, where=list(claimed > earned), interpolate=True, color=VERMILLION,
                      alpha=0.13, linewidth=0)  # fmt: skip
    axes.plot(places, earned, color=GREEN, marker="o", markersize=5, linewidth=1.4)
    axes.plot(places, claimed, color=PURPLE, marker="D", markersize=4.5, linewidth=1.4, linestyle="--")
    axes.axhline(record.optimum_point[row, 1], color=BLACK, linewidth=1.0, linestyle=":")
    axes.axhline(record.behavior_point[row, 1], color=GRAY, linewidth=1.0, linestyle=":")
    axes.axvline(1.0, color=GRAY, linewidth=1.0, linestyle="--")
    axes.set_xscale("log")
    axes.set_xticks(places, [f"{fraction:g}" for fraction in record.fraction])
    axes.minorticks_off()
    high = max(earned.max(), claimed.max(), record.optimum_point[row, 1])
    low = min(earned.min(), claimed[record.fraction <= 1.0].min(initial=np.inf), 0.0)
    margin = 0.12 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    best = int(earned.argmax())
    panel_title(
        axes,
        "Return of the penalized optimum",
        (f"earns most, {earned[best]:.3g}, at λ = {record.fraction[best]:g} γ c", GREEN),
        (f"without a penalty: claims {claimed[0]:.3g}, earns {earned[0]:.3g}", VERMILLION)
        if record.fraction[0] == 0.0
        else (f"at λ = {record.fraction[0]:g} γ c: claims {claimed[0]:.3g}, earns {earned[0]:.3g}", VERMILLION),
    )


def _places(fraction: Numbers) -> Numbers:
    """Where each coefficient stands on a logarithmic axis: 0 a little left of the others."""
    positive = fraction[fraction > 0.0]
    return np.where(fraction > 0.0, fraction, _ZERO_PLACE * positive.min() if positive.size else 1.0)


def _legend() -> list[Line2D | Patch]:
    def point(color: str, marker: str, label: str) -> Line2D:
        size = 11 if marker == "*" else 7
        return Line2D([], [], color=color, marker=marker, markersize=size, linestyle="", label=label)

    return [
        Line2D([], [], color=BLUE, linewidth=1.6, label="J(π^δ): best return within δ"),
        Line2D([], [], color=ORANGE, linewidth=1.6, linestyle="-.", label="Eq. 11: J(π^δ) − 2λδ, λ = γ c"),
        Line2D([], [], color=GREEN, linewidth=1.4, linestyle="--", label="J(π̂): earned at λ = γ c"),
        Line2D([], [], color=GREEN, marker="o", markersize=5, label="earned in the truth"),
        point(GRAY, "s", "behavior policy (dotted: its return)"),
        point(BLACK, "*", "optimal policy (dotted: its return)"),
        Line2D([], [], color=PURPLE, marker="D", markersize=4.5, linestyle="--", label="claimed, penalty included"),
        Patch(color=VERMILLION, alpha=0.2, label="claimed but not earned"),
    ]


def _finding(record: MopoTradeoffRecord) -> tuple[str, str, str]:
    """Whether the guarantee was kept, counted on the record: headline, line below it, note."""
    rounding = _ROUNDING * max(float(np.abs(record.best_return).max()), 1e-300)
    above = record.guarantee[:, None] < record.bound - rounding
    kept = int(np.count_nonzero(~above.any(axis=1) & (record.guarantee >= record.supremum - rounding)))
    total = len(record.guarantee)
    honest = record.claimed_return <= record.true_return + rounding  # [M, L]
    proved = record.fraction >= 1.0
    over = record.guarantee - record.supremum
    finding = (
        f"MOPO's penalized optimum keeps its guarantee in {kept} of {total} cases, and earns more than it promises"
    )
    if kept < total or not (over > rounding).all():
        finding = f"MOPO's penalized optimum keeps its guarantee in {kept} of {total} cases"
    subtitle = f"Its return exceeds Theorem 4.4's side by {over.min():.2g} to {over.max():.2g}."
    detail = (
        f"From λ = γ c on the claimed "
        f"return is a lower bound in {np.count_nonzero(honest[:, proved])} of {honest[:, proved].size} cases; with a "
        f"smaller λ, which no theorem covers, in {np.count_nonzero(honest[:, ~proved])} of {honest[:, ~proved].size}."
    )
    return finding, subtitle, detail
