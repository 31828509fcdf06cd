"""The command `ampl figure`. Importing it loads neither numpy nor matplotlib, so that `ampl --help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ampl.errors import InvalidArgumentError, InvalidFileError

if TYPE_CHECKING:
    from figures.registry import Product

_DEFAULT_RUNS = Path("runs")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Draws one figure, or makes one table, from its record (first computed if it is not there) or from runs."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """from records: proposition2, theorem1, theorem1-constant, alternation, estimation-error, mopo-tradeoff,
    damo-gap, damo-maximin, figure2-truth, return-gap-finite, figure2-continuous, weights-published,
    weights-help-finite, conservatism; from runs: figure1, figure2, learning-curves, reached-score, lqr-learning,
    return-gap, theorem1-deep, weights-help, table1, table2, mopo-table1, mopo-table2, mopo-table3, damo-table2,
    damo-alignment, damo-training, damo-alpha, damo-values, conservatism-deep"""
    runs: Annotated[Path, tyro.conf.arg(metavar="DIR")] = _DEFAULT_RUNS
    """folder of the runs, or of those on one task; what experiments found is in `records` in it; the default is made if
    it is not there"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """file to write: .png (with a .pdf beside it), .pdf or .svg; for a table .md (with a .csv beside it) or .csv; by
    default in RUNS/figures"""
    task: Annotated[str | None, tyro.conf.arg(metavar="TASK")] = None
    """figure2: which task; by default the paper's, if it has runs, otherwise the only one that has"""
    seed: Annotated[int | None, tyro.conf.arg(metavar="SEED")] = None
    """figure2: which seed; by default the lowest that all variants have"""
    paper: bool = False
    """figure2: draw the paper's quartiles beside ours"""

    def run(self) -> int:
        """Writes the figure and prints the path of each file; raises AmplError, before computing where it can."""
        from ampl.files import check_output, write_bytes
        from ampl.printing import print_line
        from figures.registry import find_figure
        from figures.training.ampl_figure2 import Selection

        product = find_figure(self.name)
        outputs = self._outputs(product.written_for)
        self._check_options(product)
        self._check_runs()
        for path in outputs.values():
            check_output(path)
        selection = Selection(task=self.task, seed=self.seed, paper=self.paper)
        made = product.make(self.runs, selection, outputs)
        for suffix, data in made.files.items():
            write_bytes(outputs[suffix], data)
        print(made.text, end="")  # last: standard output may be closed
        for suffix in made.files:
            print_line(str(outputs[suffix]))
        return 0

    def _outputs(self, written_for: Mapping[str, tuple[str, ...]]) -> dict[str, Path]:
        """The files to write, by suffix."""
        out = self.out or self.runs / "figures" / f"{self.name}{next(iter(written_for))}"
        suffix = out.suffix.lower()
        if suffix not in written_for:
            raise InvalidArgumentError(f"--out is {out}; expected a name that ends in {', '.join(written_for)}.")
        return {each: out if each == suffix else out.with_suffix(each) for each in written_for[suffix]}

    def _check_options(self, product: Product) -> None:
        """Raises InvalidArgumentError if an option is given that means nothing to this figure."""
        given = {"--task": self.task is not None, "--seed": self.seed is not None, "--paper": self.paper}
        for option, is_given in given.items():
            if is_given and not product.selects_runs:
                raise InvalidArgumentError(f"{option} is for figure2 only; '{self.name}' has no such choice.")

    def _check_runs(self) -> None:
        """Raises InvalidFileError if the runs folder is a file, or is named by the user and not there."""
        if self.runs.is_dir() or (self.runs == _DEFAULT_RUNS and not self.runs.exists()):
            return
        wrong = "is not a folder" if self.runs.exists() else "does not exist"
        raise InvalidFileError(f"--runs {self.runs} {wrong}. Name the folder of your runs, or make an empty one.")
