"""A table as people read it (Markdown, terminal) and as programs do (CSV)."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ampl.files import SIGNATURE
from ampl.markdown import as_markdown, sentence_as_markdown
from ampl.printing import literal_console

_WIDTH_WITHOUT_TERMINAL = 180  # characters

Value = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells to be read, and the same results as plain values.

    Attributes:
        title: what it is.
        columns: names of the columns.
        rows: texts, one a column; empty where there is nothing.
        notes: sentences below the table.
        values: one mapping a row of the CSV, all with the same names, in the same order; None where there is nothing.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    values: tuple[Mapping[str, Value], ...]

    def markdown(self) -> str:
        """As a Markdown page."""
        lines = [_line(self.columns), "|" + "---|" * len(self.columns), *map(_line, self.rows)]
        notes = [f"- {sentence_as_markdown(note)}" for note in self.notes]
        title = f"# {as_markdown(self.title)}"
        return "\n".join([f"<!-- written by {SIGNATURE} -->", title, "", *lines, "", *notes]) + "\n"

    def csv(self) -> str:
        """As CSV with full precision, see `as_csv`."""
        return as_csv(self.values)

    def for_standard_output(self) -> str:
        """As lines for the terminal that standard output is, or for wide ones where it is none."""
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
        return self.terminal(width, sys.stdout.encoding or "utf-8")

    def terminal(self, width: int, encoding: str = "utf-8") -> str:
        """As lines for a terminal of `width` characters; what its encoding does not have is escaped."""
        from rich.table import Table as Grid

        grid = Grid(title=self.title, title_justify="left")
        for column in self.columns:
            grid.add_column(column, overflow="fold")
        for row in self.rows:
            grid.add_row(*row)
        file = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace", newline="")
        console = literal_console(file=file, width=width, color_system=None, force_terminal=False)
        console.print(grid)
        for note in self.notes:
            console.print(f"- {note}")
        file.seek(0)
        return file.read()


def as_csv(values: Sequence[Mapping[str, Value]]) -> str:
    """Mappings with the same names, at least one, as CSV with full precision; a last column says who wrote it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*values[0], "written_by"])
    for row in values:
        writer.writerow([*("" if value is None else value for value in row.values()), SIGNATURE])
    return text.getvalue()


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(as_markdown, cells))} |"
