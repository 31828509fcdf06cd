"""The figure of the estimators' errors shows what its record holds, and the experiment writes such a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ampl.errors import ForeignFileError
from figures.drawing.style import MOST_LINES
from figures.theory.estimation_error import EstimationErrorRecord
from tabular.experiments import estimation_error as experiment
from tabular.weights.estimators.registry import ESTIMATORS
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, drawn, texts
from tests.figures.inputs.synthetic_records import estimation_error

NAME = "estimation-error"


def test_a_column_for_each_mdp_and_setting_with_every_estimator(tmp_path: Path) -> None:
    figure = drawn(tmp_path, NAME)
    assert len(figure.axes) == 12
    assert figure.axes[0].get_title(loc="left") == "random"
    assert all(len(axes.lines) == 4 for axes in figure.axes[:8])  # three estimators and the slope
    assert all(len(axes.lines) == 3 for axes in figure.axes[8:])
    assert np.isnan(np.asarray(figure.axes[0].lines[2].get_ydata())[0])  # no answer: no point
    check_text_is_readable(figure)


def test_every_estimator_has_a_color_of_its_own(tmp_path: Path) -> None:
    names = list(ESTIMATORS)
    errors, ranges = np.full((2, 2, len(names), 4, 5), 0.5), np.zeros((2, 2, len(names), 4, 2))
    changed = {"estimator": names, "weights_error": errors, "return_error": errors, "log_range": ranges}
    figure = drawn(tmp_path, NAME, **changed)
    colors = [line.get_color() for line in figure.legends[0].get_lines()][: len(names)]
    assert len(set(colors)) == len(names)
    above, below = figure.axes[0], figure.axes[4]  # nine estimators: two rows of panels for each error
    assert [line.get_color() for axes in (above, below) for line in axes.lines[:-1]] == colors
    assert max(len(above.lines), len(below.lines)) <= MOST_LINES  # with the slope
    assert [line.get_color() for line in figure.axes[16].lines] == colors


def test_headline_counts_who_approaches_the_truth(tmp_path: Path) -> None:
    shown = texts(drawn(tmp_path, NAME))
    assert "With tabular, 2 of 3 estimators approach the exact weights" in shown
    assert any("Not: “stays”." in text for text in shown)
    errors = estimation_error()["weights_error"]
    errors[1, 0, 0] = 1.0
    shown = texts(drawn(tmp_path, NAME, weights_error=errors))
    assert "With tabular, 1 of 3 estimators approach the exact weights" in shown


def test_never_an_answer_draws_no_bar(tmp_path: Path) -> None:
    ranges = estimation_error()["log_range"]
    ranges[0, 0, 2] = np.inf
    assert len(drawn(tmp_path, NAME, log_range=ranges).axes[8].lines) == 2


def test_ranges_that_reach_the_smallest_weight_say_so(tmp_path: Path) -> None:
    ranges = estimation_error()["log_range"]
    ranges[0, 0, 1, -1, 0] = np.log(1e-3)
    figure = drawn(tmp_path, NAME, log_range=ranges)
    assert texts(figure).count("w ≤ 0.001") == 1
    check_text_is_readable(figure)


def test_the_experiment_writes_a_record_that_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_SIZES", (100, 10_000))
    monkeypatch.setattr(experiment, "_DATASETS", 2)
    for name in ("first", "second"):
        experiment.estimation_error(tmp_path / f"{name}.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    record = EstimationErrorRecord.read(tmp_path / "first.npz", NAME)
    names = record.estimator.tolist()
    plug_in, moment = names.index("plug-in"), names.index("Q-moment (AMPL)")
    error = np.median(record.weights_error, axis=-1)  # [M, C, E, N]
    assert (error[..., plug_in, 1] < 0.5 * error[..., plug_in, 0]).all()
    assert (error[:, 0, moment, 1] > 2 * error[:, 0, plug_in, 1]).all()
    check_text_is_readable(draw(NAME, tmp_path / "first.npz"))


def test_the_experiment_never_replaces_a_foreign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_SIZES", (100,))
    monkeypatch.setattr(experiment, "_DATASETS", 1)
    (tmp_path / "mine.npz").write_bytes(b"mine")
    with pytest.raises(ForeignFileError, match="not written by ampl"):
        experiment.estimation_error(tmp_path / "mine.npz")


def test_range_of_log_weights_worked_out_by_hand() -> None:
    # Masses .04, .06, .80, .10 at weights -1, 2, 3, 4: the 5 % point is at 2, the 95 % point at 4.
    weights, mass = np.array([[3.0, -1.0], [4.0, 2.0]]), np.array([[0.80, 0.04], [0.10, 0.06]])
    np.testing.assert_allclose(experiment.log_range(weights, mass), np.log([2.0, 4.0]))
    np.testing.assert_allclose(experiment.log_range(-weights, mass)[0], np.log(1e-3))
