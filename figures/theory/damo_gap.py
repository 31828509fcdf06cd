"""Figure `damo-gap`: DAMO's surrogate, its inner minimum and the true return of one policy, and where the bound turns.

Source: DAMO, Theorems 5.1 and 5.3; theory.md, section 6. Upper row: against the coefficient alpha; lower row: against
the share of noise in the model. One column a divergence, and last how often D exceeds J over many MDPs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from figures.drawing.style import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    VERMILLION,
    headline,
    literal,
    new_figure,
    panel_title,
)
from figures.inputs.records import Numbers, Record, Texts, record_source

_LOOKS: tuple[tuple[str, LineStyleType, float], ...] = (
    (BLACK, "-", 2.2),
    (GREEN, "-.", 1.5),
    (BLUE, (0, (1, 0.7, 4, 0.7)), 1.5),
    (ORANGE, "-", 2.0),
    (GRAY, "--", 1.3),
)
_TRUE, _SURROGATE, _MINIMUM = 0, 2, 3  # rows of the values: J(pi, P*), S and D
_SHARE_LOOKS: tuple[LineStyleType, ...] = ("-", "--", ":")
_BELOW = 1.2  # how far below J a panel reaches, in units of J's size


@dataclass(frozen=True, kw_only=True)
class DamoGapRecord(Record):
    """Five values of one policy for F divergences, at G coefficients and at H model errors; reward units a step."""

    divergence: Annotated[Texts, "F"]
    value_name: Annotated[Texts, 5]  # the true return first and the inner minimum fourth
    alpha: Annotated[Numbers, "G"]  # ascending
    model_error: Annotated[Numbers, "H"]  # share of noise in the model's rows, ascending
    by_alpha: Annotated[Numbers, "F", 5, "G"]  # at `fixed_error`
    by_error: Annotated[Numbers, "F", 5, "H"]  # at `fixed_alpha`
    share_by_alpha: Annotated[Numbers, "F", "G"]  # share of MDPs with D > J
    share_by_error: Annotated[Numbers, "F", "H"]
    fixed_alpha: Numbers
    fixed_error: Numbers
    mdps: Numbers


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = DamoGapRecord.read(path, "damo-gap")
    n_kinds = len(record.divergence)
    figure = new_figure(3.3 * (n_kinds + 1), 8.2)
    grid = figure.subplots(2, n_kinds + 1, squeeze=False)
    rows = (
        (record.alpha, record.by_alpha, record.share_by_alpha, "coefficient α   (reward units per nat)"),
        (record.model_error, record.by_error, record.share_by_error, "share of noise in the model"),
    )
    fixed = (f"model error {float(record.fixed_error):g}", f"α = {float(record.fixed_alpha):g}")
    for row, (places, values, share, label) in enumerate(rows):
        for kind in range(n_kinds):
            title = f"{record.divergence[kind]}, {fixed[row]}"
            _draw_values(grid[row, kind], places, values[kind], title)
        _draw_share(grid[row, n_kinds], places, share, record)
        for axes in grid[row]:
            axes.set_xlabel(label)
            if row == 0:
                axes.set_xscale("log")
        grid[row, 0].set_ylabel("value   (reward units a step)")
        grid[row, n_kinds].set_ylabel("share of MDPs with D > J")
    figure.legend(handles=_legend(record), loc="outside lower center", ncols=5, columnspacing=1.6)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_values(axes: Axes, places: Numbers, values: Numbers, title: str) -> None:
    """Five lines, and the points where D is above J."""
    for value, (color, line, width) in zip(values, _LOOKS, strict=True):
        axes.plot(places, value, color=color, linestyle=line, linewidth=width)
    true, minimum = values[_TRUE], values[_MINIMUM]
    above = minimum > true + 1e-9
    axes.fill_between(places, true, minimum, where=list(above), color=VERMILLION, alpha=0.2, linewidth=0)
    size = float(np.abs(true).max()) or 1.0
    bottom = max(float(values.min()), float(true.min()) - _BELOW * size)
    margin = 0.05 * (float(values.max()) - bottom) or 1.0
    axes.set_ylim(bottom - margin, float(values.max()) + margin)
    axes.set_xlim(places[0], places[-1])
    note = ("D ≤ J everywhere", GREEN)
    if above.any():
        turns = places[above]
        note = (f"D > J from {turns[0]:.2g} to {turns[-1]:.2g}", VERMILLION)
    panel_title(axes, title, note)


def _draw_share(axes: Axes, places: Numbers, share: Numbers, record: DamoGapRecord) -> None:
    for kind, line in zip(range(len(record.divergence)), _SHARE_LOOKS * len(share), strict=False):
        axes.plot(places, share[kind], color=VERMILLION, linestyle=line, linewidth=1.6)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(places[0], places[-1])
    panel_title(axes, "How often the bound turns", (f"{float(record.mdps):g} random MDPs", GRAY))


def _legend(record: DamoGapRecord) -> list[Line2D]:
    values = [
        Line2D([], [], color=color, linestyle=line, linewidth=width, label=literal(str(name)))
        for name, (color, line, width) in zip(record.value_name, _LOOKS, strict=True)
    ]
    kinds = [
        Line2D([], [], color=VERMILLION, linestyle=line, label=f"share: {literal(str(name))}")
        for name, line in zip(record.divergence, _SHARE_LOOKS * len(record.divergence), strict=False)
    ]
    return [*values, *kinds]


def _finding(record: DamoGapRecord) -> tuple[str, str, str]:
    """Where D stops to be a lower bound, from the record: headline, line below it, note."""
    limits = [
        f"{record.alpha[share >= 0.5].max():.2g} for {name}"
        for name, share in zip(record.divergence, record.share_by_alpha, strict=True)
        if (share >= 0.5).any()
    ]
    if limits:
        finding = "For small α, DAMO's inner minimum D exceeds the true return it is meant to bound"
        subtitle = f"D > J on at least half of the MDPs up to α = {', '.join(limits)}."
    else:
        finding = "DAMO's inner minimum D stays below the true return of most MDPs at every α tried"
        subtitle = "D > J on less than half of the MDPs, whatever α."
    below = bool((record.by_alpha[:, _SURROGATE] <= record.by_alpha[:, _TRUE] + 1e-9).all())
    detail = "The surrogate S stays below J, " if below else "The surrogate S exceeds J somewhere, "
    least = record.share_by_error[:, 0].max()
    detail += f"but training maximizes D. With a model error of {record.model_error[0]:g}, D still exceeds J on up to "
    detail += f"{100 * least:.0f} % of the MDPs at α = {float(record.fixed_alpha):g}. Panels are cut below."
    return finding, subtitle, detail
