"""What the seeds of each row say, and how likely a run of a row is better than one of a chosen row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.randomness import stream
from ampl.statistics import (
    Interval,
    Scores,
    bootstrap_interval,
    interquartile_mean,
    mean_over_tasks,
    median_over_tasks,
    optimality_gap,
    over_seeds,
    probability_of_improvement,
)
from figures.compare.rows import Policies, Row, left_out, rows_by_task, rows_over_tasks
from figures.inputs.measures import Measure
from figures.inputs.runs import Run


class Estimate(NamedTuple):
    """A statistic, and its interval; None where a task has one seed."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the seeds of a row say about one kind of policies.

    Attributes:
        scores: of each task what each seed reached: scores, 0-100, or returns.
        mean: mean over tasks of their means.
        std: spread over seeds; None for a single seed, and for several tasks.
        interquartile_mean: over all runs.
        median: over tasks of their means.
        optimality_gap: to a score of 100; None for returns.
        better: probability that a run is better than one of the row to compare with; None where that is this row
            itself, or no row of the same tasks was chosen.
    """

    scores: Scores
    mean: float
    std: float | None
    interquartile_mean: Estimate
    median: float
    optimality_gap: float | None
    better: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A row with its number, from 1, and its results."""

    number: int
    row: Row
    results: Mapping[Policies, Result]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All rows.

    Attributes:
        rows: of single tasks, then those over tasks.
        against: the row that others are compared with, as it was chosen; empty if none was.
        notes: on what is left out.
        found: all runs, in rows or not.
    """

    rows: Sequence[Compared]
    against: str
    notes: Sequence[str]
    found: Sequence[Run]


def compare(runs: Sequence[Run], against: str = "", seed: int = 0) -> Comparison:
    """The rows of runs, and what their seeds say.

    Args:
        runs: whose curves are scores or returns, see `find_nested_runs`.
        against: a row to compare the others with: its number, its method, or a part of its name; empty: none.
        seed: of the resamples behind intervals; those of a row do not depend on the other rows.

    Raises:
        InvalidFileError: no run has a score or return.
        UnknownNameError: no such row.
        InvalidArgumentError: a number that no row has; several such rows on each task; where that is so on some, a
            note says it.
    """
    rows, missing = rows_by_task(runs), left_out(runs)
    if not rows:
        raise InvalidFileError(" ".join(["no run to compare: none has a score or a return.", *missing]))
    over, ambiguous = rows_over_tasks(rows)
    rows += over
    others, unclear = _chosen(rows, against) if against else ([], [])
    compared = [
        Compared(number=number, row=row, results=_results(row, others, seed))
        for number, row in enumerate(rows, start=1)
    ]
    name = f"row {against}" if against.isdecimal() else against
    return Comparison(rows=compared, against=name, notes=[*missing, *ambiguous, *unclear], found=runs)


def _chosen(rows: Sequence[Row], text: str) -> tuple[list[Row], list[str]]:
    """The rows that a number, a method or a part of a name means, one of the same tasks; and where it means several."""
    if text.isdecimal():
        if not 1 <= int(text) <= len(rows):
            raise InvalidArgumentError(
                f"--against is {text}; expected the number of a row, 1 to {len(rows)}, a method or a part of a name."
            )
        return [rows[int(text) - 1]], []
    chosen, unclear = [], []
    for first in rows:
        same = [row for row in rows if _comparable(row, first)]
        found = [row for row in same if text in (row.method, row.name)] or [row for row in same if text in row.name]
        if first is same[0] and len(found) == 1:
            chosen += found
        elif first is same[0] and found:
            numbers = ", ".join(str(rows.index(row) + 1) for row in found)
            unclear.append(
                f"'{text}' means several rows on {', '.join(first.tasks)}: {numbers}. Give the number of one."
            )
    if not chosen and unclear:
        raise InvalidArgumentError(" ".join(unclear))
    if not chosen:
        raise UnknownNameError("row", text, {row.method for row in rows})
    return chosen, unclear


def _results(row: Row, others: Sequence[Row], seed: int) -> dict[Policies, Result]:
    other = next((each for each in others if _comparable(row, each) and each is not row), None)
    return {policies: _result(row, other, policies, seed) for policies in Policies}


def _result(row: Row, other: Row | None, policies: Policies, seed: int) -> Result:
    scores = row.scores(policies)
    better = None
    if other is not None:
        samples = scores, other.scores(policies)
        interval = bootstrap_interval(probability_of_improvement, *samples, generator=stream(seed, "better"))
        better = Estimate(float(probability_of_improvement(*samples)), interval)
    interval = bootstrap_interval(interquartile_mean, scores, generator=stream(seed, "interquartile mean"))
    return Result(
        scores=scores,
        mean=float(mean_over_tasks(scores)),
        std=over_seeds(scores[0]).std if len(scores) == 1 else None,
        interquartile_mean=Estimate(float(interquartile_mean(scores)), interval),
        median=float(median_over_tasks(scores)),
        optimality_gap=float(optimality_gap(scores)) if row.measure is Measure.SCORE else None,
        better=better,
    )


def _comparable(row: Row, other: Row) -> bool:
    return row.tasks == other.tasks and row.measure is other.measure
