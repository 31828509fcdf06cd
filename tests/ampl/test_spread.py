"""Standard deviations against values worked out by hand, for constants and beside a large mean."""

import numpy as np
import pytest

from ampl.spread import spread, spread_over_seeds


def test_both_divisors_by_hand() -> None:
    values = [1.0, 2.0, 6.0]  # mean 3, squared deviations 4 + 1 + 9
    assert spread(values) == pytest.approx(np.sqrt(14.0 / 3.0), rel=1e-15)
    assert spread_over_seeds(values) == pytest.approx(np.sqrt(14.0 / 2.0), rel=1e-15)


def test_a_single_value_has_no_spread() -> None:
    assert spread([3.0]) == 0.0
    assert spread_over_seeds([3.0]) is None


def test_equal_values_have_a_spread_of_exactly_zero() -> None:
    values = np.full(10, 0.1)  # their mean rounds: numpy's standard deviation is 1.4e-17
    assert spread(values) == 0.0
    assert spread_over_seeds(values) == 0.0


def test_a_large_mean_takes_no_digits_away() -> None:
    values = np.array([0.0, 1.0, 2.0])
    assert spread(2.0**50 + values) == spread(values)


def test_single_precision_is_summed_in_double() -> None:
    values = np.array([1.0, 1.0 + 2.0**-23], dtype=np.float32)
    assert spread(values) == 2.0**-24
