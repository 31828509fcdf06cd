"""A mean from samples, within bounds that fail with probability at most one in a million."""

from __future__ import annotations

import math

import numpy as np

from continuous.linear_gaussian.checks import Floats

FAILURE = 1e-6


def mean_interval(samples: Floats, low: float, high: float) -> tuple[float, float]:
    """Between what the mean of the samples' law lies, but for a probability of at most 1e-6.

    The empirical Bernstein bound of Maurer and Pontil (2009), Theorem 4, on either side with half of that probability:
    |mean - E| <= sqrt(2 V log(2/p) / n) + 7 (high - low) log(2/p) / (3 (n - 1)), p = 5e-7, V the sample variance.

    Args:
        samples: independent, [n], n >= 2, each between `low` and `high`.
        low: of the law's range.
        high: likewise.
    """
    n, log_term = len(samples), math.log(2.0 / (FAILURE / 2.0))
    mean, variance = float(samples.mean()), float(np.var(samples, ddof=1))
    margin = math.sqrt(2.0 * variance * log_term / n) + 7.0 * (high - low) * log_term / (3.0 * (n - 1))
    return mean - margin, mean + margin
