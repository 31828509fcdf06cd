"""From a figure to the bytes of a file: signed as ours, and the same for the same input on every day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO

from matplotlib.figure import Figure

from ampl.files import SIGNATURE
from figures.drawing.style import CaptionedFigure, look

_SIGNED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": SIGNATURE},
    ".pdf": {"Creator": SIGNATURE, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": SIGNATURE, "Date": None},
}


def render(draw: Callable[[], Figure], suffixes: Iterable[str]) -> dict[str, bytes]:
    """Draws a figure once and encodes it in every format asked for.

    Args:
        draw: makes the figure.
        suffixes: among ".png", ".pdf" and ".svg".

    Returns:
        The bytes of each file, by suffix.

    Raises:
        AmplError: what `draw` reads is not what the figure needs.
    """
    with look():
        figure = draw()
        return {suffix: _encode(figure, suffix) for suffix in suffixes}


def _encode(figure: Figure, suffix: str) -> bytes:
    buffer = _SignedPdf() if suffix == ".pdf" else BytesIO()
    figure.savefig(buffer, format=suffix.removeprefix("."), metadata=_metadata(suffix, figure))
    return buffer.getvalue()


def _metadata(suffix: str, figure: Figure) -> dict[str, str | None]:
    """Who wrote the file, no date, and the figure's caption under the names that the format has for it."""
    signed = _SIGNED[suffix]
    caption = figure.caption if isinstance(figure, CaptionedFigure) else None
    if caption is None:
        return signed
    reading, source = ("Subject", "Keywords") if suffix == ".pdf" else ("Description", "Source")
    return {**signed, "Title": caption.finding, reading: caption.reading, source: caption.source}


class _SignedPdf(BytesIO):
    """Adds our signature to a PDF as a comment on its second line, where `check_replaceable` looks.

    The document's own "Creator" field stands at the end of the file, after the drawing. The comment begins with bytes
    above 127, as the format wants of the line after the header (ISO 32000-1, section 7.5.2).
    """

    def write(self, data: bytes) -> int:  # type: ignore[override]
        written = super().write(data)
        if data.startswith(b"%PDF-"):
            super().write(b"%\xac\xdc\xab\xba " + SIGNATURE.encode() + b"\n")
        return written
