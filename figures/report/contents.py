"""What a report holds: everything that the runs, records and claims of a folder fill. Nothing is computed for it.

    DIR/<task>/<algorithm>/<variant>/seed<k>/    runs, from `ampl train`
    DIR/records/<name>.npz                       what experiments found, from `ampl figure`
    DIR/claims.json                              verdicts, from `ampl verify` (or verify.json, or verify/*.json)

What cannot be filled is left out and named, with the command that would fill it.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from ampl.errors import AmplError, InvalidFileError, error_words
from ampl.runs.headline import SCORE
from figures.compare.results import compare
from figures.compare.tables import tables as comparison_tables
from figures.drawing.render import render
from figures.drawing.style import CaptionedFigure
from figures.inputs.run_places import deeper_folders
from figures.inputs.runs import RETURN, check_is_folder, find_all_runs
from figures.inputs.table import Table
from figures.registry import FIGURES, FromRecord, FromRuns, FromSelectedRuns, Product, TableFromRuns
from figures.report.facts import caution, claim_table, facts, find_claims, run_table, settings_table
from figures.training.ampl_figure2 import Selection

_logger = logging.getLogger(__name__)

CLAIMS = "claims"  # their name among what is left out
_PIXELS_PER_INCH = 96  # of CSS

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as the bytes of a file.

    Attributes:
        data: the file, a PNG.
        width, height: natural size in CSS pixels.
        finding: what it shows.
        reading: how to read it, and what it is drawn from.
    """

    data: bytes
    width: int
    height: int
    finding: str
    reading: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """All that goes on the page.

    Attributes:
        folder: that it is of.
        facts: where it comes from, as pairs of a name and what is to be said.
        caution: what the scores may not be compared with; empty if nothing speaks against it.
        runs: one row for the seeds of each algorithm, task and variant; None without runs.
        settings: those that differ between the rows of `runs`; None where none does.
        comparison: scores of all runs, as `ampl compare` prints them.
        claims: one row a claim; None without claims.
        tables: by name.
        pictures: by name.
        left_out: why something is not there, by its name.
        warnings: on runs that were left out, or that are unlike those they are taken together with.
    """

    folder: Path
    facts: tuple[tuple[str, str], ...]
    caution: str
    runs: Table | None
    settings: Table | None
    comparison: Sequence[Table]
    claims: Table | None
    tables: Mapping[str, Table]
    pictures: Mapping[str, Picture]
    left_out: Mapping[str, str]
    warnings: tuple[str, ...]


def collect(folder: Path, advance: Callable[[], None] = lambda: None) -> Contents:
    """Reads, compiles and draws everything that a folder fills.

    Args:
        folder: folder of runs.
        advance: called after each of `FIGURES`.

    Raises:
        InvalidFileError: it is not there, not a folder, or holds neither runs nor records nor claims.
    """
    check_is_folder(folder)
    with _warnings_once() as warnings:
        runs = find_all_runs(folder, (SCORE, RETURN))
        records = [name for name, made in FIGURES.items() if isinstance(made, FromRecord) and _record(folder, made)]
        deeper = ", ".join(map(str, deeper_folders(folder)))
        if not runs and not records and find_claims(folder) is None:
            remedy = f"There are runs in {deeper}." if deeper else "`ampl demo --out DIR` makes some of each in DIR."
            raise InvalidFileError(f"{folder} holds neither runs nor records nor claims that can be read. {remedy}")
        if deeper:
            _logger.warning("runs in deeper folders are not on this page; `ampl report` takes these: %s", deeper)
        left_out: dict[str, str] = {}
        comparison = _kept("comparison", lambda: comparison_tables(compare(runs)), left_out)
        claims = _kept(CLAIMS, partial(claim_table, folder), left_out)
        tables: dict[str, Table] = {}
        pictures: dict[str, Picture] = {}
        for name, product in FIGURES.items():
            if isinstance(product, TableFromRuns):
                table = _kept(name, partial(product.compile, folder), left_out)
                tables |= {} if table is None else {name: table}
            else:
                picture = _kept(name, partial(_picture, product, folder), left_out)
                pictures |= {} if picture is None else {name: picture}
            advance()
    return Contents(
        folder=folder,
        facts=facts(folder, runs, records),
        caution=caution(runs),
        runs=run_table(runs) if runs else None,
        settings=settings_table(runs),
        comparison=comparison or [],
        claims=claims,
        tables=tables,
        pictures=pictures,
        left_out=left_out,
        warnings=tuple(warnings),
    )


def _kept(name: str, make: Callable[[], _T], left_out: dict[str, str]) -> _T | None:
    """What `make` makes; None if it cannot, and then the reason is noted, and a fault of ours is a warning, too."""
    try:
        return make()
    except AmplError as error:
        left_out[name] = str(error)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        what = error_words(error)
        left_out[name] = f"it failed, which is a fault of this program ({what})."
        _logger.warning("%s is left out of the report: it failed (%s). Please report it with these runs.", name, what)
        _logger.debug("%s", name, exc_info=True)
    return None


def _picture(product: Product, folder: Path) -> Picture:
    """Draws a figure from what is there.  Raises AmplError."""
    if isinstance(product, FromRecord):
        record = _record(folder, product)
        if record is None:
            command = f"ampl figure NAME --runs {shlex.quote(str(folder))}"
            raise InvalidFileError(f"no record in {folder / 'records'}. `{command}` computes one and draws it.")
        return _rendered(partial(product.draw, record))
    if isinstance(product, FromSelectedRuns):
        try:
            return _rendered(partial(product.draw, folder, Selection(paper=True)))
        except AmplError:  # the paper shows another task
            return _rendered(partial(product.draw, folder, Selection()))
    assert isinstance(product, FromRuns)
    return _rendered(partial(product.draw, folder))


def _rendered(draw: Callable[[], Figure]) -> Picture:
    """Draws a figure and takes its caption along."""
    drawn: list[Figure] = []

    def keep() -> Figure:
        drawn.append(draw())
        return drawn[-1]

    data = render(keep, [".png"])[".png"]
    [figure] = drawn
    caption = figure.caption if isinstance(figure, CaptionedFigure) else None
    return Picture(
        data=data,
        width=round(_PIXELS_PER_INCH * figure.get_figwidth()),
        height=round(_PIXELS_PER_INCH * figure.get_figheight()),
        finding="" if caption is None else caption.finding,
        reading="" if caption is None else f"{caption.reading} {caption.source}",
    )


def _record(folder: Path, product: FromRecord) -> Path | None:
    """The record that a figure is drawn from; None if it is not there."""
    path = folder / "records" / f"{product.name}.npz"
    return path if path.exists() else None


class _Collector(logging.Handler):
    """Keeps the text of each warning once, in order."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.messages[record.getMessage()] = None


@contextmanager
def _warnings_once() -> Iterator[Mapping[str, None]]:
    """Collects the warnings on runs, which every table and figure repeats; passes each on once, at the end."""
    package, collector = logging.getLogger("figures"), _Collector()
    propagate = package.propagate
    package.addHandler(collector)
    package.propagate = False
    try:
        yield collector.messages
    finally:
        package.propagate = propagate
        package.removeHandler(collector)
        for message in collector.messages:
            _logger.warning("%s", message)
