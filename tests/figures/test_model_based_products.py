"""Learning curves and MOPO's and DAMO's tables show what runs recorded, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from figures import learning_curves
from figures.model_based_tables import TASKS, damo_table2, mopo_table1
from figures.style import look
from tests.figures.drawn_text import check_text_is_readable, texts
from tests.figures.synthetic_runs import write_run

HOPPER = "hopper-medium-replay-v2"


def runs(folder: Path) -> None:
    for seed in (0, 1):
        write_run(folder, HOPPER, "main", seed, score=[10.0 + seed] * 12, algorithm="mopo")
    write_run(folder, HOPPER, "mbpo", score=[5.0], algorithm="mopo")
    write_run(folder, HOPPER, "main", score=[20.0, 40.0], algorithm="damo")


def test_mopos_table_has_the_papers_numbers_and_ours(tmp_path: Path) -> None:
    runs(tmp_path)
    table = mopo_table1(tmp_path)
    rows = {row[0]: row for row in table.rows}
    assert [row[0] for row in table.rows] == list(TASKS)
    assert rows[HOPPER][1:5] == ("67.5 ± 24.7", "49.8 ± 30.4", "10.5 ± 0.7", "5.0")
    assert rows["walker2d-random-v2"][1:] == ("13.6 ± 2.6", "8.6 ± 8.1", *[""] * 7)
    assert rows[HOPPER][7] == "re-created"


def test_damos_table_leaves_lost_cells_empty(tmp_path: Path) -> None:
    runs(tmp_path)
    rows = {row[0]: row for row in damo_table2(tmp_path).rows}
    assert rows[HOPPER][1:4] == ("", "30.0", "10.5 ± 0.7")
    assert rows["hopper-medium-expert-v2"][1:4] == ("112.3", "", "")


def test_damos_table_needs_one_algorithms_runs_only(tmp_path: Path) -> None:
    write_run(tmp_path, HOPPER, "main", score=[20.0], algorithm="damo")
    assert {row[0]: row for row in damo_table2(tmp_path).rows}[HOPPER][2:4] == ("20.0", "")


def test_learning_curves_name_the_best_and_how_it_came_about(tmp_path: Path) -> None:
    runs(tmp_path)
    with look():
        figure = learning_curves.draw(tmp_path)
        check_text_is_readable(figure)
        found = " ".join(texts(figure))
    assert f"Highest score drawn: 30.0, damo main on {HOPPER}" in found
    assert "Data: re-created" in " ".join(found.split())


@pytest.mark.parametrize("make", [mopo_table1, damo_table2, learning_curves.draw])
def test_without_runs_one_line_says_how_to_make_one(make: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"`ampl train (mopo|damo) .*` makes one"):
        make(tmp_path)  # type: ignore[operator]
