"""The command `ampl figure`. Importing it loads neither numpy nor matplotlib, so that `ampl --help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import tyro

from ampl.errors import InvalidArgumentError, InvalidFileError

_DEFAULT_RUNS = Path("runs")
_WRITTEN_FOR = {".png": (".png", ".pdf"), ".pdf": (".pdf",), ".svg": (".svg",)}  # suffix of --out: files written


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Draws one figure: reads its record, which is first computed if it is not there."""

    name: tyro.conf.Positional[str]
    """which figure: proposition2, theorem1, theorem1-constant"""
    runs: Path = _DEFAULT_RUNS
    """folder whose `records` holds what experiments found; the default is made if it is not there"""
    out: Path | None = None
    """file to write: .png (with a .pdf beside it), .pdf or .svg; by default figures/NAME.png below the runs folder"""

    def run(self) -> int:
        """Writes the figure and prints the path of each file; raises AmplError, before computing where it can."""
        from ampl.experiments import find_or_make_record
        from ampl.files import check_replaceable, write_atomically
        from figures.registry import find_figure
        from figures.render import render

        draw = find_figure(self.name)
        outputs = self._outputs()
        self._check_runs()
        for path in outputs.values():
            check_replaceable(path)
        record = find_or_make_record(self.name, self.runs)
        for suffix, data in render(draw, record, outputs).items():
            write_atomically(outputs[suffix], partial(_copy, data))
            print(outputs[suffix])
        return 0

    def _outputs(self) -> dict[str, Path]:
        """The files to write, by suffix."""
        out = self.out or self.runs / "figures" / f"{self.name}.png"
        suffix = out.suffix.lower()
        if suffix not in _WRITTEN_FOR:
            raise InvalidArgumentError(f"--out is {out}; expected a name that ends in {', '.join(_WRITTEN_FOR)}.")
        return {each: out if each == suffix else out.with_suffix(each) for each in _WRITTEN_FOR[suffix]}

    def _check_runs(self) -> None:
        """Raises InvalidFileError if the runs folder is a file, or is named by the user and not there."""
        if self.runs.is_dir() or (self.runs == _DEFAULT_RUNS and not self.runs.exists()):
            return
        wrong = "is not a folder" if self.runs.exists() else "does not exist"
        raise InvalidFileError(f"--runs {self.runs} {wrong}. Name the folder of your runs, or make an empty one.")


def _copy(data: bytes, file: BinaryIO) -> None:
    file.write(data)
