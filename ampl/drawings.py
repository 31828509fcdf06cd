"""Pictures that one package orders and another draws, by name: neither imports the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ampl.entry_points import DRAWINGS, load


class Drawing(Protocol):
    """A picture of a file; announced in the entry-point group `ampl.drawings`."""

    def __call__(self, record: Path, headline: str, facts: Mapping[str, str], /) -> bytes:
        """Draws a file of this program.

        Args:
            record: the file (.npz).
            headline: what the picture shows, in one line.
            facts: texts to be written beside the picture, each after its label, in this order.

        Returns:
            A PNG with our signature in its first bytes: see `ampl.files.check_replaceable`.

        Raises:
            AmplError: the file is not what the drawing needs.
        """


def find_drawing(name: str) -> Drawing:
    """The drawing announced as `name`.

    Raises:
        UnknownNameError: nothing is.
        BrokenEntryPointError: its import fails.
    """
    found: Drawing = load(DRAWINGS, name)
    return found
