"""Figure 1 and the tables show what the runs scored, empty where there is no run, beside the paper's numbers."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures import commands
from figures.inputs.paper_results import DOMAIN_MEANS, FIGURE_1, TABLE_1, VARIANTS
from figures.training.ampl_ablations import table2
from figures.training.method_tables import damo_table2, table1
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, texts
from tests.figures.inputs.synthetic_runs import UMAZE, WALKER, write_run
from tests.figures.training.cells import cell

LARGE, HOPPER = "maze2d-large-v1", "hopper-medium-replay-v2"


def bars(figure: Figure, panel: int) -> dict[float, float]:
    """Length of each bar by its middle."""
    return {round(bar.get_y() + bar.get_height() / 2, 6): bar.get_width() for bar in figure.axes[panel].patches}


def test_a_score_is_the_mean_over_seeds_of_the_last_ten_evaluations(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, seed=0, score=[100.0] * 5 + [10.0] * 9 + [20.0])
    write_run(tmp_path, UMAZE, seed=2, score=[31.0] * 30)
    table = table1(tmp_path)
    assert cell(table, UMAZE, "AMPL") == f"21.0 ± {np.std([11.0, 31.0], ddof=1):.1f}"
    assert cell(table, UMAZE, "AMPL", "ours, last evaluation") == f"25.5 ± {np.std([20.0, 31.0], ddof=1):.1f}"
    assert (
        f"{UMAZE}, AMPL: seeds 0, 2; data re-created; steps 15,000 to 30,000 (scaled); device cpu; commit 0123456."
    ) in table.notes


def test_runs_with_other_settings_fill_no_cell_and_change_no_mean(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, score=[10.0])
    write_run(tmp_path, UMAZE, "nw", score=[10.0])
    before = table1(tmp_path), table2(tmp_path)
    for seed in (0, 1):
        write_run(tmp_path, UMAZE, seed=seed, score=[90.0], changed={"rollout_length": 2})
        write_run(tmp_path, WALKER, seed=seed, score=[90.0], changed={"rollout_length": 2})
        write_run(tmp_path, UMAZE, "nw", seed=seed, score=[90.0], changed={"rollout_length": 2})
    assert (table1(tmp_path), table2(tmp_path)) == before
    assert [cell(table1(tmp_path), task, "AMPL") for task in (UMAZE, WALKER)] == ["10.0", ""]


def test_a_single_seed_has_no_spread_and_few_evaluations_are_all_used(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, score=[10.0, 20.0], status=None)
    table = table1(tmp_path)
    assert cell(table, UMAZE, "AMPL") == "15.0"
    assert any(note.startswith(f"{UMAZE}, AMPL: seeds 0 (unfinished); ") for note in table.notes)


def test_cells_without_a_run_are_empty_and_the_papers_stand_beside(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "nw", score=[7.0])
    table = table2(tmp_path)
    for row in table.rows:
        ours = row[1::2]
        assert row[2::2] == tuple(f"{FIGURE_1[row[0]][variant]:.1f}" for variant in VARIANTS)
        assert ours == (("7.0", "", "", "", "", "") if row[0] == UMAZE else ("",) * 6)
    assert len(table.rows) == 16


def test_table_1_shows_every_method_below_the_papers_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "vpm", score=[99.0])
    write_run(tmp_path, UMAZE, "main", score=[50.0])
    write_run(tmp_path, WALKER, "main", score=[7.0], algorithm="cql")
    table = table1(tmp_path)
    assert cell(table, UMAZE, "AMPL") == "50.0"
    assert cell(table, UMAZE, "OptiDICE", "AMPL's paper") == "114.0 ± 39.7"
    assert [cell(table, WALKER, name) for name in ("CQL", "AMPL", "WMOPO")] == ["7.0", "", ""]
    assert list(dict.fromkeys(row[0] for row in table.rows)) == list(TABLE_1)
    assert {row[0] for row in table.rows if row[1].startswith("ours")} == {UMAZE, WALKER}


def test_damos_table_stands_below_two_sources_and_has_mopo_with_the_kits_settings(tmp_path: Path) -> None:
    """Cells that the paper's text has lost are empty."""
    write_run(tmp_path, HOPPER, "main", score=[20.0, 40.0], algorithm="damo")
    write_run(tmp_path, HOPPER, "kit", score=[70.0] * 9 + [60.0], algorithm="mopo")
    write_run(tmp_path, HOPPER, "main", score=[5.0], algorithm="mopo")
    table = damo_table2(tmp_path)
    assert [cell(table, HOPPER, "MOPO", row) for row in ("OfflineRL-Kit", "ours")] == ["92.7 ± 20.7", "69.0"]
    assert [cell(table, HOPPER, "DAMO", row) for row in ("DAMO's paper", "ours, last evaluation")] == ["", "40.0"]
    assert cell(table, "hopper-medium-expert-v2", "DAMO", "DAMO's paper") == "112.3"


