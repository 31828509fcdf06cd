"""Work in processes: results in order whatever the number of processes, one thread each, nothing left behind."""

import logging
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ampl import processes
from ampl.errors import LostWorkerError
from ampl.processes import available_cores, limit_spinning, map_in_processes, worker_pool


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


def sleep_long(folder: Path) -> None:
    """Says which process it is in, and stays for much longer than a test."""
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def end_process(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def block_mask(_: int) -> set[int]:
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def sleeping_workers(folder: Path, count: int, seconds: float = 60.0) -> list[int]:
    """The processes that are in `sleep_long`, once there are so many."""
    deadline = time.monotonic() + seconds
    while len(found := [int(path.name) for path in folder.iterdir()]) < count:
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.01)
    return found


def wait_for_end(process: int, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"process {process} is left behind"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: int) -> None:
    program = f"""if __name__ == "__main__":
        from pathlib import Path
        from ampl.processes import map_in_processes
        from tests.ampl.test_processes import sleep_long
        list(map_in_processes(sleep_long, [Path({str(tmp_path)!r})] * 3, 2))"""
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL
    )
    try:
        workers = sleeping_workers(tmp_path, 2)
    finally:
        parent.send_signal(number)
        parent.wait()
    for worker in workers:
        wait_for_end(worker)


def test_an_exception_ends_workers_in_the_middle_of_their_tasks(tmp_path: Path) -> None:
    workers: list[int] = []

    def work() -> None:
        with worker_pool(2) as pool:
            assert pool is not None
            for _ in range(2):
                pool.submit(sleep_long, tmp_path)
            workers.extend(sleeping_workers(tmp_path, 2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    for worker in workers:
        wait_for_end(worker)


def test_a_lost_worker_is_one_clear_error() -> None:
    with pytest.raises(LostWorkerError, match="killed, or out of memory"):
        list(map_in_processes(end_process, range(4), 2))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system cannot hold signals back")
def test_workers_leave_signals_to_their_parent() -> None:
    before = block_mask(0)
    for mask in map_in_processes(block_mask, range(2), 2):
        assert {signal.SIGINT, signal.SIGTERM} <= mask
    assert block_mask(0) == before


def test_without_shared_memory_all_is_done_in_one_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where /dev/shm is read-only: the semaphores of a pool cannot be made."""

    def refused(*arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refused)
    caplog.set_level(logging.WARNING)
    assert list(map_in_processes(square, range(4), 2)) == [0, 1, 4, 9]
    assert [record.getMessage() for record in caplog.records] == [
        "worker processes cannot be had here ([Errno 30] Read-only file system): all is done in one process."
    ]


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
