"""Violins show the distribution they are given, however degenerate it is."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from figures.drawing.violins import HALF_WIDTH, LEFT, RIGHT, describe, draw_violins, percentage, set_scale


def test_quartiles_and_extremes_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(size=10_001)
    found = describe(values)
    np.testing.assert_array_equal(found.quartile, np.percentile(values, [25, 50, 75]))
    assert (found.low, found.high, found.excluded) == (values.min(), values.max(), 0.0)


def test_the_density_is_the_gaussian_kernel_estimate_with_scotts_bandwidth() -> None:
    generator = np.random.default_rng(1)
    values = np.concatenate([generator.normal(size=1500), generator.normal(6.0, 0.5, size=500)])
    found = describe(values)
    exact = gaussian_kde(values)(found.place)
    np.testing.assert_allclose(found.density, exact / exact.max(), atol=0.01)


def test_the_violin_ends_two_bandwidths_beyond_the_extremes() -> None:
    values = np.random.default_rng(2).normal(size=1000)
    found = describe(values)
    reach = 2.0 * values.std() * values.size**-0.2
    assert found.place[0] == pytest.approx(values.min() - reach, abs=0.02)
    assert found.place[-1] == pytest.approx(values.max() + reach, abs=0.02)


@pytest.mark.parametrize("values", [np.zeros(5), np.full(100, -17.59), np.array([3.0]), 1.0 + 1e-8 * np.arange(9)])
def test_one_value_is_a_line(values: np.ndarray) -> None:
    found = describe(values)
    assert found.place.tolist() == [np.median(values)]
    assert found.density.tolist() == [1.0]


def test_one_stray_value_among_a_million_leaves_a_violin() -> None:
    values = np.zeros(1_000_000, np.float32)
    values[0] = -24.0
    found = describe(values)
    assert np.isfinite(found.density).all()
    assert found.place[np.argmax(found.density)] == pytest.approx(0.0, abs=0.1)
    assert found.quartile.tolist() == [0.0, 0.0, 0.0]
    assert found.span == 24.0


def test_logs_of_zero_are_counted_and_left_out() -> None:
    found = describe(np.array([-np.inf, 0.0, 1.0, 2.0]))
    assert found.excluded == 0.25
    assert found.quartile[1] == 1.0
    assert found.span == np.inf
    nothing = describe(np.full(3, -np.inf))
    assert (nothing.excluded, nothing.place.size) == (1.0, 0)
    assert np.isnan(nothing.span)


@pytest.mark.parametrize(("half", "ends"), [(None, (-1, 1)), (LEFT, (-1, 0)), (RIGHT, (0, 1))])
def test_a_half_stays_on_its_side(half: int | None, ends: tuple[int, int]) -> None:
    axes = Figure().add_subplot()
    draw_violins(axes, [describe(np.random.default_rng(0).normal(size=500))], "blue", half)
    outline = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])[:, 0]
    assert outline.min() == pytest.approx(1 + ends[0] * HALF_WIDTH)
    assert outline.max() == pytest.approx(1 + ends[1] * HALF_WIDTH)
    assert len(axes.collections) == 4  # the violin and its quartiles


def test_degenerate_violins_can_be_drawn_beside_each_other() -> None:
    axes = Figure().add_subplot()
    violins = [describe(values) for values in (np.zeros(3), np.full(2, -np.inf), np.array([-np.inf, 0.0]))]
    draw_violins(axes, violins, "blue")
    set_scale(axes, [1, 2, 3], [0.0, np.inf, np.nan], room_below=True)
    assert [text.get_text() for text in axes.texts] == ["100 %", "50 %"]
    low, high = axes.get_ylim()
    assert low < 0.0 < high


def test_labels_of_many_retrainings_are_thinned_out() -> None:
    axes = Figure().add_subplot()
    set_scale(axes, range(1, 26), [0.0, 1.0], room_below=False)
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(k) for k in range(1, 26, 3)]


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1e-9, "<1 %"), (0.123, "12 %"), (0.9999, ">99 %"), (1.0, "100 %")]
)
def test_a_share_never_rounds_to_none_or_all(share: float, text: str) -> None:
    assert percentage(share) == text
