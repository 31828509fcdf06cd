"""Runs that were evaluated in some epochs only: lines stand at those epochs, and scores are means of evaluations."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import Curve, MetricsTable
from figures.drawing.seed_curves import draw_seeds
from figures.inputs.runs import RETURN, find_runs, recent
from figures.training.damo_runs import TRUTH, VALUE, find_seeds
from figures.training.lqr_runs import measured
from tests.figures.drawing.drawn_text import draw, words
from tests.figures.inputs.synthetic_runs import write_lqr_run, write_run
from tests.figures.training.damo_runs import HOPPER, write_damo_run

LAST = tuple(range(91, 101))


def write_measured(path: Path, epochs: int, measured: Mapping[int, Mapping[str, float]]) -> None:
    table = MetricsTable(path / "metrics.csv")
    for epoch in range(1, epochs + 1):
        table.append(epoch, {"critic/loss": 1.0, **measured.get(epoch, {})})


def test_a_score_is_the_mean_of_the_last_ten_that_were_measured(tmp_path: Path) -> None:
    path = write_run(tmp_path, score=[])
    write_measured(path, 100, {epoch: {SCORE: float(epoch)} for epoch in (10, 20, 90, *LAST)})
    (run,) = find_runs(tmp_path, "ampl")
    assert run.epochs == 100
    assert run.curve.epochs.tolist() == [10, 20, 90, *LAST]
    assert run.recent_score == np.mean(LAST)
    assert run.last_score == 100.0
    write_measured(path, 29, {epoch: {SCORE: float(epoch)} for epoch in (10, 20)})  # in the middle of training
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.recent_score, run.last_score, run.epochs) == (15.0, 20.0, 29)


def test_a_run_that_was_not_evaluated_yet_counts_and_has_no_score(tmp_path: Path) -> None:
    path = write_run(tmp_path, score=[], status=None)
    write_measured(path, 9, {})
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.counts, run.scored, run.epochs) == (True, False, 9)


def test_a_value_that_is_not_a_number_is_not_taken_for_an_empty_cell(tmp_path: Path) -> None:
    path = write_run(tmp_path, score=[])
    (path / "metrics.csv").write_text(f"epoch,{SCORE},{RETURN}\n1,,\n2,nan,3.0\n")
    assert find_runs(tmp_path, "ampl") == []
    assert [run.score.tolist() for run in find_runs(tmp_path, "ampl", metric=RETURN)] == [[3.0]]


def test_lines_stand_at_the_epochs_that_all_seeds_which_go_so_far_were_measured_at() -> None:
    axes = Figure().subplots()
    curves = [Curve(np.array([10, 20, 30]), np.array([1.0, 2.0, 3.0])), Curve(np.array([20, 30, 40]), np.ones(3))]
    draw_seeds(axes, curves, "black")
    (line,) = axes.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([20, 30, 40], [1.5, 2.0, 1.0])
    draw_seeds(axes, [Curve(np.zeros(0, int), np.zeros(0))], "black")
    assert len(axes.lines) == 1


def test_a_short_seed_ends_no_other_and_a_note_says_so(tmp_path: Path) -> None:
    for seed, score in enumerate(([10.0], [30.0, 50.0])):
        write_run(tmp_path, seed=seed, score=score)
    for name in ("learning-curves", "reached-score"):
        figure = draw(name, tmp_path)
        assert "means of the seeds that go so far): maze2d-umaze-v1 ampl main seed 0, 1 (1, 2 epochs)." in words(figure)
    assert list(draw("learning-curves", tmp_path).axes[0].lines[0].get_ydata()) == [20.0, 50.0]
    for seed, score in enumerate(([10.0], [30.0, 50.0])):
        write_damo_run(tmp_path / "damo", seed=seed, score=score)
    assert "damo main seed 0, 1 (1, 2 epochs)" in words(draw("damo-training", tmp_path / "damo"))


def test_a_measured_truth_goes_on_likewise_with_the_error_of_the_seeds_that_do(tmp_path: Path) -> None:
    for seed, epochs in enumerate((2, 3)):
        write_lqr_run(tmp_path, "lqr-pointmass", "mopo", epochs=epochs, seed=seed)
    epochs, mean, error = measured(find_runs(tmp_path, "mopo"), "truth/reward_overestimation")
    assert (epochs.tolist(), mean.tolist()) == ([1, 2, 3], [3.0, 3.0, 3.0])
    assert error == pytest.approx([0.1 / 2**0.5, 0.1 / 2**0.5, 0.1])


def test_values_and_truths_are_compared_where_both_were_measured(tmp_path: Path) -> None:
    path = write_damo_run(tmp_path, score=[])
    measured = {epoch: {SCORE: 1.0, TRUTH: float(epoch)} for epoch in range(10, 101, 10)}
    measured[50] |= {VALUE: 60.0}
    measured[100] |= {VALUE: 90.0}
    write_measured(path, 100, measured)
    (seed,) = find_seeds(tmp_path, ["main"], [HOPPER])
    assert seed.curve(seed.truth).epochs.tolist() == [50, 100]
    assert recent(seed.value) - recent(seed.truth) == pytest.approx(0.0)
