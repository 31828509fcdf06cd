"""Every figure by the name the command line knows it by; its record has the same name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ampl.errors import UnknownNameError
from figures import proposition2, theorem1, theorem1_constant

FIGURES: Mapping[str, Callable[[Path], Figure]] = {
    "proposition2": proposition2.draw,
    "theorem1": theorem1.draw,
    "theorem1-constant": theorem1_constant.draw,
}


def find_figure(name: str) -> Callable[[Path], Figure]:
    """The function that draws figure `name` from the path of its record.  Raises UnknownNameError."""
    if name not in FIGURES:
        raise UnknownNameError("figure", name, FIGURES)
    return FIGURES[name]