def test_stopped_seeds_are_named_and_not_counted(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, score=[10.0])
    write_run(tmp_path, UMAZE, seed=1, score=[90.0], status="stopped", message="metric 'critic/loss' is nan")
    for table in (table1(tmp_path), table2(tmp_path)):
        assert any(f"{UMAZE}, main, seed 1 stopped" in note and "critic/loss" in note for note in table.notes)
    assert cell(table1(tmp_path), UMAZE, "AMPL") == "10.0"
    assert any("main seed 1" in text for text in texts(draw("figure1", tmp_path)))


def test_unknown_circumstances_are_called_unknown(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, settings={}, manifest=None)
    note = "data unknown; steps unknown; device unknown; commit unknown."
    assert any(note in found for found in table1(tmp_path).notes)


def test_runs_of_different_circumstances_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, seed=0)
    write_run(tmp_path, UMAZE, seed=1, settings={"data": {"source": "original"}})
    assert any("data re-created, original" in note for note in table1(tmp_path).notes)
    assert any("data re-created, original" in note for note in table2(tmp_path).notes)


def test_csv_holds_the_same_numbers_in_full(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "nw", 0, score=[1.0 / 3.0])
    write_run(tmp_path, UMAZE, "nw", 1, score=[1.0])
    rows = list(csv.DictReader(io.StringIO(table2(tmp_path).csv())))
    assert len(rows) == 16 * 6
    (row,) = [row for row in rows if (row["dataset"], row["variant"]) == (UMAZE, "nw")]
    assert float(row["ours_mean"]) == np.mean([1.0 / 3.0, 1.0])
    assert float(row["ours_std"]) == np.std([1.0 / 3.0, 1.0], ddof=1)
    assert float(row["paper_mean"]) == FIGURE_1[UMAZE]["nw"]
    empty = next(row for row in rows if row["dataset"] == WALKER)
    assert {empty[name] for name in empty if name.startswith("ours_")} == {""}


def test_markdown_is_a_table_with_the_same_number_of_cells_in_every_line(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, manifest={"device": "a | b\nc"})
    text = table1(tmp_path).markdown()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 16 + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {12}
    assert r"a \| b c" in text
    assert "- A score is the mean of a seed's last 10 evaluations" in text


def test_the_terminal_shows_every_row_and_takes_brackets_literally(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, manifest={"device": "[bold]GPU[/bold]"})
    text = table1(tmp_path).terminal(200)
    assert "[bold]GPU[/bold]" in text
    assert all(task in text for task in TABLE_1)
    assert max(map(len, text.splitlines())) <= 200


def test_a_table_is_written_before_it_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, UMAZE)
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OSError, match="No space left"):
            commands.Figure(name="table1", runs=tmp_path, out=tmp_path / "t.md").run()
        monkeypatch.undo()
    assert (tmp_path / "t.md").exists()
    assert (tmp_path / "t.csv").exists()


def test_figure_1_has_a_bar_of_ours_where_something_was_run_and_the_papers_everywhere(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "nw", 0, score=[10.0])
    write_run(tmp_path, UMAZE, "nw", 1, score=[20.0])
    write_run(tmp_path, LARGE, "nw", 0, score=[50.0])
    figure = draw("figure1", tmp_path)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Adroit", "Maze2D", "MuJoCo"]
    for panel, domain in enumerate(DOMAIN_MEANS):
        paper = {place + 0.2: mean for place, mean in enumerate(DOMAIN_MEANS[domain])}
        ours = {-0.2: np.mean([15.0, 50.0])} if domain == "Maze2D" else {}
        assert bars(figure, panel) == pytest.approx(paper | ours)
    notes = [text.get_text() for text in figure.axes[1].texts]
    assert [note for note in notes if note in ("n = 2", "no run")] == ["n = 2", *["no run"] * 5]
    check_text_is_readable(figure)


def test_figure_1_draws_a_point_for_each_seed_that_ran_on_all_n_datasets(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "nw", 0, score=[10.0])
    write_run(tmp_path, UMAZE, "nw", 1, score=[20.0])
    write_run(tmp_path, LARGE, "nw", 0, score=[50.0])
    points = [line for line in draw("figure1", tmp_path).axes[1].lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in points] == [[30.0]]


def test_figure_1_marks_the_papers_mean_over_the_same_datasets(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "nw", score=[10.0])
    (marks,) = draw("figure1", tmp_path).axes[1].collections
    assert marks.get_segments()[0][:, 0].tolist() == [FIGURE_1[UMAZE]["nw"]] * 2


def test_figure_1_counts_where_main_is_above_its_ablations(tmp_path: Path) -> None:
    write_run(tmp_path, UMAZE, "main", score=[30.0])
    assert any("1 of 96 cells, none to compare" in text for text in texts(draw("figure1", tmp_path)))
    write_run(tmp_path, UMAZE, "nw", score=[10.0])
    write_run(tmp_path, UMAZE, "vpm", score=[50.0])
    write_run(tmp_path, WALKER, "nw", score=[99.0])  # main has no run there
    assert any("in 1 of 2 comparisons" in text for text in texts(draw("figure1", tmp_path)))
