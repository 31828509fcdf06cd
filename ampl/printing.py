"""Text for people: what comes from outside (paths, names in files, a server's words) is shown, and never acted upon.

A terminal obeys control characters, rich obeys brackets and names of emoji. Whatever prints goes through this module.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 140  # columns of a table where standard output is no terminal, for `literal_console`
_LONGEST_LINE = 20_000  # characters of a message
_ENDLESS, _SHOWN = re.compile(r"[^\s/]{256,}"), 60


def printable(text: str) -> str:
    r"""The text with whatever is no visible character as an escape, as `repr` shows it: `\x1b`, `\n`, `\udcff`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def one_line(message: str) -> str:
    """A message, which may have several lines, as one; no word of it is longer than a file's name may be."""
    line = printable(_ENDLESS.sub(lambda word: f"{word[0][:_SHOWN]}[...]", " ".join(message.split())))
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} [...]"


def print_line(text: str) -> None:
    """Prints one line to standard output, at whatever length."""
    print(printable(text))


def print_note(text: str) -> None:
    """Prints one line to standard error, at once."""
    print(printable(text), file=sys.stderr, flush=True)


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns with two spaces between; the last one is as long as it likes."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def literal_console(pipe_width: int | None = None, **options: Any) -> Console:
    """A console of rich that shows every string as it is; for a style use `styled`.

    Args:
        pipe_width: columns where standard output is no terminal; rich's choice if None.
        options: more arguments of `rich.console.Console`.
    """
    from rich.console import Console

    class Literal(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that called this: the command line knows what to do

    made = Literal(markup=False, emoji=False, highlight=False, **options)
    if pipe_width is not None and not made.is_terminal:
        made.width = pipe_width
    return made


def styled(*parts: tuple[str, str]) -> Text:
    """Texts with a style of rich each ("red", or "" for none), one after the other on one line."""
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for text, style in parts))
