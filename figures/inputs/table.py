"""A table as people read it (Markdown, terminal) and as programs do (CSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from ampl.files import SIGNATURE
from ampl.markdown import as_markdown, sentence_as_markdown
from ampl.printing import literal_console

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
        """As CSV with full precision; a last column says who wrote it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.values[0], "written_by"])
        for row in self.values:
            writer.writerow([*("" if value is None else value for value in row.values()), SIGNATURE])
        return text.getvalue()

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


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(as_markdown, cells))} |"
