"""Texts from anywhere in Markdown: shown as they are, on one line each, whatever characters are in them."""

from __future__ import annotations

import re

from ampl.printing import printable

_MARKS = re.compile(r"([\\`*_\[\]<>|])")
_CODE = re.compile(r"(`[^`]+`)")


def as_markdown(text: str) -> str:
    """Markdown, also for a cell of a table, that shows a text."""
    return _marked(text.strip())


def sentence_as_markdown(sentence: str) -> str:
    """The same for a sentence of ours, where what stands in backquotes is code."""
    return "".join(printable(part) if _CODE.fullmatch(part) else _marked(part) for part in _CODE.split(sentence))


def _marked(text: str) -> str:
    return _MARKS.sub(r"\\\1", printable(re.sub(r"\s+", " ", text)))


def as_code(text: str) -> str:
    """A text as inline code, between more backquotes than it has in a row itself."""
    shown = printable(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    space = " " if longest else ""
    return f"{'`' * (longest + 1)}{space}{shown}{space}{'`' * (longest + 1)}"
