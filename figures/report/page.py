"""A report as one HTML file: pictures inside, no scripts, no network, the same bytes for the same contents."""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path

from ampl import __version__
from ampl.files import SIGNATURE
from ampl.printing import printable
from figures.inputs.table import Table
from figures.report.contents import CLAIMS, Contents, Picture

_CODE = re.compile(r"`([^`]+)`")
_NUMBER = re.compile(r"[-−]?[\d.,]+(e[-+]\d+)?( ± [\d.,]+)?")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # what a browser may load: nothing
_LEAST_SHARE = 0.65  # of its natural width that a picture is shown at on the narrowest screen
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; color: #222; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
h3 { margin: 2rem 0 .5rem; }
code { font-size: .9em; background: #f3f3f3; overflow-wrap: anywhere; }
dt { font-weight: 600; }
dd { margin: 0 0 .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; line-height: 1.35; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody th, td { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.notes, figcaption { font-size: .85rem; color: #555; }
figure { margin: 0; }
img { max-width: 100%; height: auto; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  table { font-size: 6.5pt; }
  th, td { padding: .1rem .25rem; }
  tbody th, td { white-space: normal; overflow-wrap: normal; }
  img { min-width: 0 !important; }
  tr, figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


def page(contents: Contents) -> str:
    """The whole file, signed in its first lines so that `check_replaceable` knows it as ours."""
    title = f"Report on {contents.folder.name or contents.folder}"
    sections = {
        "origin": ("What this is", _origin(contents)),
        "claims": ("Claims", _claims(contents)),
        "tables": ("Tables", _tables(contents)),
        "figures": ("Figures", _figures(contents)),
        "left-out": ("Left out", _left_out(contents)),
    }
    links = [_element("li", _element("a", _text(name), href=f"#{key}")) for key, (name, _) in sections.items()]
    body = [
        _element("header", _element("h1", _text(title)), _element("nav", _element("ul", *links))),
        _element("main", *(_section(key, name, body) for key, (name, body) in sections.items())),
    ]
    head = [
        '<meta charset="utf-8">',
        f'<meta name="generator" content="{SIGNATURE} {__version__}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        _element("title", escape(_shown(title), quote=False)),
        f"<style>{_STYLE}</style>\n",
    ]
    return "<!DOCTYPE html>\n" + _element("html", _element("head", *head), _element("body", *body), lang="en")


def _origin(contents: Contents) -> list[str]:
    about = (
        "Claims, tables and figures as far as this folder's runs, records and checked claims fill them, beside the "
        "numbers of three papers: AMPL, MOPO and DAMO. Nothing was computed for this page: it shows what was recorded."
    )
    facts = [_element("dt", _text(name)) + _element("dd", _text(said)) for name, said in contents.facts]
    parts = [_element("p", _text(about)), _element("dl", *facts)]
    if contents.caution:
        parts.append(_element("p", _element("strong", _text(contents.caution))))
    if contents.runs is not None:
        parts.append(_table("runs", contents.runs))
    return parts


def _claims(contents: Contents) -> list[str]:
    if contents.claims is None:
        return [_element("p", _text(_sentence(contents.left_out[CLAIMS])))]
    return [_table("claim-table", contents.claims)]


def _tables(contents: Contents) -> list[str]:
    if not contents.tables:
        return [_element("p", "None: no run fills one.")]
    return [_table(name, table) for name, table in contents.tables.items()]


def _figures(contents: Contents) -> list[str]:
    if not contents.pictures:
        return [_element("p", "None: no run and no record fills one.")]
    return [_figure(name, picture, contents.folder) for name, picture in contents.pictures.items()]


def _left_out(contents: Contents) -> list[str]:
    if not contents.left_out and not contents.warnings:
        return [_element("p", "Nothing.")]
    items = [_element("li", _element("strong", _text(name)), ": ", _text(why)) for name, why in _reasons(contents)]
    items += [_element("li", _text(warning)) for warning in contents.warnings]
    return [_element("ul", *items)]


def _reasons(contents: Contents) -> Iterable[tuple[str, str]]:
    """What is left out and why; things with the same reason together."""
    names: dict[str, list[str]] = {}
    for name, why in contents.left_out.items():
        names.setdefault(why, []).append(name)
    return [(", ".join(together), why) for why, together in names.items()]


def _table(name: str, table: Table) -> str:
    """A table under its title; its notes below it."""
    kinds = [_kind(column) for column in zip(*table.rows, strict=True)]
    head = [_element("th", _text(name), scope="col", **kind) for name, kind in zip(table.columns, kinds, strict=True)]
    rows = []
    for first, *others in table.rows:
        cells = [_element("td", _text(text), **kind) for text, kind in zip(others, kinds[1:], strict=True)]
        rows.append(_element("tr", _element("th", _text(first), scope="row"), *cells, "\n"))
    grid = _element("table", _element("thead", _element("tr", *head)), _element("tbody", *rows))
    notes = [_element("li", _text(note)) for note in table.notes]
    return _element(
        "section",
        _element("h3", _text(table.title)),
        _wide(table.title, grid),
        _element("ul", *notes, **{"class": "notes"}),
        id=name,
    )


def _kind(column: Iterable[str]) -> dict[str, str]:
    """The attributes of a column's cells: numbers, if all that is in it are, stand at the right."""
    return {"class": "number"} if all(map(_NUMBER.fullmatch, filter(None, column))) else {}


def _figure(name: str, picture: Picture, folder: Path) -> str:
    """A picture under its name; never shown so small that its letters cannot be read: it rather scrolls."""
    source = f"data:{picture.media_type};base64,{b64encode(picture.data).decode()}"
    size = f'width="{picture.width}" height="{picture.height}"'
    least = f'style="min-width: {round(_LEAST_SHARE * picture.width)}px"'
    image = f'<img src="{source}" {size} {least} alt="{escape(_shown(picture.text))}">'
    caption = _element("figcaption", _text(f"`ampl figure {name} --runs {shlex.quote(str(folder))}`"))
    return _element("section", _element("h3", _text(name)), _element("figure", _wide(name, image), caption), id=name)


def _wide(label: str, content: str) -> str:
    """A box that scrolls sideways where its content is wider than the screen, with the keyboard too."""
    return _element("div", content, **{"class": "wide", "tabindex": "0", "role": "region", "aria-label": label})


def _section(key: str, title: str, body: Iterable[str]) -> str:
    return _element("section", _element("h2", _text(title)), *body, id=key)


def _element(name: str, *content: str, **attributes: str) -> str:
    """An element around markup; attributes are escaped, the content is not."""
    given = "".join(f' {key}="{escape(_shown(value))}"' for key, value in attributes.items())
    end = "\n" if name in ("section", "ul", "dl", "p", "h1", "h2", "h3", "table", "div") else ""
    return f"<{name}{given}>{''.join(content)}</{name}>{end}"


def _text(text: str) -> str:
    """Escaped text; what stands in backquotes is code."""
    return _CODE.sub(r"<code>\1</code>", escape(_shown(text), quote=False))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shown(text: str) -> str:
    """The text on one line, with whatever is no visible character as an escape."""
    return printable(" ".join(text.split()))
