"""Every figure and table by the name the command line knows it by, and where it comes from.

A picture is drawn either from the record of the same name, which an experiment makes, or from run directories, which
`ampl train` makes. A table is made from run directories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol

from matplotlib.figure import Figure

from ampl.errors import UnknownNameError
from ampl.experiments import find_or_make_record
from figures.drawing.render import render
from figures.inputs.table import Table
from figures.theory import (
    alternation,
    conservatism,
    damo_gap,
    damo_maximin,
    estimation_error,
    figure2_continuous,
    figure2_truth,
    mopo_tradeoff,
    proposition2,
    theorem1,
    theorem1_constant,
    weights_published,
)
from figures.theory import return_gap as return_gap_finite
from figures.training import (
    ampl_ablations,
    ampl_figure1,
    ampl_figure2,
    damo_alignment,
    damo_alpha,
    damo_training,
    damo_values,
    learning_curves,
    lqr_learning,
    method_tables,
    mopo_returns,
    mopo_tables,
    reached_score,
    return_gap,
    theorem1_deep,
    weights_help,
)
from figures.training import conservatism as conservatism_deep
from figures.training.ampl_figure2 import Selection

_PICTURE = {".png": (".png", ".pdf"), ".pdf": (".pdf",), ".svg": (".svg",)}  # suffix of --out: files written


@dataclass(frozen=True)
class Made:
    """The files to write, by suffix, and a text to print once they are there."""

    files: Mapping[str, bytes]
    text: str = ""


class Product(Protocol):
    """Something that `ampl figure` makes."""

    written_for: ClassVar[Mapping[str, tuple[str, ...]]]  # suffix of --out to the files written; the first by default
    selects_runs: ClassVar[bool]  # whether the options that select runs mean something to it

    def make(self, runs: Path, selection: Selection, suffixes: Iterable[str]) -> Made:
        """What to write and to print.  Raises AmplError."""


@dataclass(frozen=True)
class FromRecord:
    """A picture of the record `RUNS/records/<name>.npz`, which is computed if it is not there."""

    name: str
    draw: Callable[[Path], Figure]
    written_for: ClassVar[Mapping[str, tuple[str, ...]]] = _PICTURE
    selects_runs: ClassVar[bool] = False

    def make(self, runs: Path, selection: Selection, suffixes: Iterable[str]) -> Made:
        """See Product."""
        record = find_or_make_record(self.name, runs)
        return Made(render(partial(self.draw, record), suffixes))


@dataclass(frozen=True)
class FromRuns:
    """A picture of all run directories below RUNS."""

    draw: Callable[[Path], Figure]
    written_for: ClassVar[Mapping[str, tuple[str, ...]]] = _PICTURE
    selects_runs: ClassVar[bool] = False

    def make(self, runs: Path, selection: Selection, suffixes: Iterable[str]) -> Made:
        """See Product."""
        return Made(render(partial(self.draw, runs), suffixes))


@dataclass(frozen=True)
class FromSelectedRuns:
    """A picture of some run directories below RUNS."""

    draw: Callable[[Path, Selection], Figure]
    written_for: ClassVar[Mapping[str, tuple[str, ...]]] = _PICTURE
    selects_runs: ClassVar[bool] = True

    def make(self, runs: Path, selection: Selection, suffixes: Iterable[str]) -> Made:
        """See Product."""
        return Made(render(partial(self.draw, runs, selection), suffixes))


@dataclass(frozen=True)
class TableFromRuns:
    """A table of all run directories below RUNS; it is printed as well."""

    compile: Callable[[Path], Table]
    written_for: ClassVar[Mapping[str, tuple[str, ...]]] = {".md": (".md", ".csv"), ".csv": (".csv",)}
    selects_runs: ClassVar[bool] = False

    def make(self, runs: Path, selection: Selection, suffixes: Iterable[str]) -> Made:
        """See Product."""
        table = self.compile(runs)
        texts = {".md": table.markdown, ".csv": table.csv}
        files = {suffix: texts[suffix]().encode(errors="backslashreplace") for suffix in suffixes}
        return Made(files, table.for_standard_output())


FIGURES: Mapping[str, Product] = {
    "proposition2": FromRecord("proposition2", proposition2.draw),
    "theorem1": FromRecord("theorem1", theorem1.draw),
    "theorem1-constant": FromRecord("theorem1-constant", theorem1_constant.draw),
    "alternation": FromRecord("alternation", alternation.draw),
    "damo-gap": FromRecord("damo-gap", damo_gap.draw),
    "damo-maximin": FromRecord("damo-maximin", damo_maximin.draw),
    "estimation-error": FromRecord("estimation-error", estimation_error.draw),
    "mopo-tradeoff": FromRecord("mopo-tradeoff", mopo_tradeoff.draw),
    "conservatism": FromRecord("conservatism", conservatism.draw),
    "conservatism-deep": FromRuns(conservatism_deep.draw),
    "figure1": FromRuns(ampl_figure1.draw),
    "figure2": FromSelectedRuns(ampl_figure2.draw),
    "figure2-truth": FromRecord("figure2-truth", figure2_truth.draw),
    "figure2-continuous": FromRecord("figure2-continuous", figure2_continuous.draw),
    "weights-published": FromRecord("weights-published", weights_published.draw),
    "learning-curves": FromRuns(learning_curves.draw),
    "reached-score": FromRuns(reached_score.draw),
    "lqr-learning": FromRuns(lqr_learning.draw),
    "return-gap": FromRuns(return_gap.draw),
    "return-gap-finite": FromRecord("return-gap-finite", return_gap_finite.draw),
    "theorem1-deep": FromRuns(theorem1_deep.draw),
    "weights-help-finite": FromRecord("weights-help-finite", weights_help.draw_record),
    "weights-help": FromRuns(weights_help.draw),
    "table1": TableFromRuns(method_tables.table1),
    "table2": TableFromRuns(ampl_ablations.table2),
    "mopo-table1": TableFromRuns(mopo_tables.mopo_table1),
    "mopo-table2": TableFromRuns(mopo_returns.mopo_table2),
    "mopo-table3": TableFromRuns(mopo_returns.mopo_table3),
    "damo-table2": TableFromRuns(method_tables.damo_table2),
    "damo-alignment": FromRuns(damo_alignment.draw),
    "damo-training": FromRuns(damo_training.draw),
    "damo-alpha": FromRuns(damo_alpha.draw),
    "damo-values": TableFromRuns(damo_values.damo_values),
}


def find_figure(name: str) -> Product:
    """What makes the figure or table `name`.  Raises UnknownNameError."""
    if name not in FIGURES:
        raise UnknownNameError("figure", name, FIGURES)
    return FIGURES[name]
