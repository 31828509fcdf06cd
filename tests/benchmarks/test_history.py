"""The history of benchmark ratios: what is compared with what, what counts as a fall, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ampl.errors import InvalidFileError
from benchmarks import history
from benchmarks.history import compare, fresh_entries, read_history


def steps_record(ratio: float, *, cpu: str = "Abacus", date: str = "2026-01-01T00:00:00+00:00") -> dict[str, Any]:
    rows = [
        {"threads": 1, "what": "updates", "contestant": "usual", "per_second": 10.0, "ratio": 1.0},
        {"threads": 1, "what": "updates", "contestant": "ours", "per_second": 10.0 * ratio, "ratio": ratio},
        {"threads": 2, "what": "updates", "contestant": "ours", "per_second": 30.0, "ratio": 3.0},
        {"threads": 2, "what": "lonely steps", "contestant": "ours", "per_second": 30.0, "ratio": None},
    ]
    machine = {"cpu": cpu, "cores": 2, "system": "Linux"}
    return {"date": date, "commit": "abc", "machine": machine, "versions": {"torch": "2.13"}, "rows": rows}


def bench_record(utilization: float | None) -> dict[str, Any]:
    row = {"loop": "MOPO update", "seeds": 5, "per_second": 99.0, "utilization": utilization}
    facts = {"date": "2026-01-02T00:00:00+00:00", "device": "Abacus", "torch": "2.13", "threads": 1}
    return {"written_by": "ampl-testbed bench", **facts, "rows": [row]}


def write(folder: Path, name: str, record: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_a_ratio_that_fell_by_more_than_a_quarter_is_a_warning_and_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.json"
    write(tmp_path, "ampl_steps", steps_record(2.0))
    assert compare(tmp_path, file, append=True) == 0
    write(tmp_path, "ampl_steps", steps_record(1.51))  # less by a little under a quarter
    assert compare(tmp_path, file, append=False) == 0
    write(tmp_path, "ampl_steps", steps_record(1.49, date="2026-01-02T00:00:00+00:00"))
    capsys.readouterr()
    assert compare(tmp_path, file, append=False) == 1
    shown = capsys.readouterr()
    assert "'ampl_steps: updates, ours' on 1 threads fell from 2 to 1.49" in shown.err
    assert "-26%" in shown.out
    assert "+0%" in shown.out  # two threads


def test_history_holds_ratios_and_no_times(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    write(tmp_path, "ampl_steps", steps_record(2.0))
    write(tmp_path, "bench", bench_record(0.75))
    compare(tmp_path, file, append=True)
    first, second = json.loads(file.read_text())
    assert first == {
        "date": "2026-01-02T00:00:00+00:00",
        "commit": "abc",
        "cpu": "Abacus",
        "torch": "2.13",
        "threads": 1,
        "ratios": {"ampl_steps: updates, ours": 2.0, "bench: MOPO update, 5 stacked": 0.75},
    }
    assert second["threads"] == 2
    assert second["ratios"] == {"ampl_steps: updates, ours": 3.0}


def test_only_the_latest_entry_of_the_same_processor_and_threads_counts(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    for ratio, cpu in ((8.0, "Abacus"), (2.0, "Abacus"), (9.0, "Slide rule")):
        write(tmp_path, "ampl_steps", steps_record(ratio, cpu=cpu))
        compare(tmp_path, file, append=True)
    write(tmp_path, "ampl_steps", steps_record(1.9))
    assert compare(tmp_path, file, append=False) == 0


def test_appending_twice_adds_once_and_results_are_not_compared_with_themselves(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    write(tmp_path, "ampl_steps", steps_record(2.0))
    compare(tmp_path, file, append=True)
    write(tmp_path, "ampl_steps", steps_record(1.0))
    assert compare(tmp_path, file, append=True) == 1
    before = file.read_text()
    assert compare(tmp_path, file, append=True) == 1
    assert file.read_text() == before
    assert len(read_history(file)) == 3  # the entry of two threads is the same both times


def test_a_ratio_that_is_no_longer_measured_is_shown_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.json"
    write(tmp_path, "ampl_steps", steps_record(2.0))
    write(tmp_path, "bench", bench_record(0.75))
    compare(tmp_path, file, append=True)
    write(tmp_path, "bench", bench_record(None))
    capsys.readouterr()
    assert compare(tmp_path, file, append=False) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "MOPO update" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "1", "bench: MOPO update, 5 stacked", "0.75", "-", "-", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "3",
        "[3]",
        '[{"date": "x"}]',
        '[{"date": "x", "commit": "c", "cpu": "c", "torch": "2", "threads": 1, "ratios": {"a": 0}}]',
        '[{"date": "x", "commit": "c", "cpu": "c", "torch": "2", "threads": 1, "ratios": {"a": "fast"}}]',
    ],
)
def test_a_damaged_history_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "history.json"
    file.write_text(text)
    with pytest.raises(InvalidFileError, match=r"history\.json"):
        read_history(file)


def test_damaged_and_missing_results_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="make bench"):
        fresh_entries(tmp_path)
    write(tmp_path, "mopo_steps", {"rows": [{}]})
    with pytest.raises(InvalidFileError, match=r"mopo_steps\.json is not as expected"):
        fresh_entries(tmp_path)


def test_the_command_ends_with_two_and_one_line_where_a_file_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "RESULTS", tmp_path)
    assert history.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1
