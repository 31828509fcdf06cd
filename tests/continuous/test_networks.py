"""Stacked networks: copies are independent, start from their own generators, and equal separately computed networks."""

import pytest
import torch
from torch.nn.functional import leaky_relu

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.networks import StackedLinear, StackedMLP


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_copy_equals_the_same_network_computed_alone() -> None:
    network = StackedMLP((2, 3), (4, 8, 8, 1), leaky_relu, generators(*range(6)))
    inputs = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(9))
    together = network(inputs)
    for seed in range(2):
        for member in range(3):
            alone = inputs[seed, member]
            for index, layer in enumerate(network.layers):
                alone = alone @ layer.weight[seed, member] + layer.bias[seed, member]
                alone = leaky_relu(alone) if index < 2 else alone
            torch.testing.assert_close(together[seed, member], alone)


def test_a_copy_starts_the_same_whichever_copies_are_beside_it() -> None:
    alone = StackedLinear((1,), 4, 2, generators(3))
    among = StackedLinear((3,), 4, 2, generators(1, 3, 5))
    assert torch.equal(alone.weight[0], among.weight[1])
    assert torch.equal(alone.bias[0], among.bias[1])


def test_initialization_has_the_range_of_torch_linear() -> None:
    layer = StackedLinear((20,), 25, 40, generators(*range(20)))
    assert 0.195 < layer.weight.abs().max().item() <= 0.2
    assert abs(layer.weight.mean().item()) < 5e-3


def test_every_parameter_of_every_copy_gets_a_gradient_from_its_own_output_only() -> None:
    network = StackedMLP((2,), (3, 5, 1), leaky_relu, generators(0, 1))
    network(torch.ones(2, 4, 3))[0].sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().sum() > 0
        assert parameter.grad[1].abs().sum() == 0


def test_inputs_without_stack_axes_broadcast() -> None:
    network = StackedMLP((2,), (3, 5, 1), leaky_relu, generators(0, 1))
    assert network(torch.ones(4, 3)).shape == (2, 4, 1)


def test_wrong_feature_count_and_wrong_generator_count_are_named() -> None:
    with pytest.raises(InvalidShapeError, match="3 features; the layer expects 4"):
        StackedLinear((1,), 4, 2, generators(0))(torch.ones(5, 3))
    with pytest.raises(InvalidArgumentError, match="1 generators for 2 copies"):
        StackedLinear((2,), 4, 2, generators(0))
    with pytest.raises(InvalidArgumentError, match="at least an input and an output"):
        StackedMLP((1,), (4,), leaky_relu, generators(0))
