"""Work in processes: results in order whatever the number of processes, one thread each, nothing left behind."""

import os

import pytest

from ampl.processes import available_cores, map_in_processes


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
