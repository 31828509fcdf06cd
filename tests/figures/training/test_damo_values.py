"""`damo-training`, `damo-alpha` and `damo-values` show what runs of DAMO claimed and earned, number for number."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from ampl.errors import InvalidFileError
from figures.drawing.style import BLACK, BLUE
from figures.training.damo_runs import COLORS
from figures.training.damo_values import DAMO_TABLE_1, damo_values
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_runs import SETTINGS, write_lqr_run
from tests.figures.training.damo_runs import HOPPER, WALKER2D, write_damo_run

EPOCHS = 12
RISING = np.linspace(0.0, 1.0, EPOCHS)
TRAINING, ALPHA = "damo-training", "damo-alpha"


def write_curves(
    out: Path, task: str, variant: str, seed: int, score: float, value: float, truth: float, **more: object
) -> None:
    """A run whose curves rise to these numbers."""
    curves = {"score": score * RISING, "value": value * RISING, "truth": truth * RISING}
    write_damo_run(out, task, variant, seed, **{name: each.tolist() for name, each in curves.items()}, **more)  # type: ignore[arg-type]


def lines(axes: Axes, color: str, style: str) -> list[list[float]]:
    return [
        list(line.get_ydata()) for line in axes.lines if line.get_color() == color and line.get_linestyle() == style
    ]


def write_ablations(out: Path) -> None:
    for seed in (0, 1):
        write_curves(out, HOPPER, "main", seed, 90 + seed, 200, 250)
        write_curves(out, HOPPER, "no-er", seed, 20, 600, 100)
        write_curves(out, HOPPER, "inconsistent", seed, 95, 240, 230)
        write_curves(out, WALKER2D, "main", seed, 50, 100, 120)
        write_curves(out, WALKER2D, "no-ir", seed, 40, 130, 110)


def test_training_draws_the_means_of_the_files(tmp_path: Path) -> None:
    write_ablations(tmp_path)
    figure = draw(TRAINING, tmp_path)
    score, claimed, earned = figure.axes[0], figure.axes[2], figure.axes[4]  # two tasks: two columns
    np.testing.assert_allclose(lines(score, COLORS["main"], "-"), [90.5 * RISING])
    np.testing.assert_allclose(lines(claimed, COLORS["main"], "-"), [200 * RISING])
    np.testing.assert_allclose(lines(earned, COLORS["main"], "-"), [250 * RISING])
    np.testing.assert_allclose(lines(claimed, COLORS["no-er"], "--"), [600 * RISING])
    band = score.collections[0].get_paths()[0].vertices
    assert sorted(set(band[band[:, 0] == EPOCHS][:, 1])) == [90.0, 91.0]
    assert score.get_title(loc="left") == HOPPER


def test_training_counts_wins_and_claims_that_are_too_high(tmp_path: Path) -> None:
    write_ablations(tmp_path)
    found = words(draw(TRAINING, tmp_path))
    assert "DAMO scores above its ablations in 2 of 3 cases; critics claim too much in 3 of 5" in found
    last = RISING[-10:].mean()
    assert f"DAMO at the end: claims {200 * last:.3g}, earns {250 * last:.3g}" in found
    assert f"{WALKER2D}: data re-created; steps 12,000 (scaled); seeds of DAMO: 0, 1; w/o ir: 0, 1; device cpu" in found


def test_training_folds_values_that_explode(tmp_path: Path) -> None:
    write_curves(tmp_path, HOPPER, "main", 0, 90, 200, 250)
    assert draw(TRAINING, tmp_path).axes[1].get_yscale() == "linear"
    write_curves(tmp_path, HOPPER, "no-er", 0, 5, 1e7, 20)
    figure = draw(TRAINING, tmp_path)
    assert figure.axes[1].get_yscale() == "symlog"
    assert "logarithmic beyond the largest true return" in words(figure)
    check_text_is_readable(figure)


def test_runs_without_the_new_columns_have_scores_and_no_values(tmp_path: Path) -> None:
    write_damo_run(tmp_path, HOPPER, "main", 0, score=[10.0, 20.0])
    write_damo_run(tmp_path, HOPPER, "main", 1, score=[10.0, 20.0], value=[1.0, 2.0])  # value without the truth
    training, alpha = (draw(name, tmp_path) for name in (TRAINING, ALPHA))
    for figure in (training, alpha):
        assert "2 of 2 runs recorded no value beside the true return" in words(figure)
        check_text_is_readable(figure)
    assert "no values recorded" in words(training)
    assert len(alpha.axes) == 2  # no empty panels
    with pytest.raises(InvalidFileError, match="2 there recorded none"):
        damo_values(tmp_path)


def test_stopped_seeds_are_named_and_not_drawn(tmp_path: Path) -> None:
    write_curves(tmp_path, HOPPER, "main", 0, 90, 200, 250)
    write_curves(tmp_path, HOPPER, "main", 1, 10, 900, 1, status="stopped", message="metric 'x' is nan")
    found = words(draw(TRAINING, tmp_path))
    assert f"Stopped, not counted: {HOPPER} main seed 1." in found
    assert "seeds of DAMO: 0;" in found
    table = damo_values(tmp_path)
    assert [row[7] for row in table.rows if row[:2] == (HOPPER, "consistent")] == ["0"]
    assert any("seed 1 stopped" in note for note in table.notes)


def test_values_that_are_not_finite_are_one_line_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_damo_run(tmp_path, HOPPER, "main", 0, score=[1.0], value=[np.inf], truth=[1.0])
    with caplog.at_level(logging.WARNING):
        assert "no values recorded" in words(draw(TRAINING, tmp_path))
    (record,) = caplog.records
    assert "its values are left out" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_alpha_comes_from_the_configuration_and_points_are_means_of_the_end(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_curves(tmp_path, HOPPER, "alpha-0.1", seed, 20 + seed, 500, 50, alpha=0.2)
        write_curves(tmp_path, HOPPER, "main", seed, 80, 210, 250, alpha=3.0)
        write_curves(tmp_path, HOPPER, "alpha-10", seed, 60, 100, 170, alpha=10)
    figure = draw(ALPHA, tmp_path)
    by_alpha, _, values, by_epoch = figure.axes
    last = RISING[-10:].mean()
    points = by_alpha.lines[0]
    assert list(points.get_xdata()) == [0.2, 3.0, 10.0]
    np.testing.assert_allclose(np.asarray(points.get_ydata(), float), np.array([20.5, 80, 60]) * last)
    np.testing.assert_allclose(lines(values, BLUE, "None")[0], np.array([500, 210, 100]) * last)  # points, not joined
    np.testing.assert_allclose(lines(values, BLACK, "None")[0], np.array([50, 250, 170]) * last)
    (bar, *_) = by_alpha.collections[0].get_segments()
    assert np.ptp(bar[:, 1]) == pytest.approx(2 * np.std([20 * last, 21 * last], ddof=1))
    ring = next(line for line in by_alpha.lines if line.get_markersize() == 11)
    assert list(ring.get_xdata()) == [3.0]
    np.testing.assert_allclose(sorted(line.get_ydata()[-1] for line in by_epoch.lines), [100, 210, 500])
    found = words(figure)
    assert f"Highest score at α = 3 on {HOPPER}" in found
    assert "claims more than it earns in 1 of 3" in found


def test_points_of_a_single_alpha_are_inside_their_panels(tmp_path: Path) -> None:
    write_curves(tmp_path, HOPPER, "main", 0, 80, 210, 250, alpha=3.0)
    scores, _, values, _ = draw(ALPHA, tmp_path).axes
    for axes in (scores, values):
        low, high = axes.get_xlim()
        assert low < 2.0 < 3.0 < 4.0 < high
        assert list(axes.get_xticks()) == [3.0]


def test_policies_that_drive_off_flatten_no_panel(tmp_path: Path) -> None:
    curves = {"score": [-27000.0, 40.0, 50.0, 60.0], "value": [1.0] * 4, "truth": [-1e6, 40.0, 41.0, 42.0]}
    write_damo_run(tmp_path, HOPPER, "main", **curves, alpha=3.0)
    write_damo_run(tmp_path, HOPPER, "alpha-10", **curves | {"score": [-27000.0] * 4}, alpha=10.0)
    training, alpha = (draw(name, tmp_path) for name in (TRAINING, ALPHA))
    scores, _, returns = training.axes
    assert (scores.get_ylim()[0], returns.get_ylim()) == (-100.0, pytest.approx((40.0, 43.0)))
    assert "lower returns of the first policies are left out" in words(training)
    assert alpha.axes[1].get_ylim()[0] == -100.0
    assert "below -100: α = 10, main" not in words(alpha)
    assert "below -100: α = 3, α = 10" in words(alpha)


@pytest.mark.parametrize("alpha", [None, "3", 0.0, -1.0, True])
def test_a_run_that_does_not_say_its_alpha_is_one_line_and_left_out(
    alpha: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_curves(tmp_path, HOPPER, "main", 0, 90, 200, 250)
    write_curves(tmp_path, HOPPER, "alpha-1", 0, 99, 200, 250, alpha=alpha)
    with caplog.at_level(logging.WARNING):
        assert "No task has scores at more than one α" in words(draw(ALPHA, tmp_path))
    (record,) = caplog.records
    assert f"settings.learner.alpha is {alpha!r}; expected a number > 0" in record.getMessage()


def test_the_committed_configuration_says_its_alpha_where_it_is_looked_for() -> None:
    for path in sorted((Path(__file__).parents[3] / "results").glob("*/damo/*/seed*/config.json")):
        assert json.loads(path.read_text())["settings"]["learner"]["alpha"] > 0


def test_the_table_has_the_papers_values_ours_and_their_bias(tmp_path: Path) -> None:
    write_curves(tmp_path, HOPPER, "main", 0, 90, 200, 250)
    write_curves(tmp_path, HOPPER, "main", 1, 90, 220, 250)
    write_curves(tmp_path, HOPPER, "inconsistent", 0, 90, 300, 100)
    write_curves(tmp_path, "hopper-random-v2", "main", 0, 5, 7, 9)
    table = damo_values(tmp_path)
    rows = {row[:2]: row[2:] for row in table.rows}
    last = RISING[-10:].mean()
    std = np.std([200 * last, 220 * last], ddof=1)
    facts = ("12,000 (scaled)", "re-created", "cpu", "0123456")
    assert rows[HOPPER, "consistent"] == (
        "213.0", "269.6", f"{210 * last:.1f} ± {std:.1f}", f"{250 * last:.1f} ± 0.0", f"{-40 * last:.1f} ± {std:.1f}",
        "0, 1", *facts,
    )  # fmt: skip
    ours = (f"{300 * last:.1f}", f"{100 * last:.1f}", f"{200 * last:.1f}")
    assert rows[HOPPER, "inconsistent"] == ("219.4", "269.6", *ours, "0", *facts)
    assert rows[WALKER2D, "inconsistent"] == ("", "299.7", *[""] * 8)
    assert rows["hopper-random-v2", "consistent"][:2] == ("", "")
    assert [row[0] for row in table.rows][::2] == [*DAMO_TABLE_1, "hopper-random-v2"]
    (program,) = [row for row in csv.DictReader(io.StringIO(table.csv()))
                  if (row["dataset"], row["method"]) == (HOPPER, "consistent")]  # fmt: skip
    assert float(program["ours_bias_mean"]) == pytest.approx(-40 * last)
    assert float(program["ours_value_std"]) == pytest.approx(std)
    assert float(program["ours_true_mean"]) == pytest.approx(250 * last)


@pytest.mark.parametrize("name", [TRAINING, ALPHA])
def test_text_is_readable_where_coefficients_are_close_to_each_other(name: str, tmp_path: Path) -> None:
    write_ablations(tmp_path)
    for alpha in (0.1, 0.3, 1.0, 3.0, 10.0):
        write_curves(tmp_path, HOPPER, f"alpha-{alpha:g}", 0, 50, 300, 200, alpha=alpha)
    write_curves(tmp_path, HOPPER, "main", 2, 50, 300, 200, alpha=2.5)
    check_text_is_readable(draw(name, tmp_path))


def test_where_the_truth_is_of_paths_without_end_titles_and_notes_say_so(tmp_path: Path) -> None:
    write_lqr_run(tmp_path, "lqr-pointmass", "damo")
    for name, found in ((TRAINING, "Earned on endless paths"), (ALPHA, "earned on endless paths")):
        settings = {**SETTINGS, "learner": {"alpha": 1.0}}
        path = tmp_path / "lqr-pointmass" / "damo" / "main" / "seed0" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": settings}))
        figure = draw(name, tmp_path)
        assert found in words(figure)
        assert "in the simulator" not in words(figure)
        check_text_is_readable(figure)
    assert "that of paths without end (truth/discounted_return)" in " ".join(damo_values(tmp_path).notes)
    write_damo_run(tmp_path, HOPPER, value=[1.0] * 3, truth=[2.0] * 3)
    assert "earned in the simulator; on lqr tasks, on endless paths" in words(draw(ALPHA, tmp_path))
    check_text_is_readable(draw(ALPHA, tmp_path))
    earned = [axes.get_title(loc="left") for axes in draw(TRAINING, tmp_path).axes[4:]]
    assert earned == ["Earned in the simulator", "Earned on endless paths"]
