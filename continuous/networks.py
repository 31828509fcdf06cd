"""Networks as stacks: any number of independent copies (seeds, ensemble members, twins) in one batched matrix product.

A layer's parameters have the stack's axes in front, weights [..., in, out] and biases [..., 1, out]; inputs are
[..., B, in]. Copies never mix, so a copy's output is the same whatever stands beside it, up to the rounding of the
batched product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ampl.errors import InvalidArgumentError, InvalidShapeError


class StackedLinear(nn.Module):
    """Independent affine layers, one for each index of the stack; torch's default Linear initialization.

    Args:
        stack: leading axes, such as (seeds, members).
        in_features, out_features: widths, >= 1.
        generators: one a copy, in row-major order of the stack: a copy's start depends on its own generator only.

    Raises:
        InvalidArgumentError: widths below one, or another number of generators than copies.
    """

    def __init__(
        self, stack: Sequence[int], in_features: int, out_features: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        copies = math.prod(stack)
        if min(in_features, out_features, *stack) < 1:
            raise InvalidArgumentError(f"layer {list(stack)} {in_features}->{out_features}: every size must be >= 1.")
        if len(generators) != copies:
            raise InvalidArgumentError(f"{len(generators)} generators for {copies} copies; expected one each.")
        bound = 1.0 / math.sqrt(in_features)
        weight = [torch.rand(in_features, out_features, generator=generator) for generator in generators]
        bias = [torch.rand(1, out_features, generator=generator) for generator in generators]
        self.weight = nn.Parameter(
            (2.0 * torch.stack(weight) - 1.0).mul(bound).reshape(*stack, in_features, out_features)
        )
        self.bias = nn.Parameter((2.0 * torch.stack(bias) - 1.0).mul(bound).reshape(*stack, 1, out_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., B, in] to [..., B, out]; missing leading axes broadcast over the stack.

        Raises:
            InvalidShapeError: the last axis is not `in`.
        """
        if inputs.shape[-1] != self.weight.shape[-2]:
            raise InvalidShapeError(
                f"input has {inputs.shape[-1]} features; the layer expects {self.weight.shape[-2]} on the last axis."
            )
        return torch.matmul(inputs, self.weight) + self.bias


class StackedMLP(nn.Module):
    """Independent multilayer perceptrons, one for each index of the stack.

    Args:
        stack: leading axes.
        widths: layer sizes from input to output, at least two.
        activation: between layers; none after the last.
        generators: one a copy.
    """

    def __init__(
        self,
        stack: Sequence[int],
        widths: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise InvalidArgumentError(f"widths are {list(widths)}; expected at least an input and an output size.")
        self.layers = nn.ModuleList(
            StackedLinear(stack, fan_in, fan_out, generators) for fan_in, fan_out in pairwise(widths)
        )
        self._activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., B, in] to [..., B, out]."""
        *hidden, last = self.layers
        for layer in hidden:
            inputs = self._activation(layer(inputs))
        return torch.as_tensor(last(inputs))
