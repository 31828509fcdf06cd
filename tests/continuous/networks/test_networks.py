"""Stacked networks: copies are independent, start from their own generators, and equal separately computed networks."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.stacks import FlatParameters, StackedMLP, affine, frozen, leaky_relu, linear_initialization
from tests.continuous.networks.seed_vector import of_seed


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_copy_equals_the_same_network_computed_alone() -> None:
    network = StackedMLP((2, 3), (4, 8, 8, 1), leaky_relu, generators(*range(6)))
    inputs = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(9))
    together, views = network(inputs), network.views
    for seed in range(2):
        for member in range(3):
            alone = inputs[seed, member]
            for layer in range(3):
                alone = alone @ views[f"weight{layer}"][seed, member] + views[f"bias{layer}"][seed, member]
                alone = torch.nn.functional.leaky_relu(alone, 0.01) if layer < 2 else alone
            torch.testing.assert_close(together[seed, member], alone)


def test_a_copy_starts_the_same_whichever_copies_are_beside_it() -> None:
    alone = StackedMLP((1,), (4, 6, 2), leaky_relu, generators(3))
    among = StackedMLP((3,), (4, 6, 2), leaky_relu, generators(1, 3, 5))
    assert torch.equal(of_seed(alone, 0), of_seed(among, 1))


def test_initialization_has_the_range_of_torch_linear() -> None:
    weight, bias = linear_initialization(25, 4000, *generators(0))
    for drawn in (weight, bias):
        assert 0.199 < drawn.abs().max().item() <= 0.2
        assert abs(drawn.mean().item()) < 5e-3


def test_every_parameter_of_every_copy_gets_a_gradient_from_its_own_output_only() -> None:
    network = StackedMLP((2,), (3, 5, 1), leaky_relu, generators(0, 1))
    for slope in network.gradient(network(torch.ones(2, 4, 3))[0].sum()):
        assert slope[0].abs().sum() > 0
        assert slope[1].abs().sum() == 0


def test_gradients_equal_those_of_torch_modules() -> None:
    network = StackedMLP((1,), (3, 5, 2), leaky_relu, generators(0))
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.LeakyReLU(0.01), torch.nn.Linear(5, 2))
    own = dict(module.named_parameters())
    for layer, name in ((0, "0"), (1, "2")):
        own[f"{name}.weight"].data.copy_(network.views[f"weight{layer}"][0].detach().T)
        own[f"{name}.bias"].data.copy_(network.views[f"bias{layer}"][0, 0].detach())
    inputs = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    module(inputs).square().sum().backward()
    ours = network.gradient(network(inputs).square().sum())
    for slope, name in zip(ours, ("0.weight", "0.bias", "2.weight", "2.bias"), strict=True):
        theirs = own[name].grad
        assert theirs is not None
        torch.testing.assert_close(slope[0].squeeze(0), theirs.T if "weight" in name else theirs)


def test_inputs_without_stack_axes_broadcast() -> None:
    network = StackedMLP((2,), (3, 5, 1), leaky_relu, generators(0, 1))
    assert network(torch.ones(4, 3)).shape == (2, 4, 1)


def test_a_frozen_copy_stays_behind_and_follows_by_its_rate() -> None:
    network = StackedMLP((2,), (3, 4, 1), leaky_relu, generators(0, 1))
    target = frozen(network)
    before = target.values.clone()
    network.values.add_(1.0)
    assert torch.equal(target.values, before)
    target.follow(network, 0.25)
    torch.testing.assert_close(target.values, before + 0.25)
    assert not target(torch.ones(1, 3)).requires_grad


def test_a_head_is_one_twin() -> None:
    twins = StackedMLP((2, 2), (3, 4, 1), leaky_relu, generators(*range(4)))
    inputs = torch.randn(2, 1, 6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(twins.head(1)(inputs[:, 0]), twins(inputs)[:, 1])


def test_a_seed_is_put_back_without_touching_the_others() -> None:
    network = StackedMLP((3,), (2, 3, 1), leaky_relu, generators(0, 1, 2))
    before, stored = network.values.clone(), seed_state(network.state_dict(), 1)
    others = (of_seed(network, 0), of_seed(network, 2))
    with torch.no_grad():
        for view in network.views.values():
            view[1] = 7.0
    assert torch.equal(of_seed(network, 0), others[0])
    assert torch.equal(of_seed(network, 2), others[1])
    load_seed_state(network.state_dict(), 1, stored)
    assert torch.equal(network.values, before)


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(InvalidShapeError, match="3 features; the network expects 4"):
        StackedMLP((1,), (4, 2), leaky_relu, generators(0))(torch.ones(5, 3))
    with pytest.raises(InvalidArgumentError, match="1 generators for 2 copies"):
        StackedMLP((2,), (4, 2), leaky_relu, generators(0))
    with pytest.raises(InvalidArgumentError, match="at least an input and an output"):
        StackedMLP((1,), (4,), leaky_relu, generators(0))
    with pytest.raises(InvalidArgumentError, match="every size must be >= 1"):
        StackedMLP((1,), (4, 0, 1), leaky_relu, generators(0))
    tensors = FlatParameters((1,), {"a": (2, 3)}).state_dict()
    with pytest.raises(InvalidShapeError, match=r"'a' has shape \[2\] where it was saved; expected \[2, 3\]"):
        load_seed_state(tensors, 0, {"a": np.zeros(2)})
    with pytest.raises(InvalidShapeError, match="'a' has shape none"):
        load_seed_state(tensors, 0, {})


@pytest.mark.parametrize("columns", [1, 6, 40])
def test_layers_narrow_and_wide_equal_plain_products_and_their_derivatives(columns: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((4, 5, 3), (2, 2, 3, columns), (2, 2, 1, columns))
    )
    torch.testing.assert_close(
        affine(inputs, weight, bias), inputs @ weight.reshape(4, 3, columns) + bias.reshape(4, 1, columns)
    )
    assert affine(inputs, weight, bias).is_contiguous()
    assert gradcheck(affine, (inputs, weight, bias))
    assert gradgradcheck(affine, (inputs, weight, bias))  # a penalty on a gradient needs it
    for fixed in ({0}, {1}):
        given = [part.detach() if index in fixed else part for index, part in enumerate((inputs, weight, bias))]
        assert gradcheck(affine, given)
