"""Learning curves and MOPO's and DAMO's tables show what runs recorded, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

from figures.inputs.other_results import TASKS
from figures.inputs.table import Table
from figures.training.mopo_tables import mopo_table1
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_runs import write_run

HOPPER = "hopper-medium-replay-v2"


def runs(folder: Path) -> None:
    for seed in (0, 1):
        write_run(folder, HOPPER, "main", seed, score=[10.0 + seed] * 12, algorithm="mopo")
    write_run(folder, HOPPER, "mbpo", score=[5.0], algorithm="mopo")
    write_run(folder, HOPPER, "main", score=[20.0, 40.0], algorithm="damo")


def by_row(table: Table) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_mopos_table_has_the_papers_numbers_and_ours(tmp_path: Path) -> None:
    """MOPO's own numbers, those of MOPO on v2 data in AMPL's Table 1, and ours: mean of ten beside the last."""
    runs(tmp_path)
    write_run(tmp_path, HOPPER, "main", 2, score=[10.0] * 11 + [40.0], algorithm="mopo")
    table = mopo_table1(tmp_path)
    assert [row[0] for row in table.rows] == list(TASKS)
    row = by_row(table)[HOPPER]
    assert (row["paper: MOPO (v0)"], row["paper: MBPO (v0)"]) == ("67.5 ± 24.7", "49.8 ± 30.4")
    assert row["AMPL's paper: MOPO (v2)"] == "84.8 ± 30.0"
    assert (row["ours: MOPO"], row["ours: MOPO, last evaluation"]) == ("11.3 ± 1.5", "20.3 ± 17.0")
    assert (row["ours: MBPO"], row["data"]) == ("5.0", "re-created")
    assert len(set(table.notes)) == len(table.notes)
    empty = by_row(table)["walker2d-random-v2"]
    assert {name for name, text in empty.items() if text} == {"dataset", "paper: MOPO (v0)", "paper: MBPO (v0)"}


def test_runs_on_v0_data_have_rows_of_their_own_beside_the_papers_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, "walker2d-medium-v0", score=[30.0], algorithm="mopo")
    table = mopo_table1(tmp_path)
    assert [row[0] for row in table.rows] == [*TASKS, "walker2d-medium-v0"]
    row = by_row(table)["walker2d-medium-v0"]
    assert (row["paper: MOPO (v0)"], row["ours: MOPO"]) == ("17.8 ± 19.3", "30.0")
    assert row["AMPL's paper: MOPO (v2)"] == ""


def test_learning_curves_name_the_best_and_how_it_came_about(tmp_path: Path) -> None:
    runs(tmp_path)
    figure = draw("learning-curves", tmp_path)
    check_text_is_readable(figure)
    found = words(figure)
    assert f"Highest mean of the last 2: 30.0, damo main on {HOPPER}" in found
    assert "data: re-created" in found
