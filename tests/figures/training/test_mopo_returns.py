"""Tables `mopo-table2` and `mopo-table3` hold the paper's returns and those that runs recorded, and nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import MetricsTable
from figures.inputs.runs import RETURN, find_runs
from figures.inputs.table import Table
from figures.training.mopo_returns import ABLATION_TASKS, METHODS, MOPO_TABLE_2, MOPO_TABLE_3, mopo_table2, mopo_table3
from figures.training.mopo_tables import mopo_table1
from tests.figures.inputs.synthetic_runs import SETTINGS, write_run
from tests.figures.training.cells import column

JUMP = "halfcheetah-jump"
ANGLE = "ant-angle-30"
MIXED = "halfcheetah-medium-replay-v2"


def write_returns(
    out: Path,
    task: str,
    variant: str = "main",
    seed: int = 0,
    *,
    returns: Sequence[float],
    scores: Sequence[float] | None = None,
    batch: Mapping[str, float] | None = None,
    **more: Any,
) -> Path:
    """A run of MOPO with raw returns, and with scores beside them where the task has some."""
    settings = {**SETTINGS, "data": {**SETTINGS["data"], **(batch or {})}}
    path = write_run(out, task, variant, seed, score=[], settings=settings, algorithm="mopo", **more)
    table = MetricsTable(path / "metrics.csv")
    for epoch, value in enumerate(returns, start=1):
        score = {} if scores is None else {SCORE: scores[epoch - 1]}
        table.append(epoch, {RETURN: value, "evaluation/return_spread": 1.0} | score)
    return path


def rows_for_programs(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.csv())))


def test_returns_are_means_over_seeds_of_the_last_ten_evaluations(tmp_path: Path) -> None:
    write_returns(tmp_path, JUMP, seed=0, returns=[9000.0] * 5 + [100.0] * 9 + [200.0])
    write_returns(tmp_path, JUMP, seed=1, returns=[310.0] * 12)
    write_returns(tmp_path, JUMP, "mbpo", returns=[-50.0])
    table = mopo_table2(tmp_path)
    assert column(table, JUMP, "ours: MOPO") == f"210.0 ± {np.std([110.0, 310.0], ddof=1):.1f}"
    assert column(table, JUMP, "ours: MBPO") == "-50.0"
    assert column(mopo_table3(tmp_path), "MOPO", "halfcheetah-jump: ours") == column(table, JUMP, "ours: MOPO")
    assert (
        f"{JUMP}: data re-created; steps 12,000 to 15,000 (scaled), 1,000 (scaled); seeds of MOPO: 0, 1; MBPO: 0; "
        "device cpu; commit 0123456."
    ) in table.notes


def test_returns_stand_in_the_table_where_a_task_has_scores_too(tmp_path: Path) -> None:
    write_returns(tmp_path, MIXED, returns=[6000.0], scores=[50.0])
    assert column(mopo_table3(tmp_path), "MOPO", "halfcheetah-mixed: ours") == "6000.0"
    assert column(mopo_table1(tmp_path), MIXED, "ours: MOPO") == "50.0"


@pytest.mark.parametrize(
    ("task", "paper"),
    [
        (JUMP, ("-1022.6", "1808.6", "4016.6 ± 144", "2971.4 ± 1262", "")),
        (ANGLE, ("866.7", "2311.9", "2530.9 ± 137", "13.6 ± 66", "")),
        ("ant-angle-45", ("1105.5", "3168.7", "2571.3 ± 598.1", "", "")),
        ("ant-angle-60", ("846.7", "1953.7", "840.5 ± 1103.7", "", "")),
        ("ant-angle-90", ("-901.6", "838.8", "-503.2 ± 803.4", "", "")),
        ("hiv-treatment", ("6747.2", "15986.2", "13484.6 ± 3900.7", "", "25716.3 ± 254.3")),
    ],
)
def test_table_2_quotes_the_paper_and_leaves_cells_without_runs_empty(
    tmp_path: Path, task: str, paper: tuple[str, ...]
) -> None:
    write_returns(tmp_path, ANGLE, "mbpo", returns=[1.0])
    (row,) = [row for row in mopo_table2(tmp_path).rows if row[0] == task]
    assert row[1:6] == paper
    assert row[6:] == ("", "", "", "1.0" if task == ANGLE else "")


def test_table_3_quotes_the_paper_and_leaves_cells_without_runs_empty(tmp_path: Path) -> None:
    write_returns(tmp_path, ANGLE, "true-error", returns=[7.0])
    table = mopo_table3(tmp_path)
    papers = {row[0]: row[1::2] for row in table.rows}
    assert list(papers) == list(METHODS.values())
    assert papers["MOPO"] == ("6405.8 ± 35", "1916.4 ± 611", "4016.6 ± 144", "2530.9 ± 137")
    assert papers["MOPO, no pen."] == ("6409.1 ± 429", "1421.2 ± 359", "-980.8 ± 5625", "18.6 ± 49")
    assert papers["MBPO, no ens."] == ("2247.2 ± 581", "500.3 ± 34", "-68.7 ± 1936", "-720.1 ± 728")
    assert papers["MOPO, true pen."] == ("6984.0 ± 148", "", "3818.6 ± 136", "")
    assert papers["MOPO, avg. var."] == ("", "", "4166.3 ± 228.8", "")
    ours = {row[0]: row[2::2] for row in table.rows}
    assert ours.pop("MOPO, true pen.") == ("", "", "", "7.0")
    assert set(ours.values()) == {("",) * 4}


def test_the_paper_repeats_mopo_in_both_tables() -> None:
    columns = dict(zip(ABLATION_TASKS.values(), MOPO_TABLE_3["main"], strict=True))
    assert all(columns[task] == MOPO_TABLE_2[task].mopo for task in (JUMP, ANGLE))


def test_each_ablation_stands_in_its_row_and_column(tmp_path: Path) -> None:
    wanted = {}
    for number, variant in enumerate(METHODS):
        for place, task in enumerate(ABLATION_TASKS.values()):
            wanted[variant, task] = float(10 * number + place)
            write_returns(tmp_path, task, variant, returns=[wanted[variant, task]])
    table = mopo_table3(tmp_path)
    found = {(row["variant"], row["task"]): float(row["ours_mean"]) for row in rows_for_programs(table)}
    assert found == wanted
    shown = [tuple(map(float, row[2::2])) for row in table.rows]
    assert shown == [tuple(wanted[variant, task] for task in ABLATION_TASKS.values()) for variant in METHODS]


def test_batch_returns_are_those_that_the_runs_record(tmp_path: Path) -> None:
    batch = {"episode_return_mean": -900.25, "episode_return_max": 1700.0}
    write_returns(tmp_path, JUMP, returns=[5.0], batch=batch)
    write_returns(tmp_path, JUMP, "mbpo", returns=[5.0])
    write_returns(tmp_path, ANGLE, returns=[5.0])
    table = mopo_table2(tmp_path)
    assert [column(table, JUMP, f"ours: batch {which}") for which in ("mean", "max")] == ["-900.2", "1700.0"]
    assert [column(table, ANGLE, f"ours: batch {which}") for which in ("mean", "max")] == ["", ""]
    rows = {(row["task"], row["method"]): row for row in rows_for_programs(table)}
    assert float(rows[JUMP, "MOPO"]["ours_batch_mean"]) == -900.25
    assert rows[JUMP, "MBPO"]["ours_batch_mean"] == ""


def test_batch_returns_of_different_data_are_told_apart(tmp_path: Path) -> None:
    for seed, value in enumerate((1.0, 2.0, 1.0)):
        write_returns(tmp_path, JUMP, seed=seed, returns=[5.0], batch={"episode_return_mean": value})
    table = mopo_table2(tmp_path)
    assert column(table, JUMP, "ours: batch mean") == "1.0, 2.0"
    row = next(row for row in rows_for_programs(table) if row["task"] == JUMP)
    assert row["ours_batch_mean"] == ""


def test_the_csv_has_a_row_for_each_method_and_all_numbers_in_full(tmp_path: Path) -> None:
    write_returns(tmp_path, JUMP, returns=[1.0 / 3.0])
    write_returns(tmp_path, JUMP, seed=1, returns=[1.0])
    rows = {(row["task"], row["method"]): row for row in rows_for_programs(mopo_table2(tmp_path))}
    assert len(rows) == 2 * len(MOPO_TABLE_2) + 1
    found = rows[JUMP, "MOPO"]
    assert float(found["ours_mean"]) == np.mean([1.0 / 3.0, 1.0])
    assert float(found["ours_std"]) == np.std([1.0 / 3.0, 1.0], ddof=1)
    assert (float(found["paper_mean"]), float(found["paper_std"])) == (4016.6, 144.0)
    assert [found[name] for name in ("seeds", "data", "device", "commit")] == ["0, 1", "re-created", "cpu", "0123456"]
    assert float(rows["hiv-treatment", "online SAC"]["paper_mean"]) == 25716.3
    assert len(rows_for_programs(mopo_table3(tmp_path))) == 7 * 4


@pytest.mark.parametrize("make", [mopo_table2, mopo_table3])
def test_stopped_seeds_are_named_and_not_counted(make: Callable[[Path], Table], tmp_path: Path) -> None:
    write_returns(tmp_path, JUMP, returns=[10.0], status=None)
    write_returns(tmp_path, JUMP, seed=1, returns=[90.0], status="stopped", message="metric 'critic/loss' is nan")
    table = make(tmp_path)
    assert any(f"{JUMP}, main, seed 1 stopped" in note and "critic/loss" in note for note in table.notes)
    assert any("MOPO: 0 (unfinished)" in note for note in table.notes)
    assert all("90.0" not in row and "50.0 ± 56.6" not in row for row in table.rows)


@pytest.mark.parametrize(("make", "example"), [(mopo_table2, JUMP), (mopo_table3, ANGLE)])
def test_runs_without_returns_do_not_count(make: Callable[[Path], Table], example: str, tmp_path: Path) -> None:
    for task in (JUMP, MIXED):
        write_run(tmp_path, task, score=[50.0], algorithm="mopo")  # normalized scores alone
    expected = rf"^no evaluated run .* `ampl train mopo {example} --variant main --out .*` makes one"
    with pytest.raises(InvalidFileError, match=expected) as caught:
        make(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_return_that_is_not_finite_damages_the_run_for_those_who_read_it(tmp_path: Path) -> None:
    path = write_returns(tmp_path, MIXED, returns=[1.0], scores=[1.0])
    text = (path / "metrics.csv").read_text()
    (path / "metrics.csv").write_text(text.replace("\n1,1.0", "\n1,nan"))
    assert find_runs(tmp_path, "mopo", metric=RETURN) == []
    assert len(find_runs(tmp_path, "mopo")) == 1


def test_batch_returns_that_are_no_numbers_are_unknown(tmp_path: Path) -> None:
    path = write_returns(tmp_path, JUMP, returns=[1.0])
    config = json.loads((path / "config.json").read_text())
    config["settings"]["data"]["episode_return_mean"] = "high"
    (path / "config.json").write_text(json.dumps(config))
    (run,) = find_runs(tmp_path, "mopo", metric=RETURN)
    assert (run.batch_mean, run.batch_max) == (None, None)
