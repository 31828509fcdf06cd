"""Threads and precision: fixed, recorded, taken up again, and refused where they cannot be."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.runs.recorded_arithmetic import choose_arithmetic, recorded_arithmetic, tell_arithmetic
from tests.ampl.fake_algorithm import announce_fake

TWO = Arithmetic(threads=2, precision="medium")


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run directory whose manifest has these sessions."""

    def make(name: str, *sessions: Any, **others: Any) -> Path:
        run = tmp_path / name
        run.mkdir()
        (run / "manifest.json").write_text(json.dumps(others | {"sessions": list(sessions)}))
        return run

    return make


def session(threads: Any, precision: Any = "highest") -> dict[str, Any]:
    return {"first_epoch": 1, "threads": threads, "precision": precision}


@pytest.mark.parametrize("count", [0, 1025, 10**14])
def test_numbers_of_threads_that_crash_the_libraries_are_refused(count: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"--threads is {count}; expected 1 to 1024"):
        choose_arithmetic(count, None)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="--precision is 'bf16'; expected one of highest, high, medium"):
        Arithmetic(precision="bf16")  # type: ignore[arg-type]


def test_what_is_asked_for_comes_before_what_is_recorded_and_that_before_the_default(
    recorded: Callable[..., Path],
) -> None:
    assert choose_arithmetic(None, None) == DEFAULT == Arithmetic(threads=1, precision="highest")
    assert choose_arithmetic(3, None) == Arithmetic(threads=3)
    run = recorded("run", session(1), session(2, "medium"))
    assert choose_arithmetic(None, None, [run]) == TWO
    assert choose_arithmetic(3, None, [run]) == Arithmetic(threads=3, precision="medium")


@pytest.mark.parametrize(
    ("before", "now", "level", "said"),
    [
        ([TWO, TWO], TWO, "INFO", "goes on with 2 threads and precision 'medium', as recorded."),
        (
            [DEFAULT, TWO, None],
            TWO,
            "WARNING",
            "computed with 1 thread and precision 'highest' / 2 threads and precision 'medium' so far, from now on "
            "with 2 threads and precision 'medium': the last bits will differ.",
        ),
        ([DEFAULT], DEFAULT, "", ""),
        ([None], TWO, "", ""),
        ([], TWO, "", ""),
    ],
)
def test_a_line_says_how_runs_go_on(
    caplog: pytest.LogCaptureFixture, before: list[Arithmetic | None], now: Arithmetic, level: str, said: str
) -> None:
    caplog.set_level(logging.INFO)
    tell_arithmetic(before, now)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == ([(level, said)] if said else [])


def test_runs_that_record_nothing_do_not_count(recorded: Callable[..., Path], tmp_path: Path) -> None:
    """As runs of earlier versions, exact ones, and folders that are not there."""
    assert choose_arithmetic(None, None, [tmp_path / "none", recorded("old"), recorded("run", session(2, "medium"))])
    assert recorded_arithmetic(tmp_path / "none") is None
    (tmp_path / "old" / "manifest.json").write_text("[]")
    assert recorded_arithmetic(tmp_path / "old") is None
    exact = recorded("exact", {"first_epoch": 1, "git": None, "device": "cpu"})
    assert recorded_arithmetic(exact) is None


def test_a_manifest_that_counts_its_sessions_has_threads_and_precision_elsewhere(recorded: Callable[..., Path]) -> None:
    run = recorded("run", session(1))
    (run / "manifest.json").write_text(json.dumps({"sessions": 2, "arithmetic": [session(1), session(2, "medium")]}))
    assert recorded_arithmetic(run) == TWO


def test_runs_that_differ_need_a_word_of_the_user(recorded: Callable[..., Path]) -> None:
    runs = [recorded("one", session(1)), recorded("two", session(2))]
    words = "computed with 1 thread and precision 'highest' / 2 threads and precision 'highest'"
    with pytest.raises(InvalidArgumentError, match=f"{words}; say --threads and --precision"):
        choose_arithmetic(2, None, runs)
    assert choose_arithmetic(2, "highest", runs) == Arithmetic(threads=2)


@pytest.mark.parametrize(
    "damaged", [session("two"), session(0), session(2.5), session(2, "bf16"), session(2, ["high"]), {"threads": 1}]
)
def test_a_damaged_record_is_named(recorded: Callable[..., Path], damaged: Any) -> None:
    with pytest.raises(InvalidFileError, match=r"manifest\.json: its threads and precision cannot be used"):
        recorded_arithmetic(recorded("run", damaged))


def test_training_and_evaluation_record_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce_fake(monkeypatch)
    train = ["train", "fake", "maze-small", "--out", str(tmp_path)]
    run = tmp_path / "maze-small" / "fake" / "plain" / "seed0"

    def sessions() -> Any:
        found = json.loads((run / "manifest.json").read_text())["sessions"]
        return [{name: value for name, value in each.items() if name not in ("git", "device")} for each in found]

    assert main([*train, "--epochs", "2", "--threads", "2", "--precision", "medium"]) == 0
    assert sessions() == [session(2, "medium")]
    assert main([*train, "--resume", "--threads", "4"]) == 0
    assert sessions() == [session(2, "medium"), session(4, "medium") | {"first_epoch": 3}]
    for options, threads in (((), 4), (("--threads", "3"), 3)):
        assert main(["evaluate", str(run), *options]) == 0
        found = json.loads((run / "evaluation.json").read_text())
        assert found["arithmetic"] == {"threads": threads, "precision": "medium"}
