"""How PyTorch multiplies small float32 matrices fastest without losing precision.

Three settings on a CPU, all of the process. PyTorch's precision "medium" lets oneDNN do the products: some processors
gain a factor of two by that in plain float32; on others oneDNN may round the factors to bfloat16, or be slow, so both
are measured before it is used. Denormal numbers count as zero. And the C library keeps freed memory instead of
returning it, as otherwise each large temporary is paid for page by page: a third of an update's time.

On a GPU products stay plain float32, unless the environment variable AMPL_MATMUL_PRECISION says otherwise: "highest",
"high" (TF32 on a GPU) or "medium", in PyTorch's words, fixes the precision on either device; "auto" is the default.
"""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import torch

from ampl.errors import InvalidArgumentError

logger = logging.getLogger(__name__)

_FLOAT32_ERROR = 1e-6  # relative, of a sum of 256 products; bfloat16 factors are off by 2e-3
_SLOWER = 1.5  # far from one, where oneDNN gains nothing, so that noise in the timing does not decide
VARIABLE = "AMPL_MATMUL_PRECISION"
_NAMES = ("auto", "highest", "high", "medium")
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
    """Inside, `count` threads, zeros instead of denormal numbers, and the fastest product that is float32.

    Raises:
        InvalidArgumentError: AMPL_MATMUL_PRECISION is none of its values.
    """
    chosen = requested_precision()
    keep_freed_memory()
    torch.set_flush_denormal(True)  # Adam's moments of inactive units decay into denormals, which are slow
    try:
        with precision(fastest_precision() if chosen == "auto" else chosen), threads(count):
            yield
    finally:
        torch.set_flush_denormal(False)


def arithmetic_on(device: torch.device, count: int) -> AbstractContextManager[None]:
    """`fast_arithmetic` with `count` threads on a CPU; on a GPU plain float32 or the user's choice."""
    if device.type == "cpu":
        return fast_arithmetic(count)
    chosen = requested_precision()
    return precision("highest" if chosen == "auto" else chosen)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Inside, PyTorch's float32 products have the precision of this name."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def requested_precision() -> str:
    """What AMPL_MATMUL_PRECISION says; "auto" if it is not set.  Raises InvalidArgumentError."""
    name = os.environ.get(VARIABLE, "auto")
    if name not in _NAMES:
        raise InvalidArgumentError(f"{VARIABLE} is {name!r}; expected {', '.join(_NAMES[:-1])} or {_NAMES[-1]}.")
    return name


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


def product_seconds() -> float:
    """Of one batched product of two 256 x 256 matrices, on one thread: the shortest of several."""
    left, right = torch.ones(2, 2, 256, 256)
    shortest = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        torch.bmm(left, right)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


@cache
def fastest_precision() -> str:
    """The choice for this machine's CPU, measured once in a process."""
    with one_thread():
        with precision("highest"):
            plain = product_seconds()
        with precision("medium"):
            error, seconds = product_error(), product_seconds()
    chosen = "medium" if error <= _FLOAT32_ERROR and seconds <= _SLOWER * plain else "highest"
    logger.info(
        "matrix products: precision '%s'; 'medium' errs by %.1e and takes %.2f times as long as 'highest'.",
        *(chosen, error, seconds / plain),
    )
    return chosen
