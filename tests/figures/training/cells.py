"""Cells of a table by the names of their row and column."""

from __future__ import annotations

from figures.inputs.table import Table


def column(table: Table, row: str, name: str) -> str:
    (found,) = [cells for cells in table.rows if cells[0] == row]
    return found[table.columns.index(name)]
