"""Draws the pictures in docs/images again: `python -m figures.committed_pictures` in the project's folder.

docs/pictures.toml says what each is drawn from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ampl.files import write_bytes
from ampl.printing import print_line
from figures.compare import picture
from figures.compare.results import compare
from figures.drawing.render import render
from figures.inputs.runs import find_nested_runs
from figures.registry import find_figure
from figures.training.ampl_figure2 import Selection

IMAGES, RECORDS = Path("docs/images"), Path("docs")
_COMPARE = "compare"


def committed_pictures() -> Mapping[str, Mapping[str, Any]]:
    """The entries of docs/pictures.toml by name: arguments of `draw` that are not the usual ones."""
    return tomllib.loads(Path("docs/pictures.toml").read_text(encoding="utf-8"))


def draw(
    name: str, runs: Path = RECORDS, figure: str | None = None, task: str | None = None, paper: bool = False
) -> bytes:
    """One of them as a PNG.  Raises AmplError: what it is drawn from is not there, or not as it should be.

    Args:
        name: of the picture.
        runs: folder of its runs; of records the one that has `records`.
        figure: as `ampl figure` knows it, or `compare`, which is `ampl compare`'s; the picture's own name if not given.
        task: for figures that show one.
        paper: whether `figure2` shows the paper's quartiles beside.
    """
    if figure == _COMPARE:
        return render(partial(picture.draw, compare(find_nested_runs([Path(runs)]))), [".png"])[".png"]
    product = find_figure(figure or name)
    return product.make(Path(runs), Selection(task=task, seed=None, paper=paper), [".png"]).files[".png"]


def main() -> None:
    """Draws all of them."""
    for name, entry in committed_pictures().items():
        write_bytes(IMAGES / f"{name}.png", draw(name, **entry))
        print_line(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()
