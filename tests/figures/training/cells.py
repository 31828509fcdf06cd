"""Cells of a table by the names of their row and column."""

from __future__ import annotations

from figures.inputs.table import Table


def column(table: Table, row: str, name: str) -> str:
    (found,) = [cells for cells in table.rows if cells[0] == row]
    return found[table.columns.index(name)]


def cell(table: Table, task: str, method: str, scores: str = "ours") -> str:
    """One cell of a table with several rows for a dataset; empty where the row is missing."""
    found = [cells for cells in table.rows if cells[:2] == (task, scores)]
    return found[0][table.columns.index(method)] if found else ""
