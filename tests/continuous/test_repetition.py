"""Repeating a step: as many as asked for; on a GPU the recorded steps equal the eager ones."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from continuous.repetition import Repetition
from continuous.streams import SeedStreams


def walk(device: str, *, capture: bool) -> torch.Tensor:
    streams = SeedStreams([0, 1], "walk", device)
    total = torch.zeros(2, 5, device=device)

    def step() -> None:
        total.mul_(0.5).add_(streams.normal(5))

    repetition = Repetition(step, [streams], device, capture=capture)
    for steps in (1, 7, 0, 4):
        repetition.run(steps)
    return total


def test_it_makes_as_many_steps_as_asked_for() -> None:
    streams = SeedStreams([0, 1], "walk")
    expected = torch.zeros(2, 5)
    for _ in range(12):
        expected = 0.5 * expected + streams.normal(5)
    torch.testing.assert_close(walk("cpu", capture=True), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_steps_draw_and_compute_what_eager_ones_do() -> None:
    torch.testing.assert_close(walk("cuda", capture=True), walk("cuda", capture=False))


class Recorded:
    """What is between a recording's begin and end, and whether garbage could be collected meanwhile."""

    collections: list[bool]

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.collections = []
        self.collected_before = 0
        stream = SimpleNamespace(wait_stream=lambda other: None)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda side: nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
        monkeypatch.setattr(torch.cuda, "graph", self.record)
        monkeypatch.setattr(gc, "collect", self.collect)

    def collect(self) -> int:
        self.collected_before += 1
        return 0

    @contextmanager
    def record(self, graph: object) -> Iterator[None]:
        self.collections.append(gc.isenabled())
        yield
        self.collections.append(gc.isenabled())


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_before_a_recording_and_never_during_it(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, before = Recorded(monkeypatch), gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        Repetition(lambda: None, [], "cuda").run(6)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert recorded.collections == [False, False]  # recorded once
    assert recorded.collected_before == 1


def test_garbage_is_collected_again_after_a_recording_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, steps = Recorded(monkeypatch), iter(range(3))
    with pytest.raises(StopIteration):  # the fourth step, which is the first recorded one
        Repetition(lambda: next(steps) and None, [], "cuda").run(6)
    assert recorded.collections == [False]
    assert gc.isenabled()
