"""Spreads, and aggregates over runs and tasks, against values worked out by hand and against scipy."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from ampl.statistics import (
    bootstrap_interval,
    interquartile_mean,
    mean_over_tasks,
    median_over_tasks,
    optimality_gap,
    over_seeds,
    probability_of_improvement,
    spread,
)

RUNS_BY_TASKS = np.array([[0.0, 30.0, 130.0], [20.0, 50.0, 110.0], [70.0, 40.0, 90.0]])
SCORES = list(RUNS_BY_TASKS.T)
"""Of three tasks: means 30, 40 and 110; in order 0 20 30 40 50 70 90 110 130."""


def test_both_divisors_by_hand() -> None:
    values = [1.0, 2.0, 6.0]  # mean 3, squared deviations 4 + 1 + 9
    assert spread(values) == pytest.approx(np.sqrt(14.0 / 3.0), rel=1e-15)
    assert over_seeds(values).std == pytest.approx(np.sqrt(14.0 / 2.0), rel=1e-15)


def test_a_single_value_has_no_spread() -> None:
    assert spread([3.0]) == 0.0
    assert over_seeds([3.0]).std is None


def test_equal_values_have_a_spread_of_exactly_zero() -> None:
    values = np.full(10, 0.1)  # their mean rounds: numpy's standard deviation is 1.4e-17
    assert spread(values) == 0.0
    assert over_seeds(values).std == 0.0


def test_a_large_mean_takes_no_digits_away() -> None:
    values = np.array([0.0, 1.0, 2.0])
    assert spread(2.0**50 + values) == spread(values)


def test_single_precision_is_summed_in_double() -> None:
    values = np.array([1.0, 1.0 + 2.0**-23], dtype=np.float32)
    assert spread(values) == 2.0**-24


def test_aggregates_over_runs_and_tasks_by_hand() -> None:
    assert mean_over_tasks(SCORES) == pytest.approx(60.0)
    assert median_over_tasks(SCORES) == pytest.approx(40.0)
    assert interquartile_mean(SCORES) == pytest.approx((30 + 40 + 50 + 70 + 90) / 5)  # of nine, two go at each end
    assert optimality_gap(SCORES) == pytest.approx(100 - (0 + 20 + 70 + 30 + 50 + 40 + 100 + 100 + 90) / 9)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (4, 2), (5, 3), (10, 7)])
def test_the_interquartile_mean_is_the_mean_trimmed_by_a_quarter(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(0).normal(size=shape)
    expected = stats.trim_mean(scores, 0.25, axis=None)  # rliable's aggregate_iqm
    assert interquartile_mean(list(scores.T)) == pytest.approx(expected, rel=1e-14)


def test_a_task_with_fewer_runs_counts_as_much_in_means_over_tasks() -> None:
    scores = [np.array([10.0, 20.0, 60.0]), np.array([200.0])]
    assert mean_over_tasks(scores) == pytest.approx(115.0)
    assert optimality_gap(scores) == pytest.approx(100.0 - (30.0 + 100.0) / 2)
    assert interquartile_mean(scores) == pytest.approx(40.0)  # of four, one goes at each end


def test_improvement_is_the_mean_share_of_pairs_won_with_ties_as_halves() -> None:
    ours, theirs = [np.array([1.0, 2.0]), np.array([5.0])], [np.array([0.0, 1.0, 2.0]), np.array([6.0, 6.0])]
    # the first task: 1 > 0, 1 = 1, 2 > 0, 2 > 1, 2 = 2; the second: none
    assert probability_of_improvement(ours, theirs) == pytest.approx((4.0 / 6.0 + 0.0) / 2)
    pairs = [
        stats.mannwhitneyu(one, other, alternative="greater").statistic / (len(one) * len(other))
        for one, other in zip(ours, theirs, strict=True)
    ]
    assert probability_of_improvement(ours, theirs) == pytest.approx(np.mean(pairs))
    assert probability_of_improvement(theirs, ours) == pytest.approx(1.0 - np.mean(pairs))


def test_resampling_stays_within_tasks() -> None:
    apart = [np.zeros(3), np.full(3, 10.0)]
    assert bootstrap_interval(mean_over_tasks, apart, generator=np.random.default_rng(0)) == (5.0, 5.0)
    varied = [np.array([0.0, 1.0]), np.full(3, 10.0)]  # means 5, 5.25 and 5.5 in 1, 2 and 1 of 4 resamples
    assert bootstrap_interval(mean_over_tasks, varied, generator=np.random.default_rng(0)) == (5.0, 5.5)


def test_the_interval_is_scipys_percentile_bootstrap() -> None:
    ours, theirs = (np.random.default_rng(seed).normal(size=12) for seed in (1, 2))
    for samples, statistic in (((ours,), interquartile_mean), ((ours, theirs), probability_of_improvement)):
        interval = bootstrap_interval(statistic, *([each] for each in samples), generator=np.random.default_rng(0))
        expected = stats.bootstrap(
            samples,
            lambda *drawn, axis, statistic=statistic: statistic(*([each] for each in drawn)),
            n_resamples=10_000,
            method="percentile",
            random_state=np.random.default_rng(3),  # rng from scipy 1.15 on
        ).confidence_interval
        assert interval == pytest.approx((expected.low, expected.high), abs=0.03)


def test_the_same_generator_gives_the_same_interval_and_a_single_run_none() -> None:
    varied = [np.random.default_rng(4).normal(size=9)]
    first, again, other = (
        bootstrap_interval(interquartile_mean, varied, generator=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other
    single = [np.array([1.0, 2.0]), np.array([3.0])]
    assert bootstrap_interval(interquartile_mean, single, generator=np.random.default_rng(0)) is None


def pairs_one_by_one(scores: list[np.ndarray], others: list[np.ndarray]) -> np.ndarray:
    signs = [np.sign(ours[..., :, None] - theirs[..., None, :]) for ours, theirs in zip(scores, others, strict=True)]
    return np.mean([(0.5 * (1.0 + sign)).mean(axis=(-2, -1)) for sign in signs], axis=0)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 5), (7, 3)])
def test_counted_wins_are_those_of_all_pairs_to_the_last_bit(n: int, m: int) -> None:
    generator = np.random.default_rng(0)
    ours, theirs = ([generator.integers(6, size=(4, runs)) / 3.0 for _ in range(2)] for runs in (n, m))  # with ties
    np.testing.assert_array_equal(probability_of_improvement(ours, theirs), pairs_one_by_one(ours, theirs))
    one, other = [ours[0][0]], [theirs[0][0]]
    assert probability_of_improvement(one, other) == pairs_one_by_one(one, other)
    intervals = [
        bootstrap_interval(each, one, other, generator=np.random.default_rng(1))
        for each in (probability_of_improvement, pairs_one_by_one)
    ]
    assert intervals[0] == intervals[1]


def test_an_interval_of_many_runs_needs_little_memory() -> None:
    """All pairs of 200 and 300 runs in 10,000 resamples would fill 4.8 GB."""
    generator = np.random.default_rng(0)
    ours, theirs = [generator.normal(1.0, size=200)], [generator.normal(size=300)]
    tracemalloc.start()
    interval = bootstrap_interval(probability_of_improvement, ours, theirs, generator=generator)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert interval is not None
    assert interval.low < probability_of_improvement(ours, theirs) < interval.high
    assert peak < 1e9
