"""Running one training step many times: eagerly on a CPU, as replayed CUDA graphs on a GPU."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import torch

from ampl.step_recording import step_recording_allowed
from continuous.networks.streams import SeedStreams

logger = logging.getLogger(__name__)

WARM_UP = 3  # eager steps before a recording, as CUDA libraries allocate on their first calls
TOGETHER = 10  # steps in a recording, so that a replay's own cost counts little; a second one holds a single step

_one_at_a_time = threading.Lock()  # a recording waits for the whole device, as compilers do in warm-up; none may meet
_of_thread = threading.local()


class Repetition:
    """A step to be repeated: a closure over fixed tensors that returns nothing and never waits for the device.

    On a GPU its kernels are recorded once and replayed, which spares the host the launches; the random streams it draws
    from are registered with the recording, so that every replay draws anew. Steps made to warm up before the recording
    count: `run(n)` makes exactly n steps either way. Where the GPU refuses a recording, a warning says so once and all
    steps are made eagerly.

    Args:
        step: makes one step in place.
        streams: every stream that it draws from.
        device: where its tensors are.
        capture: whether to record on a GPU, where `ampl.step_recording` allows it; a CPU always runs eagerly.
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
        self._generators = [generator for stream in streams for generator in stream.generators]
        self._records = capture and step_recording_allowed() and torch.device(device).type == "cuda"
        self._warm_up = WARM_UP if self._records else 0  # steps that are still to be made
        self._stream = _recording_stream() if self._records else None
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}  # by how many steps each holds

    def run(self, steps: int) -> None:
        """Makes `steps` steps."""
        warm_up = min(steps, self._warm_up)
        if warm_up:
            self._run_beside(warm_up)
        left = steps - warm_up
        for size in (TOGETHER, 1):
            while left >= size and (graph := self._graph(size)):
                graph.replay()
                left -= size
        for _ in range(left):
            self._step()

    def _run_beside(self, steps: int) -> None:
        """Eager steps on the stream that will be recorded on, whose libraries they make ready."""
        before = torch.cuda.current_stream()
        self._stream.wait_stream(before)  # type: ignore[union-attr]
        with _one_at_a_time, torch.cuda.stream(self._stream):
            for _ in range(steps):
                self._step()
        before.wait_stream(self._stream)  # type: ignore[arg-type]
        self._warm_up -= steps

    def _graph(self, size: int) -> torch.cuda.CUDAGraph | None:
        """The recording of so many steps, made when it is first needed; None where there is none."""
        if self._records and size not in self._graphs:
            before = [generator.clone_state() for generator in self._generators]
            try:
                with torch.cuda.stream(torch.cuda.current_stream()):  # put back if the recording does not end properly
                    self._graphs[size] = self._record(size)
            except RuntimeError as error:
                self._give_up(error, before)
        return self._graphs.get(size)

    def _record(self, size: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        with (
            _one_at_a_time,
            _no_collection(),
            torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"),
        ):
            for _ in range(size):
                self._step()
        return graph

    def _give_up(self, error: RuntimeError, before: Sequence[torch.Generator]) -> None:
        """Eager steps from now on. Nothing of a failed recording was executed, but its generators refuse to draw."""
        _warn_once(" ".join(str(error).split()))
        self._records = False
        self._graphs.clear()
        torch.cuda.synchronize()
        for generator, state in zip(self._generators, before, strict=True):
            generator.graphsafe_set_state(state)


def _recording_stream() -> torch.cuda.Stream:
    """The stream that this thread records on.

    PyTorch gives out 32 streams in turn. One for each recording would soon be another thread's too, whose work would
    then be taken into the recording instead of being done.
    """
    if not hasattr(_of_thread, "stream"):
        _of_thread.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream: torch.cuda.Stream = _of_thread.stream
    return stream


@cache
def _warn_once(reason: str) -> None:
    logger.warning("steps cannot be recorded on this GPU and are made one by one, which is slower: %s", reason)


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
