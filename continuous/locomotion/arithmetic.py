"""How one thread multiplies small float32 matrices fastest without losing precision.

PyTorch's precision "medium" lets oneDNN do the products. Some processors gain a factor of two by that in plain
float32; on others oneDNN may round the factors to bfloat16. So the rounding is measured before it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

logger = logging.getLogger(__name__)

_FLOAT32_ERROR = 1e-6  # relative, of a sum of 256 products; bfloat16 factors are off by 2e-3


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch uses one thread: small products are faster that way, and sums do not depend on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_fast_thread() -> Iterator[None]:
    """As `one_thread`, with zeros instead of denormal numbers and the fastest product that is float32."""
    precision = torch.get_float32_matmul_precision()
    torch.set_flush_denormal(True)  # Adam's moments of inactive units decay into denormals, which are slow
    torch.set_float32_matmul_precision("medium")
    with one_thread():
        error = product_error()
    if error > _FLOAT32_ERROR:
        torch.set_float32_matmul_precision("highest")
    logger.info("matrix products: precision '%s', 'medium' errs by %.1e.", torch.get_float32_matmul_precision(), error)
    try:
        with one_thread():
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision(precision)


def product_error() -> float:
    """Error of batched and plain products of 256 x 256 matrices, relative to the root mean square of the result."""
    left, right = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    exact = left.double() @ right.double()
    single = torch.stack([torch.mm(left[copy], right[copy]) for copy in range(2)])
    error = torch.maximum((torch.bmm(left, right) - exact).abs(), (single - exact).abs()).mean()
    return float(error / exact.square().mean().sqrt())
