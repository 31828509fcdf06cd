"""The figures of Proposition 2 and Theorem 1 show what their records hold: panels, names, counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.figures.drawing.drawn_text import drawn, texts, words
from tests.figures.inputs.synthetic_records import BOUNDS, FAMILIES, proposition2, theorem1, theorem1_constant


def test_proposition2_has_a_panel_for_each_mdp_and_policy(tmp_path: Path) -> None:
    figure = drawn(tmp_path, "proposition2")
    assert len(figure.axes) == 6
    assert figure.axes[1].get_title(loc="left") == "FrozenLake 4×4, γ = 0.95"
    assert all(len(axes.lines) == 5 for axes in figure.axes)  # three norms, two predictions
    assert "sup factor 3.26 > 1: no contraction" in texts(figure)
    assert texts(figure).count("sup factor 0.98 < 1: contraction") == 3
    assert texts(figure).count("π far from π_b") == 3


def test_proposition2_counts_the_curves_that_keep_the_guaranteed_rate(tmp_path: Path) -> None:
    error = proposition2()["error"]
    assert any("in 6 of 6 cases" in text for text in texts(drawn(tmp_path, "proposition2")))
    error[1, 0, 0, 50:] *= 1000.0
    assert any("in 5 of 6 cases" in text for text in texts(drawn(tmp_path, "proposition2", error=error)))


def test_proposition2_curves_end_where_only_rounding_is_left(tmp_path: Path) -> None:
    error = proposition2()["error"]
    error[..., 100:] = 0.0
    curve = drawn(tmp_path, "proposition2", error=error).axes[0].lines[0].get_ydata()
    assert np.isfinite(curve[:100]).all()
    assert np.isnan(curve[100:]).all()


def test_proposition2_says_when_the_iteration_starts_at_its_end(tmp_path: Path) -> None:
    error = proposition2()["error"]
    error[0, 0] = 0.0
    figure = drawn(tmp_path, "proposition2", error=error)
    assert [text.get_text() for text in figure.axes[0].texts if "already" in text.get_text()] == ["$w_0 = w^*$ already"]


def test_theorem1_has_a_panel_for_each_bound_and_counts_its_violations(tmp_path: Path) -> None:
    record = theorem1()
    broken = (record["gap"] > record["bound"][:, 0]) & (record["gap"] > 0)
    figure = drawn(tmp_path, "theorem1")
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(BOUNDS)
    assert broken.sum() > 0
    violated = [text for text in texts(figure) if text.startswith("violated")]
    assert violated == [f"violated by {broken.sum()} of 2,000, all at γ ≤ {record['discount'][broken].max():.3g}"]
    assert texts(figure).count("never violated (2,000 MDPs)") == 5
    assert any(", 7 infinite" in text for text in texts(figure))
    assert any("5 MDPs with a gap below 1e-12 are not drawn." in text for text in texts(figure))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(FAMILIES) | {"violation"} <= set(labels)


def test_theorem1_draws_every_violation_on_top_at_its_place(tmp_path: Path) -> None:
    record = theorem1()
    broken = (record["gap"] > record["bound"][:, 0]) & (record["gap"] > 0)
    axes = drawn(tmp_path, "theorem1").axes[0]
    top = max(collection.get_zorder() for collection in axes.collections)
    points = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections if c.get_zorder() == top])
    expected = np.stack([record["bound"][broken, 0], record["gap"][broken]], axis=1)
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))


def test_theorem1_does_not_count_a_bound_met_with_equality_or_a_gap_of_rounding(tmp_path: Path) -> None:
    gap = np.array([0.1, 0.2, 1e-15])
    bound = np.array([[0.1 * (1 - 1e-12)], [0.2], [0.0]])
    figure = drawn(tmp_path, "theorem1", family=["random"] * 3, gap=gap, bound=bound, bound_name=["b"],
                   discount=[0.5] * 3)  # fmt: skip
    assert "never violated (3 MDPs)" in texts(figure)


def test_theorem1_counts_a_bound_of_zero_under_a_real_gap(tmp_path: Path) -> None:
    figure = drawn(tmp_path, "theorem1", family=["random"] * 2, gap=[0.1, 0.2], bound=[[0.0], [0.3]], bound_name=["b"],
                   discount=[0.5, 0.9])  # fmt: skip
    assert "violated by 1 of 2, all at γ ≤ 0.5" in texts(figure)


def test_return_gap_says_that_it_counts_means_over_datasets(tmp_path: Path) -> None:
    found = words(drawn(tmp_path, "return-gap-finite"))
    assert "best policy beats the behavior policy on average" in found
    assert "beats behavior on average from" in found


def test_theorem1_constant_draws_both_searches_and_says_where_the_smaller_constant_fails(tmp_path: Path) -> None:
    record = theorem1_constant()
    figure = drawn(tmp_path, "theorem1-constant")
    (axes,) = figure.axes
    drawn_points = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(drawn_points["signed"], record["ratio_signed"])
    np.testing.assert_array_equal(drawn_points["nonnegative"], record["ratio_nonnegative"])
    title = "If c = 1/√2, Theorem 1 fails for γ < ¾ and rewards of both signs (at 8 of the 8 such γ searched)"
    assert title in texts(figure)
    assert not any("printed" in text for text in texts(figure))
    assert any("none of 26 above it" in text for text in texts(figure))


def test_theorem1_constant_reports_points_above_the_sharp_constant(tmp_path: Path) -> None:
    ratio = theorem1_constant()["ratio_signed"]
    ratio[3] *= 1.1
    assert any("1 of 26 above it" in text for text in texts(drawn(tmp_path, "theorem1-constant", ratio_signed=ratio)))
