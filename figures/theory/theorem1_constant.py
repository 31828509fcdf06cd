"""Figure `theorem1-constant`: the largest constant Theorem 1 was seen to need, against the discount.

Source: theory.md, section 4.

Theorem 1 bounds the return gap by c * discount * reward_bound / (1 - discount) * sqrt(D). The sharp c is
sqrt(2 (1 - discount)) for rewards in [-1, 1] and half of it for rewards in [0, 1]; 1/sqrt(2), one reading of
the paper, is too small exactly where the sharp one exceeds it: below discount 3/4.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from matplotlib.figure import Figure

from figures.drawing.style import BLACK, BLUE, GREEN, VERMILLION, headline, new_figure
from figures.inputs.records import Numbers, Record, record_source

_SAFE, _SMALLER = np.sqrt(2.0), np.sqrt(0.5)
_TOLERANCE = 1e-6  # relative; the search stops at about this accuracy
_CROSSING = 0.75  # sqrt(2 (1 - discount)) = 1 / sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Theorem1ConstantRecord(Record):
    """The largest constant that Theorem 1 was seen to need, at G discounts."""

    discount: Annotated[Numbers, "G"]
    ratio_signed: Annotated[Numbers, "G"]  # largest gap over discount / (1 - discount) * sqrt(D), rewards in [-1, 1]
    ratio_nonnegative: Annotated[Numbers, "G"]  # the same for rewards in [0, 1]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = Theorem1ConstantRecord.read(path, "theorem1-constant")
    figure = new_figure(10.5, 6.2)
    axes = figure.add_subplot()
    discount = np.linspace(0.0, 1.0, 401)
    sharp = np.sqrt(2.0 * (1.0 - discount))

    axes.axhline(_SAFE, color=BLACK, linewidth=1.2, linestyle="--")
    axes.axhline(_SMALLER, color=VERMILLION, linewidth=1.2, linestyle="--")
    broken = discount <= _CROSSING
    axes.fill_between(discount[broken], _SMALLER, sharp[broken], color=VERMILLION, alpha=0.13, linewidth=0)
    axes.plot(discount, sharp, color=BLUE, linewidth=1.6)
    axes.plot(discount, sharp / 2.0, color=GREEN, linewidth=1.6)
    dots: dict[str, Any] = {
        "linestyle": "",
        "markersize": 7,
        "markeredgecolor": "white",
        "markeredgewidth": 0.8,
        "zorder": 3,
    }
    axes.plot(record.discount, record.ratio_signed, marker="o", color=BLUE, label="signed", **dots)
    axes.plot(record.discount, record.ratio_nonnegative, marker="s", color=GREEN, label="nonnegative", **dots)
    axes.plot(_CROSSING, _SMALLER, marker="|", markersize=14, color=VERMILLION)

    note = axes.annotate
    note("if c = √2: always holds, never attained", (0.985, _SAFE), (0, 5), textcoords="offset points", ha="right")
    note(
        "if c = 1/√2: holds for γ ≥ ¾",
        (0.985, _SMALLER),
        (0, 5),
        textcoords="offset points",
        ha="right",
        color=VERMILLION,
    )
    note("γ = ¾", (_CROSSING, _SMALLER), (0, -20), textcoords="offset points", ha="center", color=VERMILLION)
    axes.text(0.24, 0.93, "c = 1/√2 is broken here\n(rewards of both signs, γ < ¾)", color=VERMILLION, ha="center",
              va="center", weight="bold")  # fmt: skip
    note("sharp: √(2(1−γ))\nrewards in [−1, 1]", (0.45, np.sqrt(1.1)), (14, 8), textcoords="offset points", color=BLUE)
    note("half of it: √((1−γ)/2)\nrewards in [0, 1]", (0.45, np.sqrt(0.275)), (-4, -12), textcoords="offset points",
         color=GREEN, ha="right", va="top")  # fmt: skip

    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.6)
    axes.set_xlabel("discount γ")
    axes.set_ylabel(r"constant needed   $c = |\Delta J|\;/\;(\gamma\, r_{\max}\sqrt{D}\,/\,(1-\gamma))$")
    headline(figure, *_finding(record), record_source(path))
    return figure


def _finding(record: Theorem1ConstantRecord) -> tuple[str, str]:
    """What the points say, measured on them: the headline and the line below it."""
    sharp = np.sqrt(2.0 * (1.0 - record.discount))
    share = np.concatenate([record.ratio_signed / sharp, record.ratio_nonnegative / (sharp / 2.0)])  # [2 G]
    over = np.count_nonzero(share > 1.0 + _TOLERANCE)
    broken = record.ratio_signed > _SMALLER * (1.0 + _TOLERANCE)  # [G]
    if broken.any():
        searched = record.discount[record.discount < _CROSSING]
        found = f"at {np.count_nonzero(broken)} of the {len(searched)} such γ searched"
        where = f"fails for γ < ¾ and rewards of both signs ({found})"
    else:
        where = "holds at every discount searched"
    reach = f"all at least {np.floor(1e4 * share.min()) / 1e2:.2f} % of the sharp constant"
    detail = f"Points: largest ratio found by searching over MDPs, {reach}; {over or 'none'} of {len(share)} above it."
    return f"If c = 1/√2, Theorem 1 {where}", detail
