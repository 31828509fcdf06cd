"""What a figure says, and whether it can be read."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from figures.drawing.style import CaptionedFigure, look
from figures.registry import FIGURES, FromRecord, FromRuns, FromSelectedRuns
from figures.training.ampl_figure2 import Selection
from tests.figures.inputs.synthetic_records import write_record


def draw(name: str, source: Path, **selection: object) -> Figure:
    """A figure of its record, or of the runs below a folder."""
    product = FIGURES[name]
    with look():
        if isinstance(product, FromSelectedRuns):
            return product.draw(source, Selection(**selection))  # type: ignore[arg-type]
        assert isinstance(product, FromRecord | FromRuns)
        return product.draw(source)


def drawn(folder: Path, name: str, **changed: object) -> Figure:
    """A figure of its synthetic record with some arrays replaced."""
    return draw(name, write_record(folder / f"{name}.npz", name, **changed))


def texts(figure: Figure) -> list[str]:
    return [found.get_text() for found in figure.findobj(Text) if isinstance(found, Text)]


def words(figure: Figure) -> str:
    """All texts in one line; names that a line break cut at a hyphen are in one piece."""
    return " ".join(" ".join(texts(figure)).split()).replace("- ", "-")


def beyond_the_frame(figure: Figure) -> set[Text]:
    """Labels that are not drawn: of ticks outside the limits, or switched off."""
    hidden = {text for text in figure.findobj(Text) if isinstance(text, Text) and not text.get_visible()}
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return hidden


def check_text_is_readable(figure: Figure) -> None:
    """Fails if a text leaves the canvas or overlaps another, or the finding is cut or its subtitle a note."""
    if isinstance(figure, CaptionedFigure) and figure.caption is not None:
        shown, caption = [text.get_text() for text in figure.texts], figure.caption
        assert caption.finding in [" ".join(text.split()) for text in shown if text.count("\n") <= 1]
        assert any(caption.reading.startswith(text) for text in shown if "\n" not in text)
    with look():
        figure.draw_without_rendering()
    hidden = beyond_the_frame(figure)
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text().strip()]
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    clashes = [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)]
    assert clashes == []
