"""Stacks of multilayer perceptrons in one flat vector of parameters, with the gradients written out.

SAC's networks are small: a third of an update by automatic differentiation is bookkeeping. Here every product is a
batched matrix product into a buffer that is allocated once, and the caller says which gradients it needs. One flat
vector lets the optimizer and the target average run as single operations. `StackedMLP` holds the same network for
automatic differentiation, and a test compares the two.

Letters: S copies in the stack, B rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


class Perceptron:
    """S independent networks with rectified linear units between their layers.

    Args:
        flat: where the parameters live, [size]; views of it are kept, so the caller may change it in place.
        copies: S.
        widths: layer sizes from input to output.

    Attributes:
        weights: of each layer, [S, in, out].
        biases: of each layer, [S, 1, out].
    """

    def __init__(self, flat: Tensor, copies: int, widths: Sequence[int]) -> None:
        self.copies, self.widths = copies, tuple(widths)
        self.weights, self.biases = _split(flat, copies, self.widths)
        self._buffers: dict[tuple[str, int], list[Tensor]] = {}  # large temporaries cost more than their arithmetic
        self._inputs = flat.new_zeros(0)
        self._outputs: list[Tensor] = []  # of every layer, of the latest forward pass

    @staticmethod
    def size(copies: int, widths: Sequence[int]) -> int:
        """Number of parameters."""
        return copies * sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))

    def forward(self, inputs: Tensor) -> Tensor:
        """[B, in] to [S, B, out]; the result and what `backward` needs are overwritten by the next call with this B."""
        self._inputs, self._outputs = inputs, self._buffer("outputs", len(inputs))
        flowing = inputs.expand(self.copies, -1, -1)
        for weight, bias, out in zip(self.weights, self.biases, self._outputs, strict=True):
            flowing = torch.baddbmm(bias, flowing, weight, out=out)
            if out is not self._outputs[-1]:
                flowing.relu_()
        return flowing

    def backward(self, slope: Tensor, gradients: Perceptron, fitted: int) -> Tensor:
        """Gradients of a loss after a `forward`.

        Args:
            slope: derivative of the loss by the first R rows of the output, [S, R, out]; by the others it is zero.
            gradients: a perceptron of the same widths; derivatives by the parameters are written into it.
            fitted: only so many first rows count for those.

        Returns:
            The derivative by the first layer's sums, [S, R, widths[1]].
        """
        rows = slope.shape[1]
        slopes = self._buffer("slopes", rows)
        for layer in reversed(range(1, len(self.weights))):
            below = self._outputs[layer - 1]
            _parameter_gradients(below, slope, gradients, layer, fitted)
            slope = torch.bmm(slope, self.weights[layer].transpose(1, 2), out=slopes[layer - 1])
            torch.ops.aten.threshold_backward.grad_input(slope, below[:, :rows], 0.0, grad_input=slope)
        _parameter_gradients(self._inputs.expand(self.copies, -1, -1), slope, gradients, 0, fitted)
        return slope

    def _buffer(self, use: str, rows: int) -> list[Tensor]:
        """For each layer [S, rows, width]."""
        if (use, rows) not in self._buffers:
            new = self.weights[0].new_empty
            self._buffers[use, rows] = [new(self.copies, rows, width) for width in self.widths[1:]]
        return self._buffers[use, rows]


def _parameter_gradients(below: Tensor, slope: Tensor, gradients: Perceptron, layer: int, fitted: int) -> None:
    """Derivatives by one layer's weights and biases, from its inputs `below` and the slope of its sums."""
    for copy in range(len(slope)):  # slices of a stack would be copied for a batched product
        torch.mm(below[copy, :fitted].T, slope[copy, :fitted], out=gradients.weights[layer][copy])
    torch.sum(slope[:, :fitted], dim=1, keepdim=True, out=gradients.biases[layer])


def initialize(network: Perceptron, last_bound: float, generator: torch.Generator) -> None:
    """The start that D4RL's trainer uses: hidden weights uniform within 1/sqrt(out), their biases 0.

    The bound has the layer's output width under the root, not its input width; that is the trainer's own choice.

    Args:
        network: its parameters are drawn anew.
        last_bound: half-width of the last layer's weights and biases.
        generator: for the draws, on the CPU.
    """
    *hidden, last = zip(network.weights, network.biases, strict=True)
    for weight, bias in hidden:
        bound = 1.0 / math.sqrt(weight.shape[-1])
        weight.uniform_(-bound, bound, generator=generator)
        bias.zero_()
    for parameter in last:
        parameter.uniform_(-last_bound, last_bound, generator=generator)


def _split(flat: Tensor, copies: int, widths: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    weights, biases, first = [], [], 0
    for fan_in, fan_out in pairwise(widths):
        cut = first + copies * fan_in * fan_out
        weights.append(flat[first:cut].view(copies, fan_in, fan_out))
        first = cut + copies * fan_out
        biases.append(flat[cut:first].view(copies, 1, fan_out))
    return weights, biases
