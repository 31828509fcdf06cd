"""The table of all kept runs says what the run directories say, and the committed page has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from ampl.files import write_json
from figures.results_page import BEGIN, END, PAGE, main, page, table
from tests.figures.inputs.synthetic_runs import MANIFEST, write_run

TASK = "hopper-medium-v2"


def test_a_row_has_scores_what_was_measured_again_and_what_was_published(tmp_path: Path) -> None:
    for seed, score in ((0, 10.0), (1, 30.0)):
        path = write_run(tmp_path / "longer", TASK, seed=seed, score=[score], algorithm="cql")
        write_json(path / "evaluation.json", {"episodes": 100, "metrics": {"evaluation/score_mean": score + 1.0}})
    write_json(path / "plain_gymnasium.json", {"episodes": 20, "score_mean": 29.0})
    (row,) = [line for line in table(tmp_path).splitlines() if TASK in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:4] == [TASK, "cql/main", "0, 1", "1,000"]
    assert cells[5:10] == [
        r"20.0 ± 14.1 \[10.0, 30.0\]", "20.0 ± 14.1", "21.0 ± 14.1", "29.0 (1 of 2 seeds)", "59.1 (OfflineRL-Kit)",
    ]  # fmt: skip


def test_nothing_was_published_of_other_settings(tmp_path: Path) -> None:
    write_run(tmp_path, TASK, algorithm="cql", changed={"value_weight": 0.1})
    (row,) = [line for line in table(tmp_path).splitlines() if TASK in line]
    assert "OfflineRL-Kit" not in row


def test_a_policy_that_was_evaluated_again_in_few_episodes_leaves_its_cell_empty(tmp_path: Path) -> None:
    path = write_run(tmp_path, TASK, algorithm="cql")
    write_json(path / "evaluation.json", {"episodes": 99, "metrics": {"evaluation/score_mean": 1.0}})
    assert table(tmp_path).splitlines()[2].split("|")[8].strip() == ""


def test_a_row_has_the_longest_time_and_the_most_memory_where_they_are_known(tmp_path: Path) -> None:
    counts = [{"wall_time_seconds": 5400.0, "peak_memory_mib": 1536}, {"wall_time_seconds": 60.0}]
    for seed, known in enumerate(counts):
        write_run(tmp_path, TASK, seed=seed, manifest={**MANIFEST, **known})
    write_run(tmp_path, TASK, "nw", manifest={**MANIFEST, **counts[1]})
    write_run(tmp_path, TASK, "vpm", manifest=None)
    rows = {line.split("|")[2].strip(): line.split("|")[11].strip() for line in table(tmp_path).splitlines()[2:]}
    assert rows == {"ampl/main": "1.5 h, 1.5 GiB", "ampl/nw": "1 min", "ampl/vpm": ""}


def test_only_what_is_between_the_marks_is_replaced() -> None:
    assert page(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(InvalidFileError, match="must have one line"):
        page("a\n", "new")


def test_the_committed_page_has_the_table_of_the_committed_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text, table()), "run `make results`"


def test_without_page_or_runs_one_line_says_so_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main() == 2
    (tmp_path / PAGE).parent.mkdir()
    (tmp_path / PAGE).write_text(f"{BEGIN}\nold\n{END}\n")
    assert main() == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "does not exist. Start this in the project's folder." in first
    assert "no run below results" in second
    assert (tmp_path / PAGE).read_text() == f"{BEGIN}\nold\n{END}\n"
