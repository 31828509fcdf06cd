"""Networks as stacks: any number of independent copies (seeds, ensemble members, twins) in one batched matrix product.

Parameters have the stack's axes in front: weights [*stack, in, out], biases [*stack, 1, out]. All of a network's lie in
one flat vector, each parameter of all copies in one piece: a batched product needs no copy, and a target average is one
operation. Copies never mix: a copy's output is the same whatever stands beside it, up to the rounding of the product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.networks.acting import Network

LEAKY_SLOPE = 0.01
HIDDEN = (400, 300)  # units of every network of AMPL but the dynamics model

Gradient: TypeAlias = list[Tensor]
"""Derivatives by each parameter, [*stack, *shape], in the order of `FlatParameters.views`."""

Initialize: TypeAlias = Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
"""From the widths in and out of a layer to one copy's weight [in, out] and bias [1, out]."""

_NARROW = 16  # columns of a product's result


ModuleT = TypeVar("ModuleT", bound=nn.Module)


class FlatParameters(nn.Module):
    """Named parameters of every copy, views of one vector; they are buffers, so `state_dict` has them by name.

    Args:
        stack: leading axes, the seeds first, such as (seeds, members).
        shapes: of one copy's parameters, by name.
        device: where they live.

    Attributes:
        values: all of them, [total], outside of any gradient computation.
        views: by name, [*stack, *shape]; leaves of gradient computations that share the memory of `values`.
    """

    def __init__(
        self, stack: Sequence[int], shapes: Mapping[str, Sequence[int]], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        self.stack, self.shapes = tuple(stack), dict(shapes)
        sizes = [math.prod(self.stack) * math.prod(shape) for shape in shapes.values()]
        self.values = torch.zeros(sum(sizes), device=device)
        parts = zip(shapes.items(), torch.split(self.values, sizes), strict=True)
        self.views = {name: part.view(*self.stack, *shape).requires_grad_() for (name, shape), part in parts}
        for name, view in self.views.items():
            self.register_buffer(name, view)

    def gradient(self, loss: Tensor, *, retain_graph: bool = False) -> Gradient:
        """Derivatives of a scalar by all parameters; a sum over copies gives each copy its own."""
        return list(torch.autograd.grad(loss, list(self.views.values()), retain_graph=retain_graph))

    def copy_(self, other: FlatParameters) -> None:
        """Takes the values of another one of the same shapes."""
        self.values.copy_(other.values)

    def follow(self, other: FlatParameters, rate: float) -> None:
        """Moves the share `rate` of the way to another one, as target networks do."""
        self.values.lerp_(other.values, rate)

    def is_finite(self) -> Tensor:
        """Whether all parameters of a seed are numbers, [K] of bool."""
        return torch.stack([view.detach().flatten(1).isfinite().all(1) for view in self.views.values()]).all(0)


def frozen(module: ModuleT) -> ModuleT:
    """An independent copy that no gradient is computed for, as target networks are."""
    copy = deepcopy(module)
    for tensor in copy.buffers():
        tensor.requires_grad_(False)
    return copy


class StackedMLP(FlatParameters):
    """Independent multilayer perceptrons, one for each index of the stack.

    Args:
        stack: leading axes.
        widths: layer sizes from input to output, at least two, each >= 1.
        activation: between layers, none after the last; it may work in place.
        generators: on the CPU, one a copy, in row-major order of the stack: a copy's start depends on its own only.
            None: all parameters are zero.
        device: where the parameters live.
        initialize: draws each layer.

    Raises:
        InvalidArgumentError: sizes below one, or another number of generators than copies.
    """

    def __init__(
        self,
        stack: Sequence[int],
        widths: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        generators: Sequence[torch.Generator] | None,
        device: torch.device | str = "cpu",
        initialize: Initialize | None = None,
    ) -> None:
        _check_sizes(stack, widths, generators)
        shapes: dict[str, tuple[int, int]] = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
            shapes |= {f"weight{layer}": (fan_in, fan_out), f"bias{layer}": (1, fan_out)}
        super().__init__(stack, shapes, device)
        self.widths, self.activation = tuple(widths), activation
        if generators is None:
            return
        draw = initialize or linear_initialization
        copies = [[draw(*pair, generator) for pair in pairwise(widths)] for generator in generators]
        for layer in range(len(widths) - 1):
            for part, name in enumerate((f"weight{layer}", f"bias{layer}")):
                drawn = torch.stack([copy[layer][part] for copy in copies])
                self.views[name].detach().copy_(drawn.view(*self.stack, *drawn.shape[1:]))

    def forward(self, inputs: Tensor, head: int | None = None) -> Tensor:
        """[*stack, B, in] to [*stack, B, out]; missing leading axes broadcast over the stack.

        Args:
            inputs: of all networks.
            head: if given, only this slice of the stack's last axis is computed: one twin of each pair.

        Raises:
            InvalidShapeError: the last axis is not `in`.
        """
        if inputs.shape[-1] != self.widths[0]:
            raise InvalidShapeError(
                f"input has {inputs.shape[-1]} features; the network expects {self.widths[0]} on the last axis."
            )
        views, stack, last, rows = self.views, self.stack, len(self.widths) - 2, inputs.shape[-2]
        if head is not None:
            views, stack = {name: view.select(len(stack) - 1, head) for name, view in views.items()}, stack[:-1]
        flowing = inputs.expand(*stack, rows, self.widths[0]).reshape(-1, rows, self.widths[0])  # [copies, B, in]
        for layer in range(last + 1):
            flowing = affine(flowing, views[f"weight{layer}"], views[f"bias{layer}"])
            if layer < last:
                flowing = self.activation(flowing)
        return flowing.view(*stack, rows, self.widths[-1])

    def snapshot(self, index: int, slope: float) -> Network:
        """A copy of one seed's networks for numpy.

        Args:
            index: on the stack's first axis.
            slope: of the activation below zero.
        """
        parts = [view.detach()[index].cpu().numpy().copy() for view in self.views.values()]
        return Network(weights=parts[::2], biases=parts[1::2], slope=slope)

    def head(self, index: int) -> StackedMLP:
        """An independent frozen copy of slice `index` of the stack's last axis: one twin of a pair."""
        head = StackedMLP(self.stack[:-1], self.widths, self.activation, None, self.values.device)
        for name, view in head.views.items():
            view.detach().copy_(self.views[name].select(len(head.stack), index))
        return frozen(head)


def affine(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """inputs @ weight + bias for every copy: [copies, B, in] to [copies, B, out], weight and bias with any stack.

    The result is flat because an activation in place on a view of it would cost the backward pass two copies.
    """
    matrix = weight.reshape(-1, *weight.shape[-2:])  # [copies, in, out]
    narrow = matrix.shape[-1] <= _NARROW and inputs.device.type == "cpu"
    multiply: Callable[[Tensor, Tensor], Tensor] = _NarrowProduct.apply if narrow else torch.bmm
    return multiply(inputs, matrix).add_(bias.reshape(-1, 1, bias.shape[-1]))


class _NarrowProduct(torch.autograd.Function):
    """torch.bmm where the result has few columns: a CPU is several times faster at the transpose of such products.

    Its derivatives can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, matrix)
        transposed = torch.bmm(matrix.mT, inputs.mT)  # [copies, out, B]
        return transposed.mT.clone(memory_format=torch.contiguous_format)  # no view, so that it can be added to

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None]:
        inputs, matrix = ctx.saved_tensors
        by_inputs = by_matrix = None
        if ctx.needs_input_grad[0]:
            by_inputs = slope * matrix.mT if matrix.shape[-1] == 1 else torch.bmm(slope, matrix.mT)
        if ctx.needs_input_grad[1]:
            by_matrix = torch.bmm(slope.mT, inputs).mT.contiguous()
        return by_inputs, by_matrix


def relu(inputs: Tensor) -> Tensor:
    """max(x, 0), in place."""
    return inputs.relu_()


def leaky_relu(inputs: Tensor) -> Tensor:
    """LEAKY_SLOPE below zero, in place."""
    return torch.nn.functional.leaky_relu(inputs, LEAKY_SLOPE, inplace=True)


def linear_initialization(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """torch's default for Linear: weight and bias uniform within 1 / sqrt(fan_in)."""
    bound = 1.0 / math.sqrt(fan_in)
    weight = torch.rand(fan_in, fan_out, generator=generator).mul_(2.0 * bound).sub_(bound)
    bias = torch.rand(1, fan_out, generator=generator).mul_(2.0 * bound).sub_(bound)
    return weight, bias


def check_hidden(widths: Sequence[int]) -> None:
    """Raises InvalidArgumentError if one of the hidden layers has no units."""
    if min(widths, default=1) < 1:
        raise InvalidArgumentError(
            f"hidden is {','.join(map(str, widths))}; expected at least one unit in every layer."
        )


def _check_sizes(stack: Sequence[int], widths: Sequence[int], generators: Sequence[torch.Generator] | None) -> None:
    if len(widths) < 2:
        raise InvalidArgumentError(f"widths are {list(widths)}; expected at least an input and an output size.")
    if min(*stack, *widths) < 1:
        raise InvalidArgumentError(f"stack {list(stack)} of widths {list(widths)}: every size must be >= 1.")
    if generators is not None and len(generators) != math.prod(stack):
        raise InvalidArgumentError(f"{len(generators)} generators for {math.prod(stack)} copies; expected one each.")
