"""Figure `conservatism-deep`: the gap of each seed's last evaluations, and the sentence that counts it."""

from pathlib import Path

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from figures.training.damo_runs import WHOLE_TRUTH
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, texts, words
from tests.figures.training.damo_runs import HOPPER, WALKER2D, write_damo_run


def test_a_point_is_the_relative_gap_of_a_seed(tmp_path: Path) -> None:
    write_damo_run(tmp_path, HOPPER, seed=0, value=[3.0] * 3, truth=[4.0] * 3)
    write_damo_run(tmp_path, HOPPER, seed=1, value=[6.0] * 3, truth=[4.0] * 3)
    write_damo_run(tmp_path, WALKER2D, value=[-4.0] * 3, truth=[-2.0] * 3)
    figure = draw("conservatism-deep", tmp_path)
    points = [line.get_xydata() for line in figure.axes[0].lines[1:]]
    np.testing.assert_allclose(points[0], [[-0.25, 0.0], [-1.0, 1.0]])
    np.testing.assert_allclose(points[1], [[0.5, 0.0]])
    found = texts(figure)
    assert "2 of 3 deep critics promise at most what their policy earns" in found
    assert any("The most too much: 6 for 4 (damo main hopper" in text for text in found)
    check_text_is_readable(figure)


def test_a_seed_whose_true_return_is_zero_is_named_and_not_drawn(tmp_path: Path) -> None:
    write_damo_run(tmp_path, HOPPER, seed=0, value=[7.5] * 3, truth=[0.0] * 3)
    write_damo_run(tmp_path, HOPPER, seed=1, value=[7.5] * 3, truth=[1e-300] * 3)
    note = f"not drawn: {HOPPER} damo main seed 0, 1."
    with pytest.raises(InvalidFileError, match=f"no run .* other than zero .* {note}"):
        draw("conservatism-deep", tmp_path)
    write_damo_run(tmp_path, HOPPER, seed=2, value=[3.0] * 3, truth=[4.0] * 3)
    figure = draw("conservatism-deep", tmp_path)
    assert note in words(figure)
    assert "1 of 1 deep critics" in words(figure)


def test_values_that_still_move_toward_the_truth_are_counted(tmp_path: Path) -> None:
    """A low promise that rises may exceed the truth in a longer run, and a high one that falls may go below it."""
    moves = ([3.0, 3.5, 3.25], [3.5, 3.25, 3.0], [3.0] * 3, [6.0, 5.5, 5.0], [5.5, 5.25, 4.5], [5.0, 5.5, 6.0])
    for seed, value in enumerate(moves):
        write_damo_run(tmp_path, HOPPER, seed=seed, value=value, truth=[4.0] * 3)
    counts = "1 of the 3 below it rise, 2 of the 3 above it fall."
    assert f"move toward the truth within those evaluations: {counts}" in words(draw("conservatism-deep", tmp_path))


@pytest.mark.parametrize("value", [[3.0], [3.5, 3.25], [3.0, 3.0, 3.0]])
def test_where_no_value_moves_toward_the_truth_nothing_is_said_of_it(tmp_path: Path, value: list[float]) -> None:
    count = len(value)
    write_damo_run(tmp_path, HOPPER, score=[10.0] * count, value=value, truth=[4.0] * count)
    assert "still move" not in words(draw("conservatism-deep", tmp_path))


def test_where_the_whole_truth_is_known_it_takes_the_place_of_episodes(tmp_path: Path) -> None:
    path = write_damo_run(tmp_path, HOPPER, value=[3.0] * 3, truth=[2.0] * 3)
    lines = (path / "metrics.csv").read_text().splitlines()
    rows = [f"{lines[0]},{WHOLE_TRUTH}", *(f"{line},4.0" for line in lines[1:])]
    (path / "metrics.csv").write_text("\n".join(rows) + "\n")
    (_, points) = draw("conservatism-deep", tmp_path).axes[0].lines[:2]
    np.testing.assert_allclose(points.get_xydata(), [[-0.25, 0.0]])
