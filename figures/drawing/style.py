"""One place for the look of every figure: colors, sizes, grid, and how a canvas is made.

Nothing here touches the user's matplotlib: canvases are plain `Figure` objects (no pyplot, no window), and the settings
hold only inside `look()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill, wrap
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import LineStyleType

from ampl.printing import printable

BLACK, GRAY = "#222222", "#7A7A7A"
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"  # Okabe and Ito (2008)
VERMILLION = "#D55E00"  # kept for what is broken: no ordinary series has it
WINE, OLIVE = "#882255", "#999933"  # Tol (2021), muted
SERIES_COLORS = (SKY, ORANGE, GREEN, PURPLE, BLUE, GRAY, BLACK, WINE)
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 7, prime to the 8 colors: 56 pairs
SERIES_LINES: tuple[LineStyleType, ...] = (
    "-", "--", "-.", ":", (0, (7, 1.5, 1, 1.5, 1, 1.5)), (0, (1, 0.7, 4, 0.7)),
)  # fmt: skip
"""As many as a panel has lines: they are told apart without their colors."""
MOST_LINES = len(SERIES_LINES)
LOWEST_SCORE = -100.0
"""What lies below, as of a policy that drives off, is left out of panels of scores, which it would make flat."""

_MARGIN = 0.12  # inches left of the headline
_SMALL, _SMALL_LINE = 7.5, 0.135  # of the notes: size in points, height of a line in inches
_LEAST_PANEL = 1.4  # inches that a row of panels has at the least, with its title and labels
_GRAIN = 1024  # of the room for panels: sums of such shares are exact, so that a layout comes out the same every time
_SETTINGS = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,  # ticks say their whole values
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "xtick.color": "#888888",
    "ytick.color": "#888888",
    "xtick.labelcolor": BLACK,
    "ytick.labelcolor": BLACK,
    "text.color": BLACK,
    "axes.labelcolor": BLACK,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "svg.hashsalt": "ampl-testbed",  # the same record gives the same bytes
}


@contextmanager
def look() -> Iterator[None]:
    """Inside it, figures are made and saved with our settings; afterwards the caller's are back."""
    with style.context(["default", _SETTINGS]):
        yield


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What a figure says in words, each as one line; a file of it holds them too.

    Attributes:
        finding: what it shows.
        reading: how to read it.
        source: what it is drawn from.
    """

    finding: str
    reading: str
    source: str


class CaptionedFigure(Figure):
    """A figure that knows its caption once it has one."""

    caption: Caption | None = None


def new_figure(width: float, height: float) -> CaptionedFigure:
    """An empty canvas, `width` by `height` inches, that keeps labels from overlapping."""
    figure = CaptionedFigure(figsize=(width, height), layout="constrained")
    _layout(figure).set(w_pad=0.11, h_pad=0.08)
    return figure


def headline(figure: CaptionedFigure, finding: str, subtitle: str, *notes: str) -> None:
    """Writes the finding (bold, at most two lines) and one line below it on top, and notes in small print at the foot.

    Panels and legends, which must be there already, keep between them: where the words leave panels too little room,
    the canvas grows. A subtitle too long for one line becomes a note.

    Args:
        figure: with its panels and legends.
        finding: what it shows.
        subtitle: how to read it.
        notes: more on that; the last one says what it is drawn from. Empty ones count for nothing.
    """
    width = figure.get_figwidth()
    left, room = _MARGIN / width, width - 2 * _MARGIN
    said = [printable(note) for note in (subtitle, *notes) if note]
    figure.caption = Caption(finding=printable(finding), reading=" ".join(said[:-1]), source=said[-1])
    place: dict[str, Any] = {"va": "top", "parse_math": False}
    lines = _fitted(figure, printable(finding), room, size=13, weight="bold")
    first = "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1]} …"])
    top = 0.40 + 0.25 * first.count("\n")  # inches
    second = said.pop(0) if subtitle and len(_fitted(figure, said[0], room, size=10)) == 1 else ""
    small = [line for note in said for line in _fitted(figure, note, room, size=_SMALL)]
    foot = _SMALL_LINE * len(small) + 0.08
    legends = [legend.get_window_extent().height / figure.dpi + 0.05 for legend in figure.legends]
    second_at, top = top, top + (0.26 if second else 0.0)
    words = top + foot + sum(legends)
    height = max(figure.get_figheight(), words + _LEAST_PANEL * _rows_of_panels(figure))
    figure.set_figheight(height)
    figure.text(left, 1 - 0.12 / height, first, size=13, weight="bold", **place)
    if second:
        figure.text(left, 1 - second_at / height, second, size=10, color=GRAY, **place)
    figure.text(left, 0.05 / height, "\n".join(small), size=_SMALL, color=GRAY, va="bottom", parse_math=False)
    for legend, tall in zip(figure.legends, legends, strict=True):
        legend.set_bbox_to_anchor((0, foot / height, 1, 1 - foot / height), figure.transFigure)
        foot += tall
    below, above = (np.ceil(_GRAIN * inches / height) / _GRAIN for inches in (foot, top))
    _layout(figure).set(rect=(0, float(below), 1, float(1 - above - below)))


def _rows_of_panels(figure: Figure) -> int:
    grids = [spec.get_gridspec() for axes in figure.axes if (spec := axes.get_subplotspec()) is not None]
    return max((grid.nrows for grid in grids), default=0)


def _fitted(figure: Figure, text: str, room: float, **look: Any) -> list[str]:
    """A text in lines of at most `room` inches, by the width of its letters on average."""
    probe = figure.text(0, 0, text, parse_math=False, **look)
    share = room * figure.dpi / max(probe.get_window_extent().width, 1.0)
    probe.remove()
    if share >= 1.0:
        return [text]
    return wrap(text, max(int(0.96 * share * len(text)), 20), break_on_hyphens=False)


def panel_title(axes: Axes, name: str, *notes: tuple[str, str]) -> None:
    """Titles a panel above its data: a name from a record, taken literally (bold), over notes, each with a color."""
    axes.set_title(fill(printable(name), 34), loc="left", fontweight="bold", parse_math=False, pad=6 + 13 * len(notes))
    for line, (note, color) in enumerate(reversed(notes)):
        place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
        axes.annotate(printable(note), (0, 1), (0, 6 + 13 * line), size=9.5, color=color, **place)


def literal(text: str) -> str:
    """A text from outside as a label: no formula between its dollars, and in the legend even if it begins with `_`."""
    shown = printable(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def series_look(index: int) -> tuple[str, str]:
    """Color and marker of the series number `index`."""
    return SERIES_COLORS[index % len(SERIES_COLORS)], SERIES_MARKERS[index % len(SERIES_MARKERS)]


def series_line(index: int) -> LineStyleType:
    """Line style of the series number `index`."""
    return SERIES_LINES[index % MOST_LINES]


def _layout(figure: Figure) -> ConstrainedLayoutEngine:
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    return engine
