"""Figure 2 shows the runs asked for, says what is missing, and states its findings as computed."""

from __future__ import annotations

import logging
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ampl.errors import AmplError, InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.runs.weights_summary import WeightsSummary
from figures.drawing.style import WINE
from figures.drawing.violins import describe
from figures.inputs.paper_results import FIGURE_2
from figures.inputs.runs import find_runs
from figures.inputs.weights import read_weights
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, drawn, texts, words
from tests.figures.inputs.synthetic_records import ESTIMATORS, figure2_truth
from tests.figures.inputs.synthetic_runs import (
    SETTINGS,
    UMAZE,
    WALKER,
    weights_like_the_papers,
    write_run,
    write_walker_runs,
)


def names(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_panel_for_each_estimator_with_a_violin_for_each_retraining(tmp_path: Path) -> None:
    write_walker_runs(tmp_path, n_retrainings=3)
    figure = draw("figure2", tmp_path)
    assert names(figure) == ["VPM", "GenDICE", "DualDICE", "Main"]
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["4", "8", "12"]
        assert len(axes.collections) == 3 * 4  # each with three quartile lines
    assert len({axes.get_ylim() for axes in figure.axes}) == 4
    check_text_is_readable(figure)


def test_dashed_lines_are_the_quartiles_of_log_w(tmp_path: Path) -> None:
    weights = weights_like_the_papers("main", n_retrainings=1)
    write_run(tmp_path, WALKER, weights=weights)
    axes = draw("figure2", tmp_path).axes[3]
    lines = [collection.get_segments()[0][0, 1] for collection in axes.collections[1:]]
    np.testing.assert_allclose(lines, np.percentile(np.log(weights[4].astype(float)), [25, 50, 75]), rtol=1e-4)


def test_summaries_alone_give_the_same_picture_as_all_weights(tmp_path: Path) -> None:
    write_walker_runs(tmp_path)
    whole = draw("figure2", tmp_path)
    for epoch, path in (
        (epoch, path) for run in find_runs(tmp_path, "ampl") for epoch, path in run.snapshots().items()
    ):
        WeightsSummary.of(read_weights(path)).write(path.with_name(f"summary_{epoch:04d}.npz"))
        path.unlink()
    pictures = [BytesIO(), BytesIO()]
    for figure, file in zip((whole, draw("figure2", tmp_path)), pictures, strict=True):
        figure.savefig(file, format="png")
    assert pictures[0].getvalue() == pictures[1].getvalue()


def test_the_headline_orders_the_estimators_by_the_width_they_have_here(tmp_path: Path) -> None:
    wide, narrow = np.array([0.2, 1.8]), np.array([0.9, 1.1])
    write_run(tmp_path, WALKER, "main", weights={1: wide})
    write_run(tmp_path, WALKER, "vpm", weights={1: narrow})
    write_run(tmp_path, WALKER, "gendice", weights={1: np.array([0.0, 2.0])})
    assert any("VPM 0.2, Main 2.2, GenDICE ∞" in text for text in texts(draw("figure2", tmp_path)))


def test_the_caption_says_where_the_violins_come_from(tmp_path: Path) -> None:
    write_walker_runs(tmp_path, seeds=[4])
    write_run(tmp_path, WALKER, "main", 5, weights={4: np.ones(3)}, settings={}, manifest=None)
    said = " ".join(texts(draw("figure2", tmp_path)))
    for part in (WALKER, "seed 4", "re-created", "40,000", "2,000", "scaled", "cpu", "0123456"):
        assert part in said, part
    unknown = " ".join(texts(draw("figure2", tmp_path, seed=5)))
    assert "data: unknown" in unknown
    assert "commit: unknown" in unknown


def test_a_missing_estimator_gets_the_command_that_makes_it(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "vpm", 7, weights={1: np.array([0.5, 1.5])})
    figure = draw("figure2", tmp_path)
    notes = [" ".join(text.get_text() for text in axes.texts[::-1]) for axes in figure.axes]
    assert "no run; ampl train ampl maze2d-umaze-v1 --variant main --seeds 7 makes it" in notes[3]
    assert texts(figure).count("no run") == 3
    check_text_is_readable(figure)


def test_a_stopped_seed_is_named_and_not_drawn(tmp_path: Path) -> None:
    write_run(tmp_path, WALKER, "vpm", weights={1: np.ones(3)})
    write_run(tmp_path, WALKER, "main", weights={1: np.ones(3)}, status="stopped", message="metric 'loss' is nan")
    figure = draw("figure2", tmp_path)
    assert "seed 0 stopped and is not drawn" in texts(figure)
    assert "metric 'loss' is nan" in texts(figure)
    assert not figure.axes[3].collections


def test_a_run_without_weights_is_not_called_missing(tmp_path: Path) -> None:
    write_run(tmp_path, WALKER, "vpm", weights={1: np.ones(3)})
    write_run(tmp_path, WALKER, "gendice", status=None)
    write_run(tmp_path, WALKER, "main", score=[], status="stopped", message="metric 'model/loss' is nan")
    said = texts(draw("figure2", tmp_path))
    assert said.count("the run has no weights that can be read") == 1
    assert "metric 'model/loss' is nan" in said
    assert said.count("no run") == 1


def test_weights_of_exactly_zero_are_counted_not_drawn(tmp_path: Path) -> None:
    write_run(tmp_path, WALKER, "main", weights={1: np.array([0.0, 1.0, 1.5, 1.5])})
    figure = draw("figure2", tmp_path)
    assert "25 %" in texts(figure)
    assert "numbers below the violins: share exactly zero, left out" in texts(figure)
    check_text_is_readable(figure)


def test_weights_of_one_value_each_can_be_drawn(tmp_path: Path) -> None:
    for variant in ("main", "gendice"):
        write_run(tmp_path, WALKER, variant, weights={1: np.ones(50, np.float32), 2: np.ones(50, np.float32)})
    figure = draw("figure2", tmp_path)
    assert len(figure.axes[3].collections) == 2 * 4
    check_text_is_readable(figure)


def test_a_damaged_snapshot_is_left_out_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_run(tmp_path, WALKER, "main", weights={1: np.ones(9), 2: np.array([0.5, 1.5])})
    (path / "weights" / "epoch_0001.npz").write_bytes(b"torn")
    with caplog.at_level(logging.WARNING):
        figure = draw("figure2", tmp_path)
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == ["2"]
    (record,) = caplog.records
    assert "epoch_0001.npz" in record.getMessage()


def test_by_default_the_lowest_seed_that_the_most_estimators_have(tmp_path: Path) -> None:
    for variant, seeds in {"main": (0, 2, 3), "vpm": (2, 3), "gendice": (2, 3)}.items():
        for seed in seeds:
            write_run(tmp_path, WALKER, variant, seed, weights={1: np.ones(3)})
    assert any(f"{WALKER}, seed 2;" in text for text in texts(draw("figure2", tmp_path)))
    assert any(f"{WALKER}, seed 0;" in text for text in texts(draw("figure2", tmp_path, seed=0)))


def test_by_default_the_papers_task_otherwise_the_only_one(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, weights={1: np.ones(3)})
    assert any(f"{UMAZE}, seed 0;" in text for text in texts(draw("figure2", tmp_path)))
    write_run(tmp_path, WALKER, weights={1: np.ones(3)})
    assert any(f"{WALKER}, seed 0;" in text for text in texts(draw("figure2", tmp_path)))
    assert any(f"{UMAZE}, seed 0;" in text for text in texts(draw("figure2", tmp_path, task=UMAZE)))


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    write_run(tmp_path / "two", UMAZE, weights={1: np.ones(3)})
    write_run(tmp_path / "two", "maze2d-large-v1", weights={1: np.ones(3)})
    write_run(tmp_path / "bare", WALKER, "nw")
    mistakes: list[tuple[str, dict[str, object], type[AmplError], str]] = [
        ("nothing", {}, InvalidFileError, f"`ampl train ampl {WALKER} --variant main --out .*nothing` makes one"),
        ("bare", {}, InvalidFileError, "no run below .* has weights"),
        ("two", {}, InvalidArgumentError, "maze2d-large-v1, maze2d-umaze-v1. Choose one: --task"),
        ("two", {"task": "maze2d-umaze"}, UnknownNameError, "Did you mean 'maze2d-umaze-v1'"),
        ("two", {"task": UMAZE, "seed": 4}, InvalidArgumentError, "--seed is 4, .*; there are 0"),
        ("two", {"task": UMAZE, "paper": True}, InvalidArgumentError, f"--paper: .* shows {WALKER}"),
    ]
    for folder, selection, error, message in mistakes:
        with pytest.raises(error, match=message) as caught:
            draw("figure2", tmp_path / folder, **selection)
        assert "\n" not in str(caught.value)


def test_the_papers_quartiles_stand_beside_ours_by_their_order(tmp_path: Path) -> None:
    write_walker_runs(tmp_path, n_retrainings=4)
    figure = draw("figure2", tmp_path, paper=True)
    medians = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_markeredgecolor() == WINE]
    assert medians == [violin.median for violin in FIGURE_2["vpm"][:4]]
    low, high = figure.axes[0].get_ylim()
    assert low < min(violin.low for violin in FIGURE_2["vpm"][:4])
    assert high > max(violin.high for violin in FIGURE_2["vpm"][:4])
    assert figure.legends[0].get_texts()[0].get_text().startswith("paper")
    assert "(by order; the paper's after 100, 200, ..., 900 epochs)" in words(figure)
    check_text_is_readable(figure)
    assert not draw("figure2", tmp_path).legends


