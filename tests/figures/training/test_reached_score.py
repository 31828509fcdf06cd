"""The figure `reached-score` sets what was reached beside the data, what was published, and what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from matplotlib.figure import Figure

from ampl.runs.metrics_table import MetricsTable
from figures.drawing.style import look
from figures.inputs.published import published_scores
from figures.inputs.runs import find_runs
from figures.training.reached_score import data_levels
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_runs import SETTINGS, write_run

TASK = "hopper-medium-replay-v2"
PROMISED = ["true discounted return", "promised by the model, less its penalty", "promised by the critics"]


def kit_run(folder: Path, seed: int, more: Mapping[str, float] = MappingProxyType({})) -> Path:
    """Two evaluations; a score of 0 is a return of 100, one of 50 of 600; the data's episodes earn 300 and 1100."""
    data = SETTINGS["data"] | {"episode_return_mean": 300.0, "episode_return_max": 1100.0}
    path = write_run(folder, TASK, "kit", seed, score=[], algorithm="mopo", settings={**SETTINGS, "data": data})
    (path / "metrics.csv").unlink(missing_ok=True)
    table = MetricsTable(path / "metrics.csv")
    for epoch, score in ((1, 0.0), (2, 50.0)):
        values = {"score_mean": score, "return_mean": 100.0 + 10.0 * score, "discounted_return_mean": 30.0 + epoch}
        promised = {"certificate/model_return": 20.0, "certificate/value_estimate": 10.0, **more}
        table.append(epoch, {f"evaluation/{name}": value for name, value in values.items()} | promised)
    return path


def test_the_datas_returns_are_put_on_the_scale_of_the_scores(tmp_path: Path) -> None:
    kit_run(tmp_path, 0)
    (run,) = find_runs(tmp_path, "mopo")
    assert data_levels(run) == pytest.approx((20.0, 100.0))


def test_scores_levels_and_promises_are_drawn_over_the_updates(tmp_path: Path) -> None:
    for seed in (0, 1):
        kit_run(tmp_path, seed)
    write_run(tmp_path, TASK, "main", score=[99.0], algorithm="mopo")  # fewer updates: not drawn
    figure = draw("reached-score", tmp_path)
    above, below = figure.axes
    scores = [
        line for line in above.lines if len(line.get_xdata()) == 2 and line.get_color() == above.lines[0].get_color()
    ]
    assert [list(line.get_ydata()) for line in scores] == [[0.0, 50.0]] * 2
    assert list(scores[0].get_xdata()) == [1.0, 2.0]  # thousands of updates
    levels = [line.get_ydata()[0] for line in above.lines if line not in scores]
    assert levels == pytest.approx([20.0, 100.0, 92.7])
    assert [list(line.get_ydata()) for line in below.lines] == [[31.0, 32.0], [20.0, 20.0], [10.0, 10.0]]
    assert f"Means of the last 2 evaluations: {TASK} 25 (data 20)" in words(figure)
    assert legend(figure) == ["score, a seed", "the data's mean", "the data's best episode", "published", *PROMISED]
    check_text_is_readable(figure)


def test_the_value_of_paths_that_never_end_is_drawn_where_it_is_known(tmp_path: Path) -> None:
    kit_run(tmp_path, 0, {"truth/discounted_return": 45.0})
    figure = draw("reached-score", tmp_path)
    assert list(figure.axes[1].lines[1].get_ydata()) == [45.0, 45.0]
    assert "the same of paths that never end" in legend(figure)


def test_nothing_was_published_of_other_settings(tmp_path: Path) -> None:
    write_run(tmp_path, TASK, algorithm="cql", changed={"value_weight": 0.1})
    assert "OfflineRL-Kit" not in words(draw("reached-score", tmp_path))


@pytest.mark.parametrize("scores", [[0.0, 50.0], [-1e6, 50.0], [99.0, 100.0]])
def test_the_label_of_what_was_published_stays_in_its_panel(tmp_path: Path, scores: list[float]) -> None:
    write_run(tmp_path, TASK, "kit", score=scores, algorithm="mopo")
    figure = draw("reached-score", tmp_path)
    with look():
        figure.draw_without_rendering()
    axes = figure.axes[0]
    (label,) = [text for text in axes.texts if "OfflineRL-Kit" in text.get_text()]
    assert label.get_window_extent().y1 < axes.get_window_extent().y1


def test_the_legend_names_what_is_drawn_only(tmp_path: Path) -> None:
    write_run(tmp_path, TASK, "gaussian", algorithm="bc")  # nothing published of it, nothing promised
    figure = draw("reached-score", tmp_path)
    assert legend(figure) == ["score, a seed"]
    assert "no discounted returns recorded" in words(figure)


def test_of_as_many_updates_the_highest_score_is_drawn_and_no_drive_off_flattens_it(tmp_path: Path) -> None:
    write_run(tmp_path, TASK, "alpha-1", score=[-1e6, 40.0], algorithm="damo")
    write_run(tmp_path, TASK, "alpha-3", score=[-1e6, 60.0], algorithm="damo")
    above = draw("reached-score", tmp_path).axes[0]
    assert list(above.lines[0].get_ydata()) == [-1e6, 60.0]
    assert above.get_ylim() == pytest.approx((-100.0, 68.0))


def test_what_the_first_policies_earn_does_not_flatten_the_returns(tmp_path: Path) -> None:
    path = write_run(tmp_path, TASK, "kit", score=[], algorithm="mopo")
    (path / "metrics.csv").unlink(missing_ok=True)
    table = MetricsTable(path / "metrics.csv")
    for epoch, earned in enumerate((-1e6, 40.0, 41.0, 42.0), start=1):
        table.append(epoch, {"evaluation/score_mean": 50.0, "evaluation/discounted_return_mean": earned})
    figure = draw("reached-score", tmp_path)
    assert figure.axes[1].get_ylim() == pytest.approx((40.0, 43.0))
    assert "lower returns of the first policies are left out" in words(figure)


def legend(figure: Figure) -> list[str]:
    """What the legend says."""
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_published_scores_are_those_of_the_variant() -> None:
    assert published_scores(TASK, "mopo", "kit") == {"OfflineRL-Kit": (92.7, 20.7)}
    sources = ["AMPL's paper", "DAMO's paper", "MOPO's paper, v0 data"]
    assert list(published_scores(TASK, "mopo", "main")) == sources
    assert published_scores(TASK, "ampl", "nw") == {"AMPL's paper": (75.4, None)}
    assert published_scores(TASK, "mopo", "disagreement") == {}
    assert published_scores("hopper-medium-v2", "bc", "main") == {"CORL": (53.51, 1.76)}
    assert published_scores("hopper-medium-v2", "bc", "best-tenth") == {"CORL": (55.48, 7.3)}
