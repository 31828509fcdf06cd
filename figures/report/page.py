"""A report as one HTML file: pictures inside, no scripts, no network, the same bytes for the same contents."""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from ampl import __version__
from ampl.files import SIGNATURE
from ampl.printing import printable
from figures.inputs.table import Table
from figures.report.contents import Contents, Picture

_TEMPLATE = Path(__file__).with_name("page.html.jinja")
_CODE = re.compile(r"`([^`]+)`")
_NUMBER = re.compile(r"[-−]?[\d.,]+(e[-+]\d+)?( ± [\d.,]+)?")


def page(contents: Contents) -> str:
    """The whole file, signed in its first lines so that `check_replaceable` knows it as ours."""
    environment = Environment(
        autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"text": _text, "address": _address, "numeric_columns": _numeric_columns}
    reasons: dict[str, list[str]] = {}  # what is left out, things with the same reason together
    for name, why in contents.left_out.items():
        reasons.setdefault(why, []).append(name)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Report on {contents.folder.name or contents.folder}",
        generator=f"{SIGNATURE} {__version__}",
        contents=contents,
        folder=shlex.quote(str(contents.folder)),
        reasons=reasons,
    )


def _shown(value: object) -> object:
    """A text on one line, with whatever is no visible character as an escape; markup as it is."""
    return value if isinstance(value, Markup) else printable(" ".join(str(value).split()))


def _text(text: str) -> Markup:
    """Escaped text; what stands in backquotes is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_shown(text)))))


def _address(picture: Picture) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{b64encode(picture.data).decode()}"


def _numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers alone, besides empty cells."""
    return [all(map(_NUMBER.fullmatch, filter(None, column))) for column in zip(*table.rows, strict=True)]
