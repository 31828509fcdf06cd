"""Evaluations beside the training: the same records with any number of workers, in the order of the epochs."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, cast

import pytest

from ampl.errors import DivergedError, InvalidArgumentError, LostWorkerError
from ampl.evaluation_queue import EvaluationQueue, choose_workers
from ampl.interfaces import Metrics
from ampl.runs.recorder import Recorder
from ampl.scale import Scale
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.runs.interruption import kill_after_checkpoint
from tests.ampl.test_training_driver import directory, recorded_bytes, run

SCALE = Scale(evaluation_period=3, certificate_period=6)


def algorithm(**options: Any) -> FakeAlgorithm:
    return FakeAlgorithm([0, 1], certified=True, **options)


class Late(FakeAlgorithm):
    """Evaluations of even epochs take longer than the training."""

    def evaluations(self, request: Any) -> Any:
        return [_Slow(one, 0.03 * (request.epoch % 2 == 0)) for one in super().evaluations(request)]


class _Slow:
    def __init__(self, evaluation: Any, seconds: float) -> None:
        self.evaluation, self.seconds = evaluation, seconds

    def __call__(self) -> Metrics:
        time.sleep(self.seconds)
        return cast(Metrics, self.evaluation())


class Killed:
    def __call__(self) -> Metrics:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def test_workers_change_no_byte_of_the_records(tmp_path: Path) -> None:
    run(tmp_path / "here", 20, algorithm(), scale=SCALE)
    results = run(tmp_path / "beside", 20, Late([0, 1], certified=True), scale=SCALE, evaluation_workers=2)
    assert all(result.result.epochs == 20 for result in results)
    for seed in (0, 1):
        assert recorded_bytes(tmp_path / "here", 20, seed) == recorded_bytes(tmp_path / "beside", 20, seed)


def test_the_last_progress_is_of_the_last_epoch_though_its_evaluation_came_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Sequence[Metrics]] = []

    def headline(metrics: Sequence[Metrics], _: float) -> str:
        shown.append([dict(one) for one in metrics])
        return ""

    monkeypatch.setattr("ampl.training.headline", headline)
    results = run(tmp_path, 4, Late([0, 1], certified=True), scale=SCALE, evaluation_workers=1)
    assert len(shown) == 4
    assert shown[-1] == [result.result.metrics for result in results]


class Recording:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Any]] = []

    def record_epoch(self, epoch: int, improvement: Any, evaluation: Any) -> list[Metrics]:
        self.rows.append((epoch, evaluation))
        return [{"evaluation/epoch": float(epoch)}]

    @property
    def epochs(self) -> list[int]:
        return [epoch for epoch, _ in self.rows]


class Held:
    """An executor whose tasks end when they are told to."""

    def __init__(self) -> None:
        self.futures: list[Future[Metrics]] = []

    def submit(self, evaluation: Any) -> Future[Metrics]:
        self.futures.append(Future())
        return self.futures[-1]

    def end(self, *indices: int) -> None:
        for index in indices:
            self.futures[index].set_result({"evaluation/x": float(index)})


def queue() -> tuple[EvaluationQueue, Recording, Held]:
    recording, held = Recording(), Held()
    return EvaluationQueue(cast(Recorder, recording), cast(Executor, held)), recording, held


def test_rows_are_recorded_in_the_order_of_epochs_as_soon_as_they_are_complete() -> None:
    rows, recording, held = queue()
    evaluation: Sequence[Any] = [dict]
    rows.add(1, [{}], None)
    rows.add(2, [{}], evaluation)
    rows.add(3, [{}], None)
    rows.add(4, [{}], evaluation)
    assert recording.epochs == [1]
    held.end(1)  # epoch 4's is ready before epoch 2's
    rows.add(5, [{}], None)
    assert recording.epochs == [1]
    held.end(0)
    rows.add(6, [{}], None)
    assert recording.epochs == [1, 2, 3, 4, 5, 6]
    assert recording.rows[1] == (2, [{"evaluation/x": 0.0}])
    assert recording.rows[2] == (3, None)
    assert rows.newest == [{"evaluation/epoch": 6.0}]


def test_the_end_waits_for_every_evaluation_and_so_does_training_that_is_far_ahead() -> None:
    rows, recording, held = queue()
    for epoch in range(1, 11):
        rows.add(epoch, [{}], [dict])
    assert recording.epochs == []
    threading.Timer(0.05, lambda: held.end(0)).start()
    rows.add(11, [{}], [dict])  # eleven would be too many
    assert recording.epochs == [1]
    threading.Timer(0.05, lambda: held.end(*range(1, 11))).start()
    rows.record_all()
    assert recording.epochs == list(range(1, 12))


def test_a_seed_that_diverges_stops_where_it_does_without_workers(tmp_path: Path) -> None:
    for name, workers in (("here", 0), ("beside", 1)):
        run(tmp_path / name, 8, algorithm(diverging={0: 5}), scale=SCALE, evaluation_workers=workers)
    for seed, epoch in ((0, 4), (1, 8)):
        assert recorded_bytes(tmp_path / "here", epoch, seed) == recorded_bytes(tmp_path / "beside", epoch, seed)
    paths = [directory(tmp_path / name, 0) for name in ("here", "beside")]
    assert (paths[0] / "result.json").read_bytes() == (paths[1] / "result.json").read_bytes()
    weights = [sorted(file.name for file in (path / "weights").iterdir()) for path in paths]
    assert weights[0] == weights[1]


class Broken(FakeAlgorithm):
    """Its evaluation after epoch 3 is not a number."""

    def evaluations(self, request: Any) -> Any:
        if request.epoch < 3:
            return super().evaluations(request)
        return [_Constant(float("nan")) for _ in self.seeds]


class _Constant:
    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self) -> Metrics:
        return {"evaluation/return_raw": self.value}


def test_an_evaluation_that_is_not_finite_stops_its_seed_at_its_epoch(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"'evaluation/return_raw' of seed 0 is nan in epoch 3"):
        run(tmp_path, 9, Broken([0]), evaluation_workers=1)
    assert len((directory(tmp_path) / "metrics.csv").read_text().splitlines()) == 1 + 2


def test_a_killed_worker_is_named(tmp_path: Path) -> None:
    class Killing(FakeAlgorithm):
        def evaluations(self, request: Any) -> Any:
            return [Killed()]

    with pytest.raises(LostWorkerError):
        run(tmp_path, 3, Killing(), evaluation_workers=1)


def test_a_killed_run_with_workers_continues_bit_for_bit(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.ampl.test_evaluation_queue import SCALE, algorithm\n"
        "from ampl.training import train\n"
        "if __name__ == '__main__':\n"
        "    train(algorithm(seconds_an_epoch=0.2), task='walk', variant='plain', epochs=1000, scale=SCALE,"
        " out=Path(sys.argv[1]), checkpoint_seconds=0.0, evaluation_workers=1)"
    )
    (tmp_path / "train.py").write_text(code)
    command = [sys.executable, str(tmp_path / "train.py"), str(tmp_path / "killed")]
    epochs = 15 + kill_after_checkpoint(command, run=directory(tmp_path / "killed"), epoch=7)
    run(tmp_path / "killed", epochs, algorithm(), scale=SCALE, resume=True, checkpoint_seconds=1e6)
    run(tmp_path / "whole", epochs, algorithm(), scale=SCALE, checkpoint_seconds=1e6)
    for seed in (0, 1):
        assert recorded_bytes(tmp_path / "killed", epochs, seed) == recorded_bytes(tmp_path / "whole", epochs, seed)


def test_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ampl.evaluation_queue.available_cores", lambda: 4)
    cpu, gpu, exact = algorithm(), FakeAlgorithm(range(10)), algorithm()
    gpu.device, exact.evaluates_exactly = "NVIDIA H100", True
    assert [choose_workers(None, each) for each in (cpu, gpu, exact)] == [0, 3, 0]
    assert [choose_workers(count, cpu) for count in (0, 2, 9)] == [0, 2, 4]
    with pytest.raises(InvalidArgumentError, match="--eval-workers is -1"):
        choose_workers(-1, cpu)
    with pytest.raises(InvalidArgumentError, match="--eval-workers is given; exact"):
        choose_workers(1, exact)
