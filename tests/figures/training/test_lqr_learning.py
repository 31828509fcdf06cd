"""The weights beside the exact ones in the picture of the tasks lqr-..."""

from pathlib import Path

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from figures.drawing.style import BLACK
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, texts, words
from tests.figures.inputs.synthetic_runs import write_run

METRICS = (
    "epoch,evaluation/score_mean,evaluation/discounted_return_mean,certificate/model_return,"
    "certificate/value_estimate,truth/discounted_return\n1,-900,-300,-3,-1,-400\n2,99.5,-2.5,-6.5,-9,-4\n"
)


def write_lqr_run(folder: Path, algorithm: str, **arrays: np.ndarray) -> Path:
    """A run with the arrays of a retraining after epoch 10."""
    path = write_run(folder, "lqr-pointmass", algorithm=algorithm, score=[])
    (path / "metrics.csv").write_text(METRICS)
    if arrays:
        write_npz(path / "weights" / "epoch_0010.npz", arrays)
    return path


def test_the_weights_of_the_last_retraining_stand_beside_the_exact_ones(tmp_path: Path) -> None:
    write_lqr_run(tmp_path, "mopo")
    assert len(draw("lqr-learning", tmp_path).axes) == 3
    exact, estimated = np.array([0.25, 0.5, 2.25]), np.array([0.9, 1.1, 1.0], dtype=np.float32)
    write_lqr_run(tmp_path, "ampl", weights=estimated, exact_weights=exact)
    figure = draw("lqr-learning", tmp_path)
    (points,) = figure.axes[3].collections
    np.testing.assert_allclose(points.get_offsets(), np.stack((exact, estimated), 1))
    assert {"Weights after epoch 10", "ampl main: w worth 99% of the rows, w* 56%"} <= set(texts(figure))
    check_text_is_readable(figure)


def test_every_method_with_weights_has_its_note(tmp_path: Path) -> None:
    for algorithm, estimated in (("ampl", [0.9, 1.1, 1.0]), ("mopo", [0.5, 0.5, 2.0])):
        write_lqr_run(tmp_path, algorithm, weights=np.array(estimated, np.float32), exact_weights=np.ones(3))
    figure = draw("lqr-learning", tmp_path)
    notes = {"ampl main: w worth 99% of the rows, w* 100%", "mopo main: w worth 67% of the rows, w* 100%"}
    assert notes <= set(texts(figure))
    check_text_is_readable(figure)


def test_scores_too_low_to_be_seen_are_a_mean_of_the_seeds(tmp_path: Path) -> None:
    for seed, last in enumerate(("-1000", "-3000")):
        path = write_run(tmp_path, "lqr-pointmass", algorithm="mopo", seed=seed, score=[])
        (path / "metrics.csv").write_text(METRICS.replace("99.5", last))
    assert "mopo main: below, on average -2,000 at the end" in words(draw("lqr-learning", tmp_path))


def test_each_promise_is_set_beside_the_truth_of_its_own_horizon(tmp_path: Path) -> None:
    """A model's paths are as long as an episode; what critics value never ends."""
    write_lqr_run(tmp_path, "mopo")
    _, model, critics = draw("lqr-learning", tmp_path).axes
    assert list(model.lines[-1].get_ydata()) == [297.0, -4.0]
    assert list(critics.lines[-1].get_ydata()) == [399.0, -5.0]


@pytest.mark.parametrize(("far", "scale"), [(-250.0, "symlog"), (-8.0, "linear")])
def test_a_method_far_from_the_truth_does_not_flatten_the_others(tmp_path: Path, far: float, scale: str) -> None:
    """The last promises are 2 below, 2 above and `far` from a true value of -4."""
    for algorithm, promise in (("mopo", -6.0), ("damo", -2.0), ("ampl", -4.0 + far)):
        path = write_run(tmp_path, "lqr-pointmass", algorithm=algorithm, score=[])
        (path / "metrics.csv").write_text(METRICS.replace(",-9,-4", f",{promise},-4"))
    figure = draw("lqr-learning", tmp_path)
    critics = figure.axes[2]
    assert critics.get_yscale() == scale
    assert critics.get_ylim() == (2.0 * far, -2.0 * far)
    assert ("logarithmic far from zero" in words(figure)) is (scale == "symlog")
    heights = critics.transAxes.inverted().transform(critics.transData.transform([(2.0, -2.0), (2.0, 2.0)]))[:, 1]
    assert heights[1] - heights[0] > 0.1
    check_text_is_readable(figure)


def test_many_decades_are_not_all_named(tmp_path: Path) -> None:
    for algorithm, promise in (("mopo", -4.001), ("ampl", -5e6)):
        path = write_run(tmp_path, "lqr-pointmass", algorithm=algorithm, score=[])
        (path / "metrics.csv").write_text(METRICS.replace(",-9,-4", f",{promise},-4"))
    check_text_is_readable(draw("lqr-learning", tmp_path))


@pytest.mark.parametrize("exact", [np.ones(2), np.array([1.0, -1.0, 3.0])])
def test_exact_weights_that_are_none_are_one_line(tmp_path: Path, exact: np.ndarray) -> None:
    write_lqr_run(tmp_path, "ampl", weights=np.ones(3), exact_weights=exact)
    with pytest.raises(InvalidFileError, match=r"epoch_0010.npz does not hold exact weights: expected \[3\]"):
        draw("lqr-learning", tmp_path)


def test_the_papers_methods_come_first_and_what_has_no_room_is_named(tmp_path: Path) -> None:
    for algorithm in ("algaedice", "bc", "combo", "cql", "iql", "mopo", "td3-bc"):
        write_lqr_run(tmp_path, algorithm)
    figure = draw("lqr-learning", tmp_path)
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["mopo main", "algaedice main"]
    assert "Not drawn, beyond 6 methods: td3-bc main." in " ".join(texts(figure)).replace("\n", " ")
    assert "td3-bc" not in figure.caption.finding


def test_long_names_of_methods_too_low_to_be_seen_leave_panels_their_width(tmp_path: Path) -> None:
    variant = "a-variant-with-a-rather-long-name-of-its-own"
    path = write_run(tmp_path, "lqr-pointmass", variant, algorithm="combo", score=[])
    (path / "metrics.csv").write_text(METRICS.replace("99.5", "-1234567"))
    figure = draw("lqr-learning", tmp_path)
    check_text_is_readable(figure)
    assert all(axes.get_position().width > 0.25 for axes in figure.axes)


def test_no_method_is_gray_as_optimum_and_behavior_are(tmp_path: Path) -> None:
    for algorithm in ("ampl", "bc", "cql", "damo", "iql", "mopo"):
        write_lqr_run(tmp_path, algorithm)
    (legend,) = draw("lqr-learning", tmp_path).legends
    colors = [str(line.get_color()) for line in legend.get_lines()]
    assert len(set(colors)) == 7
    assert all(len({color[place : place + 2] for place in (1, 3, 5)}) > 1 for color in colors[:5])
    assert colors[5] == BLACK
