"""What a piece of training computes, by watching it: its matrix products, and the memory traffic of all operations.

Nothing is derived by hand: PyTorch's dispatcher shows every operation, those of the backward pass included, with the
layouts of its tensors. Products that are not PyTorch's own (`mm`, `bmm`, `addmm`, `baddbmm`) would go unseen.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")
_FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view", "lift_fresh"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a tensor lies in memory."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]  # in elements
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> Layout:
        """The layout of a tensor."""
        return cls(shape=tuple(tensor.shape), stride=tuple(tensor.stride()), dtype=tensor.dtype)

    @property
    def bytes(self) -> int:
        """Of its distinct elements: an expanded axis counts once."""
        sizes = (size if stride else min(size, 1) for size, stride in zip(self.shape, self.stride, strict=True))
        return math.prod(sizes) * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class Product:
    """One call of a matrix product.

    Attributes:
        operation: "mm", "bmm", "addmm" or "baddbmm".
        operands: layouts of its tensors; the last two are the factors, [..., M, K] and [..., K, N].
        result: layout of [..., M, N].
    """

    operation: str
    operands: tuple[Layout, ...]
    result: Layout

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition for each term of each sum."""
        return 2 * math.prod(self.result.shape) * self.operands[-1].shape[-2]

    @property
    def bytes(self) -> int:
        """Of operands and result, once each."""
        return sum(operand.bytes for operand in self.operands) + self.result.bytes


@dataclass(frozen=True, kw_only=True)
class Work:
    """What was computed.

    Attributes:
        products: every matrix product, in order.
        operations: how many operations touched memory, products included.
        traffic: bytes that these read and wrote, each operation by itself.
    """

    products: tuple[Product, ...]
    operations: int
    traffic: int

    @property
    def flops(self) -> int:
        """Floating-point operations of all products."""
        return sum(product.flops for product in self.products)

    @property
    def product_bytes(self) -> int:
        """Bytes of all products' operands and results: the least traffic, if all else stayed in registers."""
        return sum(product.bytes for product in self.products)


def observe(run: Callable[[], object]) -> Work:
    """Runs something eagerly and says what it computed.

    Raises:
        AssertionError: PyTorch's own counter saw operations that are not among our products.
    """
    watcher = _Watcher()
    with _eager(), FlopCounterMode(display=False) as counter, watcher:
        run()
    work = Work(products=tuple(watcher.products), operations=watcher.operations, traffic=watcher.traffic)
    assert counter.get_total_flops() <= work.flops, "PyTorch counts operations that are no products"
    return work


def observe_step(run: Callable[[int], object]) -> Work:
    """What one more step computes: two steps less one, so that what surrounds them cancels.

    Args:
        run: makes so many steps, eagerly; its products begin with those of the first step.

    Raises:
        AssertionError: the steps are not alike.
    """
    once, twice = observe(lambda: run(1)), observe(lambda: run(2))
    products = twice.products[: len(twice.products) - len(once.products)]
    difference = Counter(twice.products) - Counter(once.products)
    assert difference == Counter(products), "the products of one step differ from those of the next"
    return Work(products=products, operations=twice.operations - once.operations, traffic=twice.traffic - once.traffic)


class _Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that passes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []
        self.operations = self.traffic = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view and name not in _FREE:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.operations += 1
            self.traffic += sum(Layout.of(tensor).bytes for tensor in tensors)
        kind = name.removesuffix("_")
        if kind in _PRODUCTS:
            operands = tuple(Layout.of(argument) for argument in args if isinstance(argument, Tensor))
            self.products.append(Product(operation=kind, operands=operands, result=Layout.of(result)))
        return result


def _eager() -> AbstractContextManager[Any]:
    """Inside, compiled functions run as they were written; their kernels would hide what they compute."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
