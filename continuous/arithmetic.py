"""How PyTorch computes a run: threads, precision of products, denormal numbers, memory.

All are settings of the process, fixed by the run's `ampl.arithmetic.Arithmetic` and never by how busy the machine is.
On a CPU denormal numbers count as zero, and the C library keeps freed memory instead of returning it, as otherwise each
large temporary is paid for page by page: a third of an update's time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import torch

from ampl.arithmetic import DEFAULT, Arithmetic, Precision

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside, PyTorch uses `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch uses one thread: small products are faster that way, and sums do not depend on the machine."""
    with threads(1):
        yield


@contextmanager
def fast_arithmetic(arithmetic: Arithmetic = DEFAULT) -> Iterator[None]:
    """Inside, on a CPU: threads and precision as given, zeros instead of denormal numbers, and freed memory kept."""
    keep_freed_memory()
    torch.set_flush_denormal(True)  # Adam's moments of inactive units decay into denormals, which are slow
    try:
        with precision(arithmetic.precision), threads(arithmetic.threads):
            yield
    finally:
        torch.set_flush_denormal(False)


def arithmetic_on(device: torch.device, arithmetic: Arithmetic) -> AbstractContextManager[None]:
    """`fast_arithmetic` on a CPU; on a GPU its precision alone."""
    return fast_arithmetic(arithmetic) if device.type == "cpu" else precision(arithmetic.precision)


@contextmanager
def precision(name: Precision) -> Iterator[None]:
    """Inside, PyTorch's float32 products have the precision of this name."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


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
