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
from tests.figures.inputs.synthetic_runs import write_run
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


def test_lines_stand_at_the_epochs_that_all_seeds_were_measured_at() -> None:
    axes = Figure().subplots()
    curves = [Curve(np.array([10, 20, 30]), np.array([1.0, 2.0, 3.0])), Curve(np.array([20, 30, 40]), np.ones(3))]
    draw_seeds(axes, curves, "black")
    (line,) = axes.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([20, 30], [1.5, 2.0])
    draw_seeds(axes, [curves[0], Curve(np.array([40]), np.ones(1))], "black")
    assert len(axes.lines) == 1


def test_values_and_truths_are_compared_where_both_were_measured(tmp_path: Path) -> None:
    path = write_damo_run(tmp_path, score=[])
    measured = {epoch: {SCORE: 1.0, TRUTH: float(epoch)} for epoch in range(10, 101, 10)}
    measured[50] |= {VALUE: 60.0}
    measured[100] |= {VALUE: 90.0}
    write_measured(path, 100, measured)
    (seed,) = find_seeds(tmp_path, ["main"], [HOPPER])
    assert seed.curve(seed.truth).epochs.tolist() == [50, 100]
    assert recent(seed.value) - recent(seed.truth) == pytest.approx(0.0)
