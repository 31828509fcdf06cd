"""Standard deviations: the two divisors that are used, stated here and nowhere else.

What describes all there is (the episodes of an evaluation, the rows of a dataset) is divided by n, as the papers'
programs do with their returns. What a few runs say about runs in general (the spread over seeds) is divided by n - 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.floating]


def spread(values: Values) -> float:
    """Standard deviation with the divisor n, in the unit of the values; at least one value."""
    return _deviation(values, 0)


def spread_over_seeds(values: Values) -> float | None:
    """Standard deviation with the divisor n - 1; None for a single seed, which has no spread."""
    return _deviation(values, 1) if len(values) > 1 else None


def _deviation(values: Values, lost: int) -> float:
    """From squared distances to the mean, whose digits a large mean leaves alone; exactly 0 where values are equal."""
    array = np.asarray(values, dtype=np.float64)
    is_constant = bool((array == array[0]).all())  # the mean of equal values may round to another number
    return 0.0 if is_constant else float(np.std(array, ddof=lost))
