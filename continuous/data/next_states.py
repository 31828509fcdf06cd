"""Whether the next observations of a dataset are what its rows saw next.

Inside an episode a row's next observation is the observation of the row after it, to rounding. Where they differ in
more than half of the rows that can be compared it is a problem, where they differ in fewer a note: an episode may end
there that no flag ends. Rows that are plainly shuffled, or from between which others were taken, get a note, however
many differ: most of them move, and by less than three quarters of what lies between neighbours. And where rows differ,
or none can be compared since each is an episode of its own, next observations that equal the observations in every row
that is not terminal are a problem: nothing ever moves.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from continuous.data.d4rl_data import D4RLData, Floats

_SLACK = 1e-4  # of a column's standard deviation
_ROUNDING = 1e-6  # of its largest number
_SAMPLE = 10_000  # rows, on which distances are measured
_NEARER = 0.75  # of the distance to the row after it: a next observation within lies before that row


def wrong_next_states(data: D4RLData) -> Iterator[str]:
    """Why next observations cannot be used; nothing where there are none."""
    if data.next_observations is None:
        return
    compared, differing = _comparison(data, data.next_observations)
    if (len(differing) or not compared) and _nothing_moves(data, data.next_observations):
        yield "next_observations are equal to observations, though these change; store what each step led to"
    elif 2 * len(differing) > compared and not _rows_between(data.observations, data.next_observations):
        yield (
            f"next_observations of {len(differing)} of {compared} rows are not the observation of the row after them, "
            f"first in row {differing[0]}; mend them, or set 'timeouts' in rows that their next step does not follow"
        )


def odd_next_states(data: D4RLData) -> Iterator[str]:
    """What is worth knowing about next observations that can be used."""
    if data.next_observations is None:
        return
    compared, differing = _comparison(data, data.next_observations)
    many = 2 * len(differing) > compared
    if many and _rows_between(data.observations, data.next_observations):
        yield (
            f"rows seem to be shuffled, or others to be left out: {len(differing)} of {compared} are not followed by "
            "their next observation, so episodes, their returns and their starts mean nothing"
        )
    elif len(differing) and not many:
        yield (
            f"{len(differing)} rows (first {differing[0]}) have a next observation that differs from the next row's "
            "observation; an episode may end there"
        )


def _comparison(data: D4RLData, following: Floats) -> tuple[int, NDArray[np.int64]]:
    """How many rows have a next one in their episode, and which of these differ from it."""
    inside = ~(data.terminals | data.timeouts)[:-1]
    rows: NDArray[np.int64] = np.flatnonzero(inside & (following[:-1] != data.observations[1:]).any(axis=1))
    if len(rows):
        size = np.maximum(data.observations.max(axis=0), -data.observations.min(axis=0))
        slack = _SLACK * data.observations.std(axis=0, dtype=np.float64) + _ROUNDING * size
        rows = rows[(np.abs(following[rows] - data.observations[rows + 1]) > slack).any(axis=1)]
    return int(inside.sum()), rows


def _nothing_moves(data: D4RLData, following: Floats) -> bool:
    going_on = ~data.terminals
    still = (following == data.observations).all(axis=1)[going_on]
    return bool(going_on.any() and still.all() and (data.observations != data.observations[0]).any())


def _rows_between(observations: Floats, following: Floats) -> bool:
    """Whether most next observations come before the row after them, by medians of distances."""
    rows = np.arange(len(observations) - 1)[:: -(-len(observations) // _SAMPLE)]
    scale = np.maximum(observations.std(axis=0, dtype=np.float64), np.finfo(np.float32).tiny)
    here = observations[rows]
    move, neighbour = (
        float(np.median(np.abs((there - here) / scale).mean(axis=1)))
        for there in (following[rows], observations[rows + 1])
    )
    return 0.0 < move < _NEARER * neighbour
