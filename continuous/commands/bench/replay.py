"""Matrix products alone: the same calls on tensors that are already there, with nothing between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from continuous.commands.bench.counting import Layout, Product

_CALLS: dict[str, Callable[..., Tensor]] = {
    "mm": torch.mm,
    "bmm": torch.bmm,
    "addmm": torch.addmm,
    "baddbmm": torch.baddbmm,
}


class Replay:
    """A sequence of products, each written into a result that is already there.

    Products share operands of one layout and place, so that these are in the cache as far as they fit: it is the
    shortest time in which this machine computes products of those shapes.

    Args:
        products: in the order in which they are computed.
        device: where.
    """

    def __init__(self, products: Sequence[Product], device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._generator = torch.Generator(self._device).manual_seed(0)
        self._tensors: dict[tuple[int, Layout], Tensor] = {}
        self._calls = [self._call(product) for product in products]

    @torch.no_grad()
    def __call__(self) -> None:
        """Computes all products once."""
        for call in self._calls:
            call()

    @property
    def tensors(self) -> int:
        """How many tensors there are."""
        return len(self._tensors)

    def _call(self, product: Product) -> Callable[[], Tensor]:
        operands = [self._tensor(place, layout) for place, layout in enumerate(product.operands)]
        return partial(_CALLS[product.operation], *operands, out=self._tensor(-1, product.result))

    def _tensor(self, place: int, layout: Layout) -> Tensor:
        """A tensor of small normal numbers; those in different places are different, those in one place shared."""
        if (place, layout) not in self._tensors:
            reach = sum((size - 1) * stride for size, stride in zip(layout.shape, layout.stride, strict=True))
            memory = torch.empty(reach + 1, dtype=layout.dtype, device=self._device)
            memory.normal_(0.0, 0.1, generator=self._generator)
            self._tensors[place, layout] = memory.as_strided(layout.shape, layout.stride)
        return self._tensors[place, layout]