def test_the_paper_alone_fills_a_panel_without_a_run(tmp_path: Path) -> None:
    write_run(tmp_path, WALKER, weights={1: np.array([0.5, 1.5])}, settings=SETTINGS)
    figure = draw("figure2", tmp_path, paper=True)
    assert len(figure.axes[0].lines) == 9
    check_text_is_readable(figure)


def test_the_figure_with_the_truth_names_the_closest_estimator_and_the_widths(tmp_path: Path) -> None:
    record = figure2_truth()
    error = record["error_l1"].copy()
    said = " ".join(texts(drawn(tmp_path, "figure2-truth")))
    assert f"{ESTIMATORS[int(np.argmin(error.mean(axis=1)))]} comes closest" in said
    exact = np.median([np.ptp(row[np.isfinite(row)]) for row in record["true_log_weights"]])
    ours = np.median(np.ptp(record["log_weights"][0], axis=1))
    assert f"spans {ours:.2g} nats of log w where the exact weights span {exact:.2g}" in said
    error[3] = 0.001
    changed = " ".join(texts(drawn(tmp_path, "figure2-truth", error_l1=error)))
    assert "DualDICE comes closest to the exact weights: mean |w − w*| is 0.001" in changed


def test_the_figure_with_the_truth_counts_who_beats_doing_nothing(tmp_path: Path) -> None:
    record = figure2_truth()
    flat = record["flat_error"].mean()
    better = int((record["error_l1"].mean(axis=1) < flat).sum())
    assert 0 < better < 5
    said = " ".join(texts(drawn(tmp_path, "figure2-truth")))
    assert f"off by {flat:.3g}: {better} of 5 estimators beat it" in said


