"""The table of results that `ampl train` and `ampl evaluate` end with: a column a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ampl.interfaces import Metrics
from ampl.printing import literal_console, print_line

_TRUTHS = tuple(f"truth/{name}" for name in (
    "discounted_return", "return_in_model", "return_gap", "model_divergence_nats", "theorem1_gap", "theorem1_bound"
))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Column:
    """One seed of the table.

    Attributes:
        seed: the seed.
        facts: what stands above the metrics, in words.
        metrics: the numbers.
        path: where the results are.
    """

    seed: int
    facts: Mapping[str, str]
    metrics: Metrics
    path: Path


def print_results(title: str, columns: Sequence[Column], notes: Sequence[str]) -> None:
    """Prints the table, the notes, and where the results are; of what the truth is only the most important."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(f"seed {column.seed}", justify="right")
    for name in dict.fromkeys(name for column in columns for name in column.facts):
        table.add_row(name, *(column.facts.get(name, "") for column in columns))
    for name in dict.fromkeys(name for column in columns for name in column.metrics):
        if name.startswith("truth/") and name not in _TRUTHS:
            continue
        values = (column.metrics.get(name) for column in columns)
        table.add_row(name, *("" if value is None else f"{value:.4g}" for value in values))
    literal_console().print(table)
    for line in [*notes, *(f"seed {column.seed}: {column.path}" for column in columns)]:
        print_line(line)
