"""One place for the look of every figure: colors, sizes, grid, and how a canvas is made.

Nothing here touches the user's matplotlib: canvases are plain `Figure` objects (no pyplot, no window), and the settings
hold only inside `look()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ampl.printing import printable

BLACK, GRAY = "#222222", "#7A7A7A"
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"  # Okabe and Ito (2008)
VERMILLION = "#D55E00"  # kept for what is broken: no ordinary series has it
WINE, OLIVE = "#882255", "#999933"  # Tol (2021), muted
SERIES_COLORS = (SKY, ORANGE, GREEN, PURPLE, BLUE, GRAY, BLACK, WINE)
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 7, prime to the 8 colors: 56 pairs

_MARGIN = 0.12  # inches left of the headline
_LETTERS_PER_INCH = 12.2  # of the line below the headline
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


def new_figure(width: float, height: float) -> Figure:
    """An empty canvas, `width` by `height` inches, that keeps labels from overlapping."""
    figure = Figure(figsize=(width, height), layout="constrained")
    _layout(figure).set(w_pad=0.11, h_pad=0.08)
    return figure


def headline(figure: Figure, finding: str, detail: str) -> None:
    """Writes at the top left what the figure shows (bold) and how to read it, wrapped; the panels keep below."""
    height = figure.get_figheight()
    width = int(_LETTERS_PER_INCH * figure.get_figwidth())
    place: dict[str, Any] = {"va": "top", "parse_math": False}
    left = _MARGIN / figure.get_figwidth()
    first = figure.text(left, 1 - 0.12 / height, printable(finding), size=13, weight="bold", **place)
    room = (1 - 2 * left) * figure.bbox.width / first.get_window_extent().width  # for how much of it
    if room < 1:
        first.set_text(fill(printable(finding), int(room * len(finding)), break_on_hyphens=False))
    above = 0.25 * first.get_text().count("\n")  # inches, of the lines after the first
    detail = "\n".join(fill(printable(line), width, break_on_hyphens=False) for line in detail.split("\n"))
    figure.text(left, 1 - (0.40 + above) / height, detail, size=10, color=GRAY, **place)
    _layout(figure).set(rect=(0, 0, 1, 1 - (0.66 + above + 0.18 * detail.count("\n")) / height))


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


def _layout(figure: Figure) -> ConstrainedLayoutEngine:
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    return engine
