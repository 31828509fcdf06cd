"""Work in processes: results in order whatever the number of processes, one thread each, nothing left behind."""

import math
import os
from pathlib import Path

import pytest

from ampl import processes
from ampl.errors import InvalidArgumentError
from ampl.processes import available_cores, choose_threads, free_cores, limit_spinning, map_in_processes


def square(number: int) -> int:
    return number * number


def threads(_: int) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    assert list(map_in_processes(square, range(7), workers)) == [0, 1, 4, 9, 16, 25, 36]


def test_children_use_one_thread_and_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert list(map_in_processes(threads, range(2), 2)) == ["1", "1"]
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_there_is_at_least_one_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("text", "cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("max 100000", math.inf), ("", math.inf)],
)
def test_a_control_groups_quota_counts_in_whole_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: float
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(processes, "_QUOTA_FILE", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert available_cores() == min(cores, 64)


@pytest.mark.parametrize(("load", "free"), [(0.2, 8), (2.6, 5), (30.0, 1)])
def test_cores_that_others_keep_busy_are_not_free(monkeypatch: pytest.MonkeyPatch, load: float, free: int) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    assert free_cores() == choose_threads(None) == free
    assert choose_threads(3) == 3


def test_what_the_user_says_about_waiting_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.parametrize("count", [0, 1025, 10**14])
def test_numbers_of_threads_that_crash_the_libraries_are_refused(count: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"--threads is {count}; expected 1 to 1024"):
        choose_threads(count)
