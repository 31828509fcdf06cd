"""Docstrings on the site: they are plain text, in which an asterisk, as in P*, begins no italics."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension


class PlainAsterisks(Extension):
    """Replaces asterisks within a line by the operator's sign, which Markdown leaves alone."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """For each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?<=\S)([ \t]*)\*", "\\1∗", obj.docstring.value)
