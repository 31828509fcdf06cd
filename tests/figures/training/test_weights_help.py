"""The figure `weights-help` sets weights, model and return of AMPL's kinds of weights side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import MetricsTable
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_records import write_record
from tests.figures.inputs.synthetic_runs import UMAZE, write_run


def write_lqr(folder: Path, variant: str, divergence: float, error: float | None) -> None:
    path = write_run(folder, "lqr-pointmass", variant, score=[])
    (path / "metrics.csv").unlink(missing_ok=True)
    columns = {"evaluation/score_mean": 50.0 + divergence, "truth/model_divergence_nats": divergence}
    MetricsTable(path / "metrics.csv").append(1, columns | ({} if error is None else {"exact_weights/error": error}))


def test_returns_and_models_are_drawn_beside_those_without_weights(tmp_path: Path) -> None:
    write_record(tmp_path / "records" / "weights-help-finite.npz", "weights-help-finite")
    write_lqr(tmp_path, "nw", 2.0, None)  # one fit
    write_lqr(tmp_path, "unit-weights", 4.0, 0.5)
    write_lqr(tmp_path, "multi-moment", 1.0, 0.25)
    for variant, score in (("nw", 10.0), ("main", 13.0)):
        write_run(tmp_path, UMAZE, variant, score=[score])
    write_run(tmp_path, UMAZE, "main", seed=1, score=[99.0])  # nothing to compare with, nor has the next
    write_run(tmp_path, "maze2d-large-v1", "main", score=[50.0])
    figure = draw("weights-help", tmp_path)
    points = [
        [list(line.get_ydata()) for line in axes.lines if line.get_marker() not in ("None", "_")]
        for axes in figure.axes
    ]
    finite, lqr, maze = points[0::3], points[1::3], points[2::3]
    assert finite[0] == [[1.0, 0.0]] * 2
    assert finite[1] == [[1.0, 0.5]] * 2
    assert finite[2] == [pytest.approx([0.0, 10.0]), pytest.approx([0.0, 25.0])]
    assert (lqr[0], lqr[1], lqr[2]) == ([[0.5, 0.25]], [[0.5, 1.0, 0.25]], [[-2.0, 0.0, -3.0]])
    assert maze == [[], [], [[0.0, 3.0]]]
    found = words(figure)
    assert "at most +25.0 ± 0.0 % (Finite MDPs), -3.0 % (Linear-Gaussian problems), " in found
    assert "+3.0 points together with the refits (D4RL's tasks)" in found
    assert f"beside one fit, by refits and weights together: {UMAZE}." in found
    assert found.count("not known here") == 2
    assert "On linear-Gaussian problems the model's errors are estimated from samples" in found
    check_text_is_readable(figure)


def test_gains_are_means_over_the_seeds_that_all_have(tmp_path: Path) -> None:
    for seed, (without, with_weights) in enumerate(((10.0, 12.0), (50.0, 56.0))):
        write_run(tmp_path, UMAZE, "nw", seed=seed, score=[without])
        write_run(tmp_path, UMAZE, "main", seed=seed, score=[with_weights])
    write_run(tmp_path, UMAZE, "main", seed=7, score=[0.0])
    found = words(draw("weights-help", tmp_path))
    assert "Seeds: 0, 1;" in found
    assert "A score is the mean of a seed's last 10 evaluations" in found
    assert "the model's errors are estimated from samples" not in found  # they are of linear-Gaussian problems alone
    assert "+4.0 ± 2.0 points together with the refits (D4RL's tasks)" in found


def test_the_headline_is_of_weights_alone_where_a_task_tells_them_from_the_refits(tmp_path: Path) -> None:
    for variant, score in (("nw", 10.0), ("unit-weights", 20.0), ("main", 21.0)):
        write_run(tmp_path, UMAZE, variant, score=[score])
    for variant, score in (("nw", 10.0), ("main", 60.0)):
        write_run(tmp_path, "maze2d-large-v1", variant, score=[score])
    found = words(draw("weights-help", tmp_path))
    assert "Weights gain at most +1.0 points (D4RL's tasks)" in found
    assert "by refits and weights together: maze2d-large-v1." in found


@pytest.mark.parametrize("task", ["my-data", "hiv-treatment"])
def test_tasks_that_are_not_d4rls_are_not_called_so(tmp_path: Path, task: str) -> None:
    for variant, score in (("nw", 10.0), ("main", 13.0)):
        write_run(tmp_path, task, variant, score=[score])
    found = words(draw("weights-help", tmp_path))
    assert "(Other tasks)" in found
    assert "D4RL's" not in found


def test_the_headline_is_of_the_task_and_the_weights_that_gain_the_most(tmp_path: Path) -> None:
    """A noisy task that loses takes nothing away from what another gains."""
    for task, gains in (("lqr-pointmass", {"main": 3.0, "exact-weights": 2.0}), ("lqr-random-4-2", {"main": -9.0})):
        for seed, noise in enumerate((0.0, 1.0)):
            write_run(tmp_path, task, "unit-weights", seed, score=[50.0])
            for variant, gain in gains.items():
                write_run(tmp_path, task, variant, seed, score=[50.0 + gain + noise])
    assert "Weights gain at most +3.5 ± 0.5 % (Linear-Gaussian problems)" in words(draw("weights-help", tmp_path))


@pytest.mark.parametrize(("noise", "edges"), [(0.5, 0), (40.0, 4)])
def test_bars_that_would_flatten_a_panel_are_cut_and_marked(tmp_path: Path, noise: float, edges: int) -> None:
    """Of the two kinds of weights whose gains spread, both ends."""
    for task, spread in (("lqr-pointmass", 0.25), ("lqr-random-4-2", noise)):
        for seed, sign in enumerate((-1.0, 1.0)):
            write_run(tmp_path, task, "unit-weights", seed, score=[50.0])
            for variant in ("main", "multi-moment"):
                write_run(tmp_path, task, variant, seed, score=[51.0 + sign * spread])
    figure = draw("weights-help", tmp_path)
    axes = figure.axes[2]
    marks = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() in ("v", "^")]  # type: ignore[index]
    assert len(marks) == edges
    if edges:
        assert axes.get_ylim() == pytest.approx((-0.125, 1.375))  # the other task's bars and all means, with a margin
        assert set(marks) == {*axes.get_ylim()}
    note = "Triangles: bars that go on beyond the panel, of lqr-random-4-2."
    assert (note in words(figure)) is (edges > 0)


def test_refits_without_weights_are_not_the_best_weights(tmp_path: Path) -> None:
    for variant in ("nw", "unit-weights"):
        write_run(tmp_path, UMAZE, variant)
    assert "No refit here has weights" in words(draw("weights-help", tmp_path))


def test_kinds_that_nothing_has_get_no_place(tmp_path: Path) -> None:
    write_record(tmp_path / "records" / "weights-help-finite.npz", "weights-help-finite")
    labels = draw("weights-help", tmp_path).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["none", "exact"]


def test_one_kind_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    write_lqr(tmp_path, "nw", 2.0, None)
    with pytest.raises(InvalidFileError, match=r"beside another variant's .*`ampl figure weights-help-finite --runs "):
        draw("weights-help", tmp_path)
