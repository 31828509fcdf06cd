"""Numbers that are finite but far too large beside the rest of their column: damage that no shape or type shows.

A dynamics model divides each column by its standard deviation. One number a million times larger than the others takes
all of that deviation, and what is left of the others is lost in float32; the networks of policies and critics, which
see states as they are, overflow. Sound columns can be mostly zero (contact forces, sparse rewards), so a number is
compared with the median of those that are not zero, and never with less than 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from continuous.data.d4rl_data import D4RLData

_HOPELESS = 1e6  # times its column's median; nothing else of the column survives in float32
_SUSPECT = 1e3
_LARGE_UNITS = 1e4  # a median beyond it; the networks of policies and critics take states and rewards as they are
_OVERFLOW = 1e12  # its square, summed over an episode and squared again by a critic's loss, leaves float32
_ROWS = 10_000  # on which medians are measured


def overlarge_numbers(data: D4RLData) -> Iterator[str]:
    """The columns with numbers that nothing can be learned beside."""
    for what, row, value, median in _largest(data):
        if value > min(_HOPELESS * median, _OVERFLOW):
            yield f"{_described(what, row, value, median)}; training would see nothing else. Mend or remove the episode"


def suspect_numbers(data: D4RLData) -> Iterator[str]:
    """The columns with numbers that are worth a look."""
    for what, row, value, median in _largest(data):
        if value > min(_HOPELESS * median, _OVERFLOW):
            continue
        if value > _SUSPECT * median:
            yield f"{_described(what, row, value, median)}; a model divides the column by its standard deviation"
        elif median > _LARGE_UNITS:
            yield f"half of the numbers of {what} are beyond {median:.3g}; networks learn best in units near 1"


def _described(what: str, row: int, value: float, median: float) -> str:
    return f"{what} is {value:.3g} in size in row {row}, where half of its numbers are below {median:.3g}"


def _largest(data: D4RLData) -> Iterator[tuple[str, int, float, float]]:
    """Each column that reaches beyond `_SUSPECT`: its name, and its largest absolute value, where, and beside what."""
    for name in ("observations", "next_observations", "rewards"):
        values = getattr(data, name)
        if values is None or max(values.max(), -values.min()) <= _SUSPECT:  # a fast look at all columns at once
            continue
        table = values.reshape(len(values), -1)
        for column in np.flatnonzero(np.maximum(table.max(axis=0), -table.min(axis=0)) > _SUSPECT):
            sizes = np.abs(table[:, column])
            row = int(sizes.argmax())
            what = name if values.ndim == 1 else f"column {column} of {name}"
            yield what, row, float(sizes[row]), _median(sizes)


def _median(sizes: NDArray[np.float32]) -> float:
    """Of the numbers that are not zero, and at least 1."""
    sample = sizes[:: -(-len(sizes) // _ROWS)]
    return max(float(np.median(sample[sample > 0.0])) if sample.any() else 0.0, 1.0)
