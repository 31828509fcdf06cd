"""The last line of every picture of runs names seeds that are not finished, and those that are not drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.compare import picture
from figures.compare.results import compare
from figures.inputs.runs import find_nested_runs
from figures.report.facts import run_table
from figures.training.method_tables import table1
from tests.figures.drawing.drawn_text import check_text_is_readable, draw
from tests.figures.inputs.synthetic_runs import SETTINGS, UMAZE, WALKER, write_lqr_run, write_run

LQR = "lqr-pointmass-bounded"


def end(path: Path, status: str | None) -> None:
    """Lets a run have stopped, or not be finished."""
    (path / "result.json").unlink()
    if status:
        (path / "result.json").write_text(json.dumps({"status": status, "message": "metric 'x' is nan"}))


def source(figure: Figure) -> str:
    return figure.caption.source  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("name", ["learning-curves", "reached-score", "conservatism-deep", "lqr-learning",
                                  "return-gap", "theorem1-deep"])  # fmt: skip
def test_pictures_name_unfinished_seeds_and_those_they_leave_out(name: str, tmp_path: Path) -> None:
    for seed, status in enumerate(("finished", None, "stopped")):
        end(write_lqr_run(tmp_path, LQR, "mopo", seed=seed), status)
    write_run(tmp_path, LQR, seed=3, score=[], status=None, algorithm="mopo")
    figure = draw(name, tmp_path)
    assert source(figure).endswith(
        f"Unfinished: {LQR} mopo main seed 1. Stopped, not drawn: {LQR} mopo main seed 2. "
        f"Not evaluated yet, not drawn: {LQR} mopo main seed 3."
    )
    check_text_is_readable(figure)


def test_so_does_the_picture_of_a_comparison(tmp_path: Path) -> None:
    write_run(tmp_path, status=None)
    write_run(tmp_path, seed=1, status="stopped")
    found = source(picture.draw(compare(find_nested_runs([tmp_path]))))
    assert found.endswith(f"Unfinished: {UMAZE} ampl main seed 0. Stopped, not drawn: {UMAZE} ampl main seed 1.")


def test_so_do_the_pictures_of_ampls_weights_and_ablations(tmp_path: Path) -> None:
    for variant in ("nw", "main"):
        write_run(tmp_path, WALKER, variant, status=None, weights={1: np.ones(3)} if variant == "main" else None)
    write_run(tmp_path, WALKER, "nw", 1, status="stopped")
    stopped = f"Stopped, not drawn: {WALKER} ampl nw seed 1."
    unfinished = f"{WALKER} ampl main seed 0"
    for name in ("weights-help", "figure1"):
        assert stopped in source(draw(name, tmp_path)), name
        assert unfinished in source(draw(name, tmp_path)), name
    assert source(draw("figure2", tmp_path)).endswith(f"Unfinished: {unfinished}.")


ELSE = {**SETTINGS, "penalty_weight": 2.0, "schedule": {**SETTINGS["schedule"], "epochs": 80}}
MIXED = "Seeds of different settings taken together: {} {} main seed 0, 1 (penalty_weight)."


@pytest.mark.parametrize("name", ["learning-curves", "reached-score", "conservatism-deep", "lqr-learning",
                                  "return-gap", "theorem1-deep"])  # fmt: skip
def test_seeds_of_different_settings_are_named_where_they_are_taken_together(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, settings in enumerate((SETTINGS, ELSE)):
        path = write_lqr_run(tmp_path, LQR, "mopo", seed=seed)
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"settings": settings}))
    assert source(draw(name, tmp_path)).endswith(MIXED.format(LQR, "mopo"))
    assert f"taken together: {LQR} mopo main seed 0, 1 (penalty_weight). `ampl compare`" in caplog.text


def test_so_do_tables_and_the_list_of_runs_in_a_report(tmp_path: Path) -> None:
    for seed, settings in enumerate((SETTINGS, ELSE)):
        write_run(tmp_path, seed=seed, settings=settings)
    mixed = MIXED.format(UMAZE, "ampl")
    assert mixed in run_table(find_nested_runs([tmp_path])).notes
    assert mixed in table1(tmp_path).notes
    assert mixed in source(draw("figure1", tmp_path))


def test_a_comparison_keeps_them_apart_and_speaks_of_no_lines(tmp_path: Path) -> None:
    for seed, settings in enumerate((SETTINGS, ELSE)):
        write_run(tmp_path, seed=seed, settings=settings, score=[1.0] * (seed + 1))
    found = source(picture.draw(compare(find_nested_runs([tmp_path]))))
    assert found.endswith("commit: 0123456.")


@pytest.mark.parametrize(
    ("name", "said"), [("learning-curves", "lengths (lines: means"), ("conservatism-deep", "lengths: ")]
)
def test_seeds_of_different_lengths_are_named(name: str, said: str, tmp_path: Path) -> None:
    for seed in range(2):
        write_lqr_run(tmp_path, LQR, "mopo", seed=seed, epochs=seed + 2)
    assert f"Of different {said}" in source(draw(name, tmp_path))


def test_where_all_runs_are_finished_nothing_is_said(tmp_path: Path) -> None:
    write_lqr_run(tmp_path, LQR, "mopo")
    assert source(draw("learning-curves", tmp_path)).endswith("commit: 0123456.")
