"""What runs are judged by: a normalized score, or a return where a task has no scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from ampl.runs.headline import SCORE
from figures.inputs.runs import Run
from figures.inputs.scores import named

SCORES_OF_RETURNS = "On data of your own `--references LOW HIGH`, given from the start, makes scores of returns."


class Measure(StrEnum):
    """What a run is judged by."""

    SCORE = "score"  # 0-100
    RETURN = "return"  # undiscounted, in reward units
    EXACT = "exact return"  # (1 - discount) E[V], in reward units a step; finite MDPs


UNITS: Mapping[Measure, str] = {
    Measure.SCORE: "score (0-100)",
    Measure.RETURN: "return (reward units)",
    Measure.EXACT: "exact return, discounted (reward units a step)",
}
FORMS: Mapping[Measure, str] = {Measure.SCORE: ".1f", Measure.RETURN: ".4g", Measure.EXACT: ".4g"}
"""How their numbers are written."""


def measure_of(run: Run) -> Measure:
    """What the curve of a run holds, which was asked for as scores or else returns."""
    unscored = Measure.EXACT if run.exact else Measure.RETURN
    return Measure.SCORE if run.metric == SCORE else unscored


def with_scores(runs: Sequence[Run]) -> tuple[list[Run], str]:
    """The runs with normalized scores, and what to say of those with returns alone; empty if there are none.

    Args:
        runs: whose curves are scores or returns.
    """
    scored = [run for run in runs if run.scored]
    returns = [run for run in scored if run.metric != SCORE]
    note = f"With returns and no scores, not drawn: {named(returns)}." if returns else ""
    remedy = SCORES_OF_RETURNS if any(not run.exact for run in returns) else ""
    return [run for run in scored if run.metric == SCORE], " ".join(filter(None, [note, remedy]))
