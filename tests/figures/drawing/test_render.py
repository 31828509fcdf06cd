"""A picture's file is whole, matplotlib's settings stay as they were, and names from records are no formulas."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib import cbook
from matplotlib.lines import Line2D
from PIL import Image

from figures.drawing.render import render
from figures.drawing.style import CaptionedFigure, headline, literal, look, new_figure, panel_title
from tests.figures.drawing.drawn_text import drawn


def test_drawing_leaves_the_settings_of_matplotlib_as_they_were(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    render(partial(drawn, tmp_path, "theorem1-constant"), [".png"])
    assert dict(matplotlib.rcParams) == before


def test_every_format_holds_the_caption(tmp_path: Path) -> None:
    figure = drawn(tmp_path, "theorem1-constant")
    assert isinstance(figure, CaptionedFigure)
    assert figure.caption is not None
    assert "theorem1-constant.npz (SHA-256 " in figure.caption.source
    files = render(lambda: figure, [".png", ".pdf", ".svg"])
    told = Image.open(BytesIO(files[".png"])).text  # type: ignore[attr-defined]
    said = vars(figure.caption).values()
    assert [told[key] for key in ("Title", "Description", "Source")] == list(said)
    assert all(escape(words) in files[".svg"].decode() for words in said)
    assert all(b"/%s (" % key in files[".pdf"] for key in (b"Title", b"Subject", b"Keywords"))


def test_a_signed_pdf_keeps_its_cross_references(tmp_path: Path) -> None:
    data = render(partial(drawn, tmp_path, "theorem1-constant"), [".pdf"])[".pdf"]
    start = int(re.findall(rb"startxref\n(\d+)", data)[0])
    assert data[start : start + 4] == b"xref"
    entries = re.findall(rb"(\d{10}) 00000 n", data[start:])
    assert len(entries) > 5
    assert all(re.match(rb"%d 0 obj" % number, data[int(at) :]) for number, at in enumerate(entries, start=1))


def test_a_name_from_a_record_is_no_formula_and_stays_in_the_legend() -> None:
    names = [r"$\frac{1$ and $x^2$", r"\$a", "_hidden", "a\x1b[31m\nb\udcff", "$odd"]
    with look():
        figure = new_figure(6, 4)
        figure.legend(handles=[Line2D([], [], label=literal(name)) for name in names])
        headline(figure, "Of $x$ and $\\y$", "all of $\\frac{$ it\x1b")
        panel_title(figure.add_subplot(), "$\\frac{$\x1b", ("$\\frac{$", "black"))
        svg = render(lambda: figure, [".svg"])[".svg"].decode()
    [legend] = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert len(shown) == len(names)
    assert [cbook.is_math_text(text) for text in shown] == [False] * len(names)
    assert shown[3] == r"a\x1b[31m\nb\udcff"
    assert "\x1b" not in svg
