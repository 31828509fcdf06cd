"""Running one training step many times: eagerly on a CPU, as a replayed CUDA graph on a GPU."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from continuous.streams import SeedStreams

WARM_UP = 3  # eager steps before a capture, as CUDA libraries allocate on their first calls


class Repetition:
    """A step to be repeated: a closure over fixed tensors that returns nothing and never waits for the device.

    On a GPU its kernels are recorded once and replayed, which spares the host the launches; the random streams it draws
    from are registered with the recording, so that every replay draws anew. Steps made to warm up before the recording
    count: `run(n)` makes exactly n steps either way.

    Args:
        step: makes one step in place.
        streams: every stream that it draws from.
        device: where its tensors are.
        capture: whether to record on a GPU; a CPU always runs eagerly.
    """

    def __init__(
        self,
        step: Callable[[], None],
        streams: Sequence[SeedStreams],
        device: torch.device | str,
        *,
        capture: bool = True,
    ) -> None:
        self._step = step
        self._streams = streams
        self._captures = capture and torch.device(device).type == "cuda"
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, steps: int) -> None:
        """Makes `steps` steps."""
        if not self._captures:
            for _ in range(steps):
                self._step()
            return
        warm_up = min(steps, max(0, WARM_UP - self._eager_steps))
        self._run_on_side_stream(warm_up)
        for _ in range(steps - warm_up):
            self._graph = self._graph or self._record()
            self._graph.replay()

    def _run_on_side_stream(self, steps: int) -> None:
        if steps == 0:
            return
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(steps):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self._eager_steps += steps

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for streams in self._streams:
            for generator in streams.generators:
                graph.register_generator_state(generator)
        with _no_collection(), torch.cuda.graph(graph):
            self._step()
        return graph


@contextmanager
def _no_collection() -> Iterator[None]:
    """Inside, garbage is not collected, as freeing what was recorded earlier would end the recording; it is before."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