def test_the_figure_with_the_truth_sets_each_estimate_beside_the_exact_weights(tmp_path: Path) -> None:
    figure = drawn(tmp_path, "figure2-truth")
    assert [axes.get_title(loc="left") for axes in figure.axes[:5]] == list(ESTIMATORS)
    exact = describe(figure2_truth()["true_log_weights"][0]).quartile
    for axes in figure.axes[:5]:
        lines = {segment[0, 1] for c in axes.collections if hasattr(c, "get_segments") for segment in c.get_segments()}
        assert set(exact) <= lines
    weights, returns = figure.axes[5:]
    drawn_errors = [line.get_ydata() for line in weights.lines[:5]]
    np.testing.assert_array_equal(drawn_errors, figure2_truth()["error_l1"])
    np.testing.assert_array_equal([line.get_ydata() for line in returns.lines], figure2_truth()["return_error"])
    assert any(re.search("exactly zero, left out: 16 % of w, 10 % of w", text) for text in texts(figure))


@pytest.mark.parametrize("n_estimators", [1, 2, 4])
def test_the_figure_with_the_truth_takes_any_number_of_estimators(tmp_path: Path, n_estimators: int) -> None:
    record = figure2_truth(100, 2)
    fewer = {name: record[name][:n_estimators] for name in ("estimator", "log_weights", "error_l1", "return_error")}
    figure = drawn(tmp_path, "figure2-truth", **{**record, **fewer})
    assert len(figure.axes) == n_estimators + 2
    check_text_is_readable(figure)
