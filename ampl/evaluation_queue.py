"""Rows of metrics that wait for their evaluations, which workers make while training goes on.

Rows are recorded in the order of their epochs, as soon as theirs and all before them are complete. Evaluations are
copies of what they measure, so a run records the same bytes with any number of workers, none included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.interfaces import Algorithm, Evaluation, Metrics
from ampl.processes import available_cores, worker_pool
from ampl.runs.recorder import Recorder

_MOST_WAITING = 10  # epochs whose evaluations are not recorded yet; each keeps a copy of all policies


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row to come: what the epoch's updates report, and its evaluations; None: it has none."""

    epoch: int
    improvement: Sequence[Metrics]
    evaluations: Sequence[Future[Metrics]] | None

    @property
    def is_complete(self) -> bool:
        return self.evaluations is None or all(evaluation.done() for evaluation in self.evaluations)


class EvaluationQueue:
    """The rows that are not recorded yet.

    Args:
        recorder: of the run.
        workers: make the evaluations; None: they are made at once, in this process.

    Attributes:
        newest: the newest value of every recorded metric, for each seed that is still running.
    """

    def __init__(self, recorder: Recorder, workers: Executor | None) -> None:
        self.newest: list[Metrics] = []
        self._recorder = recorder
        self._submit = _make_here if workers is None else workers.submit
        self._rows: deque[_Row] = deque()

    def add(self, epoch: int, improvement: Sequence[Metrics], evaluations: Sequence[Evaluation] | None) -> None:
        """Takes the next epoch, and records every row that is complete.

        Raises:
            DivergedError: every seed has stopped.
            LostWorkerError: a worker was killed.
        """
        futures = None if evaluations is None else [self._submit(evaluation) for evaluation in evaluations]
        self._rows.append(_Row(epoch=epoch, improvement=improvement, evaluations=futures))
        while self._rows and (self._rows[0].is_complete or self._waiting > _MOST_WAITING):
            self._record_first()

    def record_all(self) -> None:
        """Waits for every evaluation, and records its row; raises like `add`."""
        while self._rows:
            self._record_first()

    @property
    def _waiting(self) -> int:
        return sum(row.evaluations is not None for row in self._rows)

    def _record_first(self) -> None:
        row = self._rows.popleft()
        measured = None if row.evaluations is None else [evaluation.result() for evaluation in row.evaluations]
        self.newest = self._recorder.record_epoch(row.epoch, row.improvement, measured)


@contextmanager
def evaluation_queue(recorder: Recorder, workers: int) -> Iterator[EvaluationQueue]:
    """A queue with so many worker processes, >= 0; they end with the `with` statement."""
    if workers == 0:
        yield EvaluationQueue(recorder, None)
        return
    with worker_pool(workers) as pool:
        yield EvaluationQueue(recorder, pool)


def choose_workers(requested: int | None, algorithm: Algorithm) -> int:
    """As many workers as requested, at most one a core; if None, none on a CPU, and on a GPU one for each seed.

    Raises:
        InvalidArgumentError: fewer than none, or any for an algorithm whose evaluation is exact.
    """
    cores = available_cores()
    if requested is None:
        idle = algorithm.evaluates_exactly or algorithm.device == "cpu"
        return 0 if idle else max(1, min(len(algorithm.seeds), cores - 1))
    check_at_least("--eval-workers", requested, 0, "0 evaluates in the training's own process.")
    if algorithm.evaluates_exactly:
        raise InvalidArgumentError("--eval-workers is given; exact evaluations need none. Leave it out.")
    return min(requested, cores)


def _make_here(evaluation: Callable[[], Metrics]) -> Future[Metrics]:
    future: Future[Metrics] = Future()
    future.set_result(evaluation())
    return future
