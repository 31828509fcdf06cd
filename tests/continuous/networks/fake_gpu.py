"""What recording needs of a GPU: streams, graphs that hold what was done, generators that a failed capture spoils."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from continuous.networks.streams import SeedStreams


class FakeGenerator:
    """Draws 1, 2, 3, ... more than its start, and nothing after a capture that failed, until it gets a new state."""

    device = torch.device("cuda")

    def __init__(self, start: int) -> None:
        self.cell = {"next": start, "spoilt": False}

    def draw(self) -> int:
        if self.cell["spoilt"]:
            raise RuntimeError("the generator is being captured")
        self.cell["next"] += 1
        return int(self.cell["next"])

    def clone_state(self) -> FakeGenerator:
        clone = FakeGenerator(0)
        clone.cell = dict(self.cell)
        return clone

    def graphsafe_set_state(self, other: FakeGenerator) -> None:
        self.cell = other.cell


class FakeGraph:
    """What was done while it was recorded, to be done again."""

    def __init__(self) -> None:
        self.actions: list[Callable[[], None]] = []
        self.generators: list[FakeGenerator] = []

    def register_generator_state(self, generator: FakeGenerator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        for action in self.actions:
            action()


class FakeGPU:
    """Stands in for `torch.cuda`; `do` is a kernel launch.

    Attributes:
        refuses: recordings fail at their end, as they do when something in them waited for the host.
        recordings: of each: whether garbage could be collected meanwhile, the stream, the error mode and the graph.
        current: the stream that work is launched on.
        launched: on which stream each action was launched that no graph made.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.recordings: list[dict[str, Any]] = []
        self.current: object = "default"
        self.launched: list[object] = []
        self.collections = self.synchronized = self.most_at_once = self._at_once = 0
        self._graph: FakeGraph | None = None
        for name, stand_in in (
            ("Stream", FakeStream),
            ("current_stream", lambda: FakeStream.of(self.current)),
            ("stream", self._on),
            ("CUDAGraph", FakeGraph),
            ("graph", self._record),
            ("synchronize", self._synchronize),
        ):
            monkeypatch.setattr(torch.cuda, name, stand_in)
        monkeypatch.setattr(gc, "collect", self._collect)

    @property
    def is_recording(self) -> bool:
        return self._graph is not None

    def do(self, action: Callable[[], None]) -> None:
        if self._graph is not None:
            self._graph.actions.append(action)
            return
        self.launched.append(self.current)
        action()

    @contextmanager
    def _on(self, stream: FakeStream) -> Iterator[None]:
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def _record(self, graph: FakeGraph, *, stream: FakeStream, capture_error_mode: str) -> Iterator[None]:
        """As torch.cuda.graph: where the end of a capture fails, the recording's stream stays the current one."""
        before, self.current, self._graph = self.current, stream.name, graph
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.recordings.append(
            {"collects": gc.isenabled(), "stream": stream.name, "mode": capture_error_mode, "graph": graph}
        )
        try:
            yield
        finally:
            self._graph = None
            self._at_once -= 1
            if self.refuses:
                for generator in graph.generators:
                    generator.cell["spoilt"] = True
                raise RuntimeError("operation not permitted\nwhen stream is capturing")
        self.current = before

    def _synchronize(self) -> None:
        self.synchronized += 1

    def _collect(self) -> int:
        self.collections += 1
        return 0


class FakeStream:
    """A stream is its name."""

    made = 0

    def __init__(self) -> None:
        FakeStream.made += 1
        self.name: object = FakeStream.made

    @classmethod
    def of(cls, name: object) -> FakeStream:
        stream = cls.__new__(cls)
        stream.name = name
        return stream

    def wait_stream(self, other: FakeStream) -> None:
        pass


def fake_streams(*starts: int) -> SeedStreams:
    """One fake generator a seed."""
    streams = SeedStreams([0], "replaced")
    streams.device, streams.generators = FakeGenerator.device, tuple(FakeGenerator(start) for start in starts)  # type: ignore[assignment]
    return streams
