"""Trainings in threads of one process: each is as alone, the last puts shared settings back, a signal stops all."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from ampl.arithmetic import Arithmetic
from ampl.errors import InvalidArgumentError
from ampl.interfaces import Algorithm
from ampl.interruption import Interruption, saving_first, stop_requested
from ampl.progress import progress
from ampl.training import train
from continuous.networks.arithmetic import fast_arithmetic
from tests.ampl.runs.interruption import run_bytes
from tests.continuous.algorithms.small_ampl import small_ampl
from tests.continuous.algorithms.small_model_based import small_mopo

EPOCHS = 2
MAKERS: list[Callable[[], Algorithm]] = [small_mopo, lambda: small_ampl((2,), "nw")]


def trained(algorithm: Any, out: Path) -> list[list[bytes]]:
    results = train(algorithm, task="line", variant="main", epochs=EPOCHS, out=out)
    return [run_bytes(result.path, EPOCHS) for result in results]


def settings() -> tuple[int, str]:
    return torch.get_num_threads(), torch.get_float32_matmul_precision()


def test_each_gives_the_bytes_that_it_gives_alone(tmp_path: Path) -> None:
    before = settings()
    alone = [trained(make(), tmp_path / "alone" / str(index)) for index, make in enumerate(MAKERS)]
    epoch = threading.Barrier(len(MAKERS), timeout=60)

    def beside(index: int) -> list[list[bytes]]:
        algorithm: Any = MAKERS[index]()
        improve = algorithm.improve_policy

        def together(number: int) -> Any:
            epoch.wait()
            return improve(number)

        algorithm.improve_policy = together
        return trained(algorithm, tmp_path / "together" / str(index))

    with ThreadPoolExecutor(len(MAKERS)) as pool:
        together = list(pool.map(beside, range(len(MAKERS))))
    assert together == alone
    assert settings() == before


def in_a_thread(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_who_leaves_first_changes_nothing_for_who_is_still_inside() -> None:
    before, chosen = settings(), Arithmetic(threads=3, precision="medium")
    first, second = ExitStack(), ExitStack()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        one.submit(first.enter_context, fast_arithmetic(chosen)).result()
        two.submit(second.enter_context, fast_arithmetic(chosen)).result()
        one.submit(first.close).result()
        assert two.submit(settings).result() == (3, "medium")
        two.submit(second.close).result()
    assert settings() == before


def test_threads_that_need_different_settings_are_refused_and_change_nothing() -> None:
    def other() -> None:
        with fast_arithmetic(Arithmetic(precision="medium")):
            raise AssertionError("it must not come so far")

    before = settings()
    with fast_arithmetic():
        with pytest.raises(InvalidArgumentError, match="--precision is medium, and highest for another training"):
            in_a_thread(other)
        assert settings() == (1, "highest")
        with fast_arithmetic(Arithmetic(threads=2)):  # its own thread may, and gets back what it had
            assert settings() == (2, "highest")
        assert settings() == (1, "highest")
    assert settings() == before


def test_one_signal_stops_all() -> None:
    stopped = [threading.Event(), threading.Event()]

    def work(index: int) -> None:
        with saving_first():
            while not stop_requested():
                pass
            assert index == 0 or stopped[0].wait(10)  # the second one looks after the first has ended
            assert stop_requested()

    def run(index: int) -> None:
        try:
            work(index)
        finally:
            stopped[index].set()

    def all_of_them() -> None:
        with saving_first(), ThreadPoolExecutor(2) as pool:
            both = [pool.submit(run, index) for index in range(2)]
            signal.raise_signal(signal.SIGTERM)
            assert all(isinstance(one.exception(10), Interruption) for one in both)

    with pytest.raises(Interruption):
        all_of_them()
    assert not stop_requested()


def test_only_the_main_thread_draws_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def work() -> None:
        with progress("work", 1) as bar:
            bar.advance()

    written = []
    for run in (work, lambda: in_a_thread(work)):
        monkeypatch.setattr(sys, "stderr", terminal := Terminal())
        run()
        written.append(terminal.getvalue())
    assert written[0]
    assert not written[1]  # it was too short for a line
