"""What other precisions of matrix products would gain on this machine, and what they would cost."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from ampl.arithmetic import Precision
from continuous.networks.arithmetic import precision

_FLOAT32_ERROR = 1e-6  # relative, of a sum of some hundred products; bfloat16 factors are off by 2e-3
_WORTH_IT = 0.8  # of the time: less is gained by noise
_SIZES = {"cpu": 256, "cuda": 2048}  # rows and columns; a GPU needs larger ones to be busy


def precision_advice(device: str) -> list[str]:
    """A line for every other precision that is clearly faster than "highest" on one thread here."""
    factors = torch.randn(2, 2, _SIZES[device], _SIZES[device], generator=torch.Generator().manual_seed(0)).to(device)
    with precision("highest"):
        plain = product_seconds(factors)
    lines = []
    others: Sequence[Precision] = ("high", "medium")
    for name in others:
        with precision(name):
            share, error = product_seconds(factors) / plain, product_error(factors)
        if share <= _WORTH_IT:
            kept = "as plain float32 does" if error <= _FLOAT32_ERROR else "more than plain float32 does"
            lines.append(f"--precision {name}: products take {share:.2f} times as long and err by {error:.0e}, {kept}.")
    return lines


def product_error(factors: Tensor) -> float:
    """Error of batched and plain products, relative to the root mean square of the result; factors [2, B, N, N]."""
    left, right = factors
    exact = left.double() @ right.double()
    single = torch.stack([torch.mm(*pair) for pair in zip(left, right, strict=True)])
    error = torch.maximum((torch.bmm(left, right) - exact).abs(), (single - exact).abs()).mean()
    return float(error / exact.square().mean().sqrt())


def product_seconds(factors: Tensor) -> float:
    """Of one batched product: the shortest of several; factors [2, B, N, N]."""
    shortest = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        torch.bmm(*factors)
        if factors.is_cuda:
            torch.cuda.synchronize()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest
