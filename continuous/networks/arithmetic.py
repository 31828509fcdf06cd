"""How PyTorch computes a run: threads, precision of products, denormal numbers, memory.

All are settings of the process, fixed by the run's `ampl.arithmetic.Arithmetic` and never by how busy the machine is.
On a CPU denormal numbers count as zero, and the C library keeps freed memory instead of returning it, as otherwise each
large temporary is paid for page by page: a third of an update's time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Generic, TypeVar

import torch

from ampl.arithmetic import DEFAULT, Arithmetic, Precision
from ampl.errors import InvalidArgumentError

Value = TypeVar("Value")

_in_thread = threading.local()
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)


class _ProcessSetting(Generic[Value]):
    """A setting of the whole process, also where trainings run in threads of it: the last one inside puts it back.

    Args:
        option: its name on the command line.
        read: the setting now.
        write: changes it.
    """

    def __init__(self, option: str, read: Callable[[], Value], write: Callable[[Value], None]) -> None:
        self._option, self._read, self._write = option, read, write
        self._lock = threading.Lock()
        self._inside: list[tuple[int, Value]] = []  # threads and what they need, in the order in which they came
        self._before: list[Value] = []  # what was set before the first of them

    @contextmanager
    def __call__(self, value: Value) -> Iterator[None]:
        """Inside, the setting has this value.  Raises InvalidArgumentError: another thread needs another one."""
        mine = (threading.get_ident(), value)
        with self._lock:
            for thread, other in self._inside:
                if thread != mine[0] and other != value:
                    raise InvalidArgumentError(
                        f"{self._option} is {value}, and {other} for another training in this process; expected the "
                        "same for all trainings side by side."
                    )
            if not self._inside:
                self._before = [self._read()]
            self._inside.append(mine)
            self._write(value)
        try:
            yield
        finally:
            with self._lock:
                self._inside.reverse()
                self._inside.remove(mine)  # the last one, where a thread needs the same twice
                self._inside.reverse()
                self._write(self._inside[-1][1] if self._inside else self._before[0])


_threads = _ProcessSetting("--threads", torch.get_num_threads, torch.set_num_threads)
_precision = _ProcessSetting("--precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)


def threads(count: int) -> AbstractContextManager[None]:
    """Inside, PyTorch uses `count` threads.  Raises InvalidArgumentError: another training here uses others."""
    return _threads(count)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch uses one thread: small products are faster that way, and sums do not depend on the machine."""
    with threads(1):
        yield


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Inside, denormal numbers count as zero: Adam's moments of inactive units decay into them, which are slow.

    The processor has the setting for each thread; where a thread needs it twice, the outer one puts it back.
    """
    outer = getattr(_in_thread, "without_denormals", False)
    torch.set_flush_denormal(True)
    _in_thread.without_denormals = True
    try:
        yield
    finally:
        torch.set_flush_denormal(outer)
        _in_thread.without_denormals = outer


@contextmanager
def fast_arithmetic(arithmetic: Arithmetic = DEFAULT) -> Iterator[None]:
    """Inside, on a CPU: threads and precision as given, zeros instead of denormal numbers, and freed memory kept."""
    keep_freed_memory()
    with _without_denormals(), precision(arithmetic.precision), threads(arithmetic.threads):
        yield


def arithmetic_on(device: torch.device, arithmetic: Arithmetic) -> AbstractContextManager[None]:
    """`fast_arithmetic` on a CPU; on a GPU its precision alone."""
    return fast_arithmetic(arithmetic) if device.type == "cpu" else precision(arithmetic.precision)


def precision(name: Precision) -> AbstractContextManager[None]:
    """Inside, PyTorch's float32 products have the precision of this name.

    Raises:
        InvalidArgumentError: another training in this process has another one.
    """
    return _precision(name)


@cache
def keep_freed_memory() -> bool:
    """Tells the C library to keep freed memory for reuse, for good; returns whether it understood (glibc does)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 1 << 26}  # bytes
    taken = [mallopt(name, value) == 1 for name, value in settings.items()]
    return all(taken)
