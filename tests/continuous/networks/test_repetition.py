"""Repeating a step: as many as asked for; on a GPU recorded steps equal eager ones, also where a recording fails."""

import gc
import logging
import threading
import time
from collections.abc import Callable

import pytest
import torch

from ampl.step_recording import step_recording
from continuous.networks import repetition
from continuous.networks.repetition import WARM_UP, Repetition
from continuous.networks.streams import SeedStreams
from tests.continuous.networks.fake_gpu import FakeGPU, fake_streams

COUNTS = (1, 7, 0, 4, 125, 23)


@pytest.fixture(autouse=True)
def _warnings_anew() -> None:
    repetition._warn_once.cache_clear()
    repetition._of_thread.__dict__.clear()  # streams of an earlier fake GPU


def walk(device: str, *, capture: bool) -> torch.Tensor:
    streams = SeedStreams([0, 1], "walk", device)
    total = torch.zeros(2, 5, device=device)

    def step() -> None:
        total.mul_(0.5).add_(streams.normal(5))

    repeated = Repetition(step, [streams], device, capture=capture)
    for steps in COUNTS:
        repeated.run(steps)
    return total


def test_it_makes_as_many_steps_as_asked_for() -> None:
    streams = SeedStreams([0, 1], "walk")
    expected = torch.zeros(2, 5)
    for _ in range(sum(COUNTS)):
        expected = 0.5 * expected + streams.normal(5)
    torch.testing.assert_close(walk("cpu", capture=True), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_steps_draw_and_compute_what_eager_ones_do() -> None:
    torch.testing.assert_close(walk("cuda", capture=True), walk("cuda", capture=False))


class Drawn:
    """A step that draws a number of either seed, on the fake GPU."""

    def __init__(self, gpu: FakeGPU) -> None:
        self.numbers: list[tuple[int, int]] = []
        self.streams = fake_streams(100, 200)
        self._gpu = gpu

    def step(self) -> None:
        first, second = self.streams.generators
        self._gpu.do(lambda: self.numbers.append((first.draw(), second.draw())))  # type: ignore[attr-defined]


def expected(count: int) -> list[tuple[int, int]]:
    return [(100 + number, 200 + number) for number in range(1, count + 1)]


def test_ten_steps_are_replayed_at_once_and_the_rest_singly(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch)
    drawn = Drawn(gpu)
    repeated = Repetition(drawn.step, [drawn.streams], "cuda")
    for done, count in enumerate(COUNTS):
        repeated.run(count)
        assert drawn.numbers == expected(sum(COUNTS[: done + 1]))
    assert [len(made["graph"].actions) for made in gpu.recordings] == [1, 10]  # made when first needed, once each
    assert all(made["graph"].generators == list(drawn.streams.generators) for made in gpu.recordings)
    assert len(gpu.launched) == repetition.WARM_UP
    assert gpu.current == "default"


def test_recordings_have_a_stream_beside_that_of_the_work_warmed_up_and_mind_their_own_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = FakeGPU(monkeypatch)
    for _ in range(2):
        drawn = Drawn(gpu)
        Repetition(drawn.step, [drawn.streams], "cuda").run(20)
    streams = [made["stream"] for made in gpu.recordings]
    assert streams == [streams[0]] * 4
    assert streams[0] != "default"
    assert gpu.launched == [streams[0]] * 6
    assert {made["mode"] for made in gpu.recordings} == {"thread_local"}


def test_where_a_recording_fails_all_steps_are_made_eagerly_with_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu = FakeGPU(monkeypatch, refuses=True)
    drawn = Drawn(gpu)
    repeated = Repetition(drawn.step, [drawn.streams], "cuda")
    with caplog.at_level(logging.WARNING):
        for done, count in enumerate(COUNTS):
            repeated.run(count)
            assert drawn.numbers == expected(sum(COUNTS[: done + 1]))
    assert len(gpu.recordings) == gpu.synchronized == 1  # it is not tried again
    assert gpu.launched[repetition.WARM_UP :] == ["default"] * (sum(COUNTS) - repetition.WARM_UP)
    assert gpu.current == "default"
    (message,) = caplog.messages
    assert "slower: operation not permitted when stream is capturing" in message


def test_the_second_recording_may_fail_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch)
    drawn = Drawn(gpu)
    repeated = Repetition(drawn.step, [drawn.streams], "cuda")
    repeated.run(13)
    gpu.refuses = True
    repeated.run(25)
    assert drawn.numbers == expected(38)
    assert [len(made["graph"].actions) for made in gpu.recordings] == [10, 1]


