"""How PyTorch multiplies small float32 matrices fastest on a CPU without losing precision.

Three settings, all of the process. PyTorch's precision "medium" lets oneDNN do the products: some processors gain a
factor of two by that in plain float32; on others oneDNN may round the factors to bfloat16, so the rounding is measured
before it is used. Denormal numbers count as zero. And the C library keeps freed memory instead of returning it, as
otherwise each large temporary is paid for page by page: a third of an update's time.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

logger = logging.getLogger(__name__)

_FLOAT32_ERROR = 1e-6  # relative, of a sum of 256 products; bfloat16 factors are off by 2e-3
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
def fast_arithmetic(count: int = 1) -> Iterator[None]:
    """Inside, `count` threads, zeros instead of denormal numbers, and the fastest product that is float32."""
    precision = torch.get_float32_matmul_precision()
    keep_freed_memory()
    torch.set_flush_denormal(True)  # Adam's moments of inactive units decay into denormals, which are slow
    torch.set_float32_matmul_precision(_fastest_precision())
    try:
        with threads(count):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision(precision)


@contextmanager
def one_fast_thread() -> Iterator[None]:
    """`fast_arithmetic` on one thread."""
    with fast_arithmetic(1):
        yield


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


def product_error() -> float:
    """Error of batched and plain products of 256 x 256 matrices, relative to the root mean square of the result."""
    left, right = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    exact = left.double() @ right.double()
    single = torch.stack([torch.mm(left[copy], right[copy]) for copy in range(2)])
    error = torch.maximum((torch.bmm(left, right) - exact).abs(), (single - exact).abs()).mean()
    return float(error / exact.square().mean().sqrt())


@cache
def _fastest_precision() -> str:
    """Measured once in a process; leaves PyTorch at "medium" or as the caller sets it."""
    torch.set_float32_matmul_precision("medium")
    with one_thread():
        error = product_error()
    precision = "medium" if error <= _FLOAT32_ERROR else "highest"
    logger.info("matrix products: precision '%s'; 'medium' errs by %.1e.", precision, error)
    return precision
