"""Work spread over processes, each with one thread for linear algebra: small matrices gain nothing from more."""

from __future__ import annotations

import logging
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from ampl.errors import LostWorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_SPINS = "10000"  # turns of a waiting loop; the library's own are thirty times as many
_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def available_cores() -> int:
    """How many cores this process may use, at least one: its affinity, and no more than its control group's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(max(1, min(allowed, _quota())))


def limit_spinning() -> None:
    """Threads of linear algebra wait for each other for microseconds, not milliseconds, before they give up the core.

    To be called before the libraries are loaded; what the user has set stays. On idle cores this costs nothing that
    could be measured; where processes share cores it is worth a factor of two (docs/benchmarks.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def _quota() -> float:
    """Cores' worth of time that the control group may use (version 2); infinite where there is no limit."""
    try:
        quota, period = _QUOTA_FILE.read_text().split()
        return math.inf if quota == "max" else max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def map_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """The results in the order of the tasks, as they come.

    Args:
        function: defined at the top of a module; what it returns must not depend on the process.
        tasks: arguments that can be pickled.
        workers: processes; 1 stays in this one, whose threads are what they are. So does any number, with a line that
            says so, where the system cannot share memory between processes.

    Raises:
        LostWorkerError: a worker ended before its task did.
    """
    if workers == 1:
        yield from map(function, tasks)
        return
    with worker_pool(workers) as pool:
        yield from map(function, tasks) if pool is None else pool.map(function, tasks)


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """A pool of processes that end with this one, whatever ends it; None where the system allows none.

    They start on the first task, with one thread for linear algebra each, and leave signals to this process. When the
    `with` statement is left by an exception they are ended in the middle of their tasks.

    Args:
        workers: processes, >= 1.

    Raises:
        LostWorkerError: a worker ended before its task did.
    """
    context = get_context("spawn")
    held, lifeline = context.Pipe(duplex=False)
    with held, lifeline, _one_thread_for_children():
        try:
            pool = _Pool(workers, mp_context=context, initializer=_end_with_parent, initargs=(held,))
        except (OSError, ImportError, NotImplementedError) as error:  # shared memory that cannot be written to
            logger.warning("worker processes cannot be had here (%s): all is done in one process.", error)
            yield None
            return
        try:
            yield pool
        except BaseException as error:
            lifeline.close()
            if isinstance(error, BrokenProcessPool):
                raise LostWorkerError(
                    "a worker process ended before its task did: killed, or out of memory. Ask for fewer workers."
                ) from error
            raise
        finally:
            pool.shutdown(cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    """Holds signals back while it starts processes, which inherit that: Ctrl-C in a terminal reaches all of a group."""

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        if not hasattr(signal, "pthread_sigmask"):
            return super().submit(*arguments, **options)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            return super().submit(*arguments, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(held: Connection) -> None:
    """In a worker: ends it once the other end of the pipe is closed, by the parent or by its death."""

    def wait() -> None:
        with suppress(EOFError, OSError):
            held.recv_bytes()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


@contextmanager
def _one_thread_for_children() -> Iterator[None]:
    """Sets the variables that linear algebra reads when a child loads it, and puts them back."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