def test_several_failures_of_one_kind_are_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu = FakeGPU(monkeypatch, refuses=True)
    for _ in range(3):
        drawn = Drawn(gpu)
        Repetition(drawn.step, [drawn.streams], "cuda").run(5)
        assert drawn.numbers == expected(5)
    assert len(caplog.messages) == 1


def test_a_mistake_in_the_step_is_no_failed_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGPU(monkeypatch)
    steps = iter(range(3))
    with pytest.raises(StopIteration):  # the fourth step, which is the first recorded one
        Repetition(lambda: next(steps) and None, [], "cuda").run(6)


def test_nothing_is_recorded_where_it_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch)
    drawn = Drawn(gpu)
    with step_recording(False):
        never = Repetition(drawn.step, [drawn.streams], "cuda")
        with step_recording(True):
            always = Repetition(drawn.step, [drawn.streams], "cuda")
    never.run(30)
    assert gpu.recordings == []
    always.run(30)
    assert len(gpu.recordings) == 2
    assert drawn.numbers == expected(60)
    drawn = Drawn(gpu)
    Repetition(drawn.step, [drawn.streams], "cuda").run(30)
    assert len(gpu.recordings) == 4


def test_one_recording_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch)
    inside, others_turn = threading.Event(), threading.Event()

    def holds() -> None:
        inside.set()
        others_turn.wait(0.05)  # long enough for the other thread to come in, were it let

    def comes() -> None:
        inside.wait()
        Repetition(lambda: None, [], "cuda").run(4)

    _side_by_side(lambda: Repetition(_from_the_fourth_on(holds), [], "cuda").run(4), comes)
    assert len(gpu.recordings) == 2
    assert gpu.most_at_once == 1


def test_no_thread_warms_up_while_another_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's first call may compile, which waits for the whole device and would end the other thread's recording."""
    gpu = FakeGPU(monkeypatch)
    inside = threading.Event()
    recording_meanwhile: list[bool] = []

    def holds() -> None:
        inside.set()
        time.sleep(0.05)  # long enough for the other thread to come in, were it let

    def comes() -> None:
        inside.wait()
        Repetition(lambda: recording_meanwhile.append(gpu.is_recording), [], "cuda").run(repetition.WARM_UP)

    _side_by_side(lambda: Repetition(_from_the_fourth_on(holds), [], "cuda").run(4), comes)
    assert recording_meanwhile == [False] * repetition.WARM_UP


def _side_by_side(*actions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _from_the_fourth_on(action: Callable[[], None]) -> Callable[[], None]:
    calls = iter(range(100))
    return lambda: action() if next(calls) >= repetition.WARM_UP else None


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_before_a_recording_and_never_during_it(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, before = FakeGPU(monkeypatch), gc.isenabled()
    during: list[bool] = []
    (gc.enable if enabled else gc.disable)()
    try:
        Repetition(_from_the_fourth_on(lambda: during.append(gc.isenabled())), [], "cuda").run(4)
        assert gc.isenabled() == enabled
        gpu.refuses = True
        Repetition(lambda: None, [], "cuda").run(4)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert during == [False]
    assert [made["collects"] for made in gpu.recordings] == [False, False]
    assert gpu.collections == 2


def test_a_thread_records_on_one_stream_and_another_thread_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGPU(monkeypatch)

    def record(times: int) -> None:
        for _ in range(times):
            Repetition(lambda: gpu.do(lambda: None), [], "cuda").run(WARM_UP + 1)

    record(40)  # more than PyTorch has streams
    there = threading.Thread(target=record, args=(2,))
    there.start()
    there.join()
    streams = [recording["stream"] for recording in gpu.recordings]
    assert len(set(streams[:40])) == 1
    assert len(set(streams[40:])) == 1
    assert streams[0] != streams[40]
