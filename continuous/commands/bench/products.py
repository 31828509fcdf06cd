"""The matrix products of a piece of training: found by watching it, and computed alone.

Nothing is derived by hand: PyTorch's dispatcher shows every operation, those of the backward pass included, with the
layouts of its tensors. Products that are not PyTorch's own (`mm`, `bmm`, `addmm`, `baddbmm`) would go unseen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_CALLS: dict[str, Callable[..., Tensor]] = {
    "mm": torch.mm,
    "bmm": torch.bmm,
    "addmm": torch.addmm,
    "baddbmm": torch.baddbmm,
}


class Layout(NamedTuple):
    """How a tensor lies in memory; strides in elements."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


class Product(NamedTuple):
    """One matrix product; the last two operands are its factors, [..., M, K] and [..., K, N]."""

    operation: str
    operands: tuple[Layout, ...]
    result: Layout

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition for each term of each sum."""
        return 2 * math.prod(self.result.shape) * self.operands[-1].shape[-2]


def observe(run: Callable[[], object]) -> list[Product]:
    """Runs something and returns its products, in order."""
    with _Watcher() as watcher:
        run()
    return watcher.products


def observe_step(run: Callable[[int], object]) -> list[Product]:
    """The products of one more step: of two steps less those of one, so that what surrounds them cancels.

    Args:
        run: makes so many steps; its products begin with those of the first step.

    Raises:
        AssertionError: the steps are not alike.
    """
    once, twice = observe(lambda: run(1)), observe(lambda: run(2))
    products = twice[: len(twice) - len(once)]
    assert Counter(twice) - Counter(once) == Counter(products), "the products of one step differ from those of the next"
    return products


def replay(products: Sequence[Product], device: str) -> Callable[[], None]:
    """A function that computes the same products again, each into a result that is already there.

    Products share operands of one layout and place, so that these are in the cache as far as they fit: it is the
    shortest time in which this machine computes products of those shapes.
    """
    tensors: dict[tuple[int, Layout], Tensor] = {}
    generator = torch.Generator(device).manual_seed(0)

    def tensor(place: int, layout: Layout) -> Tensor:
        if (place, layout) not in tensors:
            reach = sum((size - 1) * stride for size, stride in zip(layout.shape, layout.stride, strict=True))
            memory = torch.empty(reach + 1, dtype=layout.dtype, device=device).normal_(0.0, 0.1, generator=generator)
            tensors[place, layout] = memory.as_strided(layout.shape, layout.stride)
        return tensors[place, layout]

    calls = [
        partial(_CALLS[operation], *map(tensor, range(len(operands)), operands), out=tensor(-1, result))
        for operation, operands, result in products
    ]

    @torch.no_grad()
    def compute() -> None:
        for call in calls:
            call()

    return compute


class _Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every product that passes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.removesuffix("_")
        if name in _CALLS:
            operands = tuple(_layout(argument) for argument in args if isinstance(argument, Tensor))
            self.products.append(Product(name, operands, _layout(result)))
        return result


def _layout(tensor: Tensor) -> Layout:
    return Layout(tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)
