"""Numbers that summarize several: spreads, and what a few runs say about runs in general.

There are two divisors of standard deviations, stated here and nowhere else. What describes all there is (the episodes
of an evaluation, the rows of a dataset) is divided by n, as the papers' programs do with their returns. What a few runs
say about runs in general (the spread over seeds) is divided by n - 1.

Over several tasks, scores come as one array a task, [..., runs]; axes before the last are for resamples. The formulas
are those of Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021), and
of its library rliable, where every task has as many runs as the others. Where their numbers differ, means and medians
are over tasks, and the interquartile mean is over all runs of all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.floating]
Scores = Sequence[NDArray[np.float64]]

RESAMPLES = 10_000
CONFIDENCE = 0.95


class Summary(NamedTuple):
    """Mean over seeds, and their standard deviation with the divisor n - 1; None for a single seed, which has none."""

    mean: float
    std: float | None


class Interval(NamedTuple):
    """Where a statistic lies with the probability CONFIDENCE."""

    low: float
    high: float


def spread(values: Values) -> float:
    """Standard deviation with the divisor n, in the unit of the values; at least one value."""
    return _deviation(values, 0)


def over_seeds(values: Values) -> Summary:
    """Mean and spread of what each seed reached; at least one value."""
    return Summary(float(np.mean(values, dtype=np.float64)), _deviation(values, 1) if len(values) > 1 else None)


def mean_over_tasks(scores: Scores) -> NDArray[np.float64]:
    """Mean over tasks of their means, [...]; a plain mean where all tasks have as many runs."""
    return np.mean(_task_means(scores), axis=0)


def median_over_tasks(scores: Scores) -> NDArray[np.float64]:
    """Median over tasks of their means, [...]."""
    return np.median(_task_means(scores), axis=0)


def interquartile_mean(scores: Scores) -> NDArray[np.float64]:
    """Mean of the middle half of all runs of all tasks, [...]: a quarter, rounded down, is cut at each end."""
    pooled = np.sort(np.concatenate(scores, axis=-1), axis=-1)
    cut = pooled.shape[-1] // 4
    return pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1)


def optimality_gap(scores: Scores, target: float = 100.0) -> NDArray[np.float64]:
    """How far runs stay below the target, on the mean over tasks, [...]; what is above it counts as it."""
    return target - mean_over_tasks([np.minimum(each, target) for each in scores])


def probability_of_improvement(scores: Scores, others: Scores) -> NDArray[np.float64]:
    """Probability that a run has a higher score than one of the others on the same task, mean over tasks, [...].

    On each task it is the Mann-Whitney statistic U over the number of pairs; a tie counts one half.
    """
    return np.mean([_share_of_wins(ours, theirs) for ours, theirs in zip(scores, others, strict=True)], axis=0)


def bootstrap_interval(
    statistic: Callable[..., NDArray[np.float64]], *samples: Scores, generator: np.random.Generator
) -> Interval | None:
    """Percentile interval of a statistic, by resampling the runs within each task (a stratified bootstrap).

    Args:
        statistic: of as many scores as there are samples.
        samples: the scores of a method each; each is resampled on its own.
        generator: draws the resamples.

    Returns:
        None where a task has a single run: nothing is known about its spread.
    """
    if any(len(task) < 2 for scores in samples for task in scores):
        return None
    drawn = [
        [task[generator.integers(len(task), size=(RESAMPLES, len(task)))] for task in scores] for scores in samples
    ]
    tail = (1.0 - CONFIDENCE) / 2.0
    return Interval(*np.quantile(statistic(*drawn), [tail, 1.0 - tail]).tolist())


def _share_of_wins(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of pairs that ours wins, a tie being half a win: [..., n] against [..., m] gives [...].

    One search in a sorted array counts them for all resamples, whose numbers are shifted apart; no pair takes memory.
    """
    (*shape, n), m = ours.shape, theirs.shape[-1]
    both = np.concatenate([ours, theirs], axis=-1).reshape(-1, n + m)
    values, ranks = np.unique(both, return_inverse=True)
    row = np.arange(len(both))[:, None]
    places = ranks.reshape(both.shape) + len(values) * row
    mine, sorted_others = places[:, :n], np.sort(places[:, n:], axis=-1).ravel()
    lower, not_higher = (np.searchsorted(sorted_others, mine, side) for side in ("left", "right"))
    twice = (lower + not_higher - 2 * m * row).sum(axis=-1)
    return (twice / (2.0 * n * m)).reshape(shape)


def _task_means(scores: Scores) -> list[NDArray[np.float64]]:
    return [each.mean(axis=-1) for each in scores]


def _deviation(values: Values, lost: int) -> float:
    """From squared distances to the mean, whose digits a large mean leaves alone; exactly 0 where values are equal."""
    array = np.asarray(values, dtype=np.float64)
    is_constant = bool((array == array[0]).all())  # the mean of equal values may round to another number
    return 0.0 if is_constant else float(np.std(array, ddof=lost))
