"""The command `ampl compare`. Importing it loads neither numpy nor matplotlib, so that `ampl --help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ampl.errors import InvalidArgumentError, InvalidFileError

_PICTURES = (".png", ".pdf", ".svg")


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compares runs: every seed of every method, means with intervals, and which is probably the better one.

    Each task, algorithm, variant and settings has a numbered row; settings that differ are named. What the last ten
    evaluations say and what the last one says stand in tables of their own. A method with scores on two or more tasks
    has a row over them as well.
    """

    folders: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="DIR ...")] = (Path("runs"),)
    """folders with runs at any depth, or runs themselves"""
    against: Annotated[str, tyro.conf.arg(metavar="ROW")] = ""
    """say how probably each row is better than this one of the same tasks: the number of a row, a method like mopo/main
    (on every task), or any part of TASK/ALGORITHM/VARIANT"""
    csv: Annotated[Path | None, tyro.conf.arg(metavar="FILE.csv")] = None
    """write all numbers in full"""
    markdown: Annotated[Path | None, tyro.conf.arg(metavar="FILE.md")] = None
    """write the tables"""
    picture: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """draw every seed, interquartile means and their intervals (.png, .pdf or .svg)"""
    seed: int = 0
    """of the resamples that intervals come from"""

    def run(self) -> int:
        """Prints the tables and writes the files asked for; raises AmplError, before reading where it can."""
        from functools import partial

        from ampl.files import check_output, write_bytes, write_text
        from ampl.printing import print_line
        from figures.compare.picture import draw
        from figures.compare.results import compare
        from figures.compare.tables import tables, values
        from figures.drawing.render import render
        from figures.inputs.runs import find_nested_runs
        from figures.inputs.table import as_csv

        wanted = (("--csv", self.csv, (".csv",)), ("--markdown", self.markdown, (".md",)),
                  ("--picture", self.picture, _PICTURES))  # fmt: skip
        for option, path, suffixes in wanted:
            if path is not None and path.suffix.lower() not in suffixes:
                raise InvalidArgumentError(f"{option} is {path}; expected a name that ends in {', '.join(suffixes)}.")
            if path is not None:
                check_output(path)
        runs = find_nested_runs(self.folders)
        if not runs:
            folders = ", ".join(map(str, self.folders))
            raise InvalidFileError(f"no run below {folders}. `ampl train ALGORITHM TASK --out DIR` makes one in DIR.")
        comparison = compare(runs, self.against, self.seed)
        made = tables(comparison)
        if self.csv:
            write_text(self.csv, as_csv(values(comparison)))
        if self.markdown:
            write_text(self.markdown, "\n".join(table.markdown() for table in made))
        if self.picture:
            [data] = render(partial(draw, comparison), [self.picture.suffix.lower()]).values()
            write_bytes(self.picture, data)
        for table in made:
            print(table.for_standard_output(), end="")  # last: standard output may be closed
        for path in filter(None, (self.csv, self.markdown, self.picture)):
            print_line(str(path))
        return 0
