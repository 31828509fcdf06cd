"""What has no room in a picture of runs is named, and counts in no headline."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from figures.drawing.style import headline, look, new_figure
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_runs import write_lqr_run, write_run

ALGORITHMS = ("algaedice", "bc", "combo", "cql", "damo", "iql", "mopo", "morel", "rambo", "td3-bc")
METHODS = [("lqr-pointmass-bounded", algorithm) for algorithm in ALGORITHMS]
TASKS = [(f"lqr-{name}", "mopo") for name in ("a", "b", "c", "d", "e")]


@pytest.mark.parametrize(
    ("name", "written", "note"),
    [
        ("theorem1-deep", METHODS[:5], "Not drawn, beyond 4 methods: lqr-pointmass-bounded damo main. --runs"),
        ("return-gap", METHODS, "Not drawn, beyond 9 methods: lqr-pointmass-bounded td3-bc main. --runs"),
        ("lqr-learning", TASKS[:4], "Not drawn, beyond 3 tasks: lqr-d. --runs"),
        ("reached-score", TASKS, "Not drawn, beyond 4 tasks: lqr-e. --runs"),
    ],
)
def test_what_has_no_room_is_named(name: str, written: list[tuple[str, str]], note: str, tmp_path: Path) -> None:
    for task, algorithm in written[:-1]:
        write_lqr_run(tmp_path, task, algorithm)
    figure = draw(name, tmp_path)
    assert "Not drawn" not in words(figure)
    write_lqr_run(tmp_path, *written[-1])
    fuller = draw(name, tmp_path)
    assert note in words(fuller)
    assert fuller.caption.finding == figure.caption.finding  # type: ignore[attr-defined]


@pytest.mark.parametrize("exact", [False, True])
def test_runs_with_returns_alone_are_named_in_the_error_and_beside_scored_ones(exact: bool, tmp_path: Path) -> None:
    """Of runs whose returns could have been scores the way to these is told."""
    path = write_run(tmp_path, "ant-angle-30", algorithm="mopo", score=[])
    rows = ("return_mean", "1,1234.5") if exact else ("return_mean,evaluation/return_spread", "1,1234.5,0.5")
    (path / "metrics.csv").write_text(f"epoch,evaluation/{rows[0]}\n{rows[1]}\n")
    note = "With returns and no scores, not drawn: ant-angle-30 mopo main seed 0."
    with pytest.raises(InvalidFileError, match=f"no scored run .*{note}") as caught:
        draw("reached-score", tmp_path)
    assert ("`--references LOW HIGH`, given from the start," in str(caught.value)) is not exact
    write_run(tmp_path)
    assert note in words(draw("reached-score", tmp_path))


def test_many_seeds_of_a_method_are_one_phrase_and_leave_the_panel_its_room(tmp_path: Path) -> None:
    for seed in range(20):
        write_lqr_run(tmp_path, "lqr-pointmass", "mopo", seed=seed)
    assert "The model's error in the last gap: 6.2 of 17 (mopo main, lqr-pointmass, mean of 20 seeds)." in words(
        draw("return-gap", tmp_path)
    )


def test_a_canvas_grows_where_its_words_would_leave_panels_no_room() -> None:
    with look():
        figure = new_figure(8.0, 4.0)
        axes = figure.subplots(2, 1)
        headline(figure, "finding", "subtitle", *["a note that takes a line of its own " * 3] * 40)
    check_text_is_readable(figure)
    assert figure.get_figheight() > 8.0
    assert all(each.get_window_extent().height / figure.dpi > 0.8 for each in axes)
