"""Adam over stacked parameters equals torch's Adam on each seed alone, in both its ways; norms are clipped by seed."""

import logging

import pytest
import torch

from ampl.errors import InvalidArgumentError
from continuous.networks import adam as module
from continuous.networks.adam import CompiledStep, StackedAdam, clip_norm, flat_step, owners
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.stacks import FlatParameters, StackedMLP, leaky_relu
from tests.continuous.networks.seed_vector import of_seed

WAYS = pytest.mark.parametrize("flat", [False, True], ids=["fused", "flat"])


def stacked(*seeds: int) -> StackedMLP:
    return StackedMLP((len(seeds),), (3, 4, 1), leaky_relu, [torch.Generator().manual_seed(seed) for seed in seeds])


def loss(network: StackedMLP) -> torch.Tensor:
    return network(torch.arange(15.0).reshape(5, 3) / 10).square().mean((-1, -2))


@WAYS
def test_steps_equal_those_of_torch_on_each_seed_alone(flat: bool) -> None:
    together, learning_rate = stacked(0, 1), 0.05
    optimizer = StackedAdam(together, learning_rate=learning_rate, betas=(0.4, 0.99), flat=flat)
    for _ in range(5):
        optimizer.step(together.gradient(loss(together).sum()))
    for seed in range(2):
        alone = stacked(seed)
        plain = torch.optim.Adam(list(alone.views.values()), lr=learning_rate, betas=(0.4, 0.99))
        for _ in range(5):
            plain.zero_grad()
            loss(alone).sum().backward()
            plain.step()
        torch.testing.assert_close(of_seed(together, seed), of_seed(alone, 0))


@WAYS
def test_seeds_with_different_step_counts_each_get_their_own_correction(flat: bool) -> None:
    ahead, fresh = stacked(0), stacked(1)
    alone = [StackedAdam(one, learning_rate=0.05, flat=flat) for one in (ahead, fresh)]
    for _ in range(7):
        alone[0].step(ahead.gradient(loss(ahead).sum()))
    together = stacked(0, 1)
    optimizer = StackedAdam(together, learning_rate=0.05, flat=flat)
    load_seed_state(together.state_dict(), 0, seed_state(ahead.state_dict(), 0))
    load_seed_state(optimizer.state_dict(), 0, seed_state(alone[0].state_dict(), 0))
    for one, adam in zip((ahead, fresh, together), (*alone, optimizer), strict=True):
        adam.step(one.gradient(loss(one).sum()))
    assert optimizer.count.tolist() == [8.0, 1.0]
    for seed, one in enumerate((ahead, fresh)):
        torch.testing.assert_close(of_seed(together, seed), of_seed(one, 0))


def test_both_ways_agree_to_rounding_over_300_steps() -> None:
    def network() -> StackedMLP:
        generators = [torch.Generator().manual_seed(seed) for seed in range(6)]
        return StackedMLP((3, 2), (7, 16, 5, 1), torch.relu_, generators)

    generator = torch.Generator().manual_seed(1)
    networks, decays = (network(), network()), {"weight0": 1e-3, "bias1": 1e-2}
    optimizers = [
        StackedAdam(one, learning_rate=1e-3, weight_decay=decays, flat=flat)
        for one, flat in zip(networks, (False, True), strict=True)
    ]
    for step in range(300):
        inputs = torch.randn(3, 2, 32, 7, generator=generator)
        for one, optimizer in zip(networks, optimizers, strict=True):
            optimizer.set_learning_rate(1e-3 * 0.99**step)
            optimizer.step(one.gradient(one(inputs).square().sum()))
    fused, flat = (one.values for one in networks)
    assert float((fused - flat).abs().max() / fused.abs().max()) < 1e-6  # eight roundings


@WAYS
def test_weight_decay_is_coupled_and_by_name(flat: bool) -> None:
    parameters = FlatParameters((1,), {"decayed": (2,), "free": (2,)})
    parameters.values.fill_(1.0)
    optimizer = StackedAdam(parameters, learning_rate=0.1, weight_decay={"decayed": 0.5}, flat=flat)
    optimizer.step([torch.zeros(1, 2), torch.zeros(1, 2)])
    torch.testing.assert_close(parameters.views["decayed"].detach(), torch.full((1, 2), 0.9))  # Adam's first step
    assert torch.equal(parameters.views["free"].detach(), torch.ones(1, 2))


@WAYS
def test_a_changed_learning_rate_holds_from_the_next_step_on(flat: bool) -> None:
    parameters = FlatParameters((2,), {"value": (1,)})
    optimizer = StackedAdam(parameters, learning_rate=0.1, flat=flat)
    for rate in (0.1, 0.01, 0.0):
        optimizer.set_learning_rate(rate)
        optimizer.step([torch.ones(2, 1)])
    torch.testing.assert_close(parameters.values, torch.full((2,), -0.11))  # of a constant slope, each step is the rate
    assert set(optimizer.state_dict()) == {"first_moment.value", "second_moment.value", "count"}  # not the rate


@WAYS
def test_a_state_put_back_continues_bit_for_bit(flat: bool) -> None:
    network = stacked(0, 1)
    optimizer = StackedAdam(network, learning_rate=0.1, flat=flat)
    for _ in range(3):
        optimizer.step(network.gradient(loss(network).sum()))
    other = stacked(5, 6)
    again = StackedAdam(other, learning_rate=0.1, flat=flat)
    for seed in range(2):
        load_seed_state(other.state_dict(), seed, seed_state(network.state_dict(), seed))
        load_seed_state(again.state_dict(), seed, seed_state(optimizer.state_dict(), seed))
    for each, adam in ((network, optimizer), (other, again)):
        adam.step(each.gradient(loss(each).sum()))
    assert torch.equal(network.values, other.values)


@pytest.mark.parametrize("betas", [(-0.1, 0.9), (0.9, 1.0)])
def test_decays_outside_their_range_are_refused(betas: tuple[float, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="betas is"):
        StackedAdam(stacked(0), learning_rate=0.05, betas=betas)


def test_every_entry_is_owned_by_its_seed() -> None:
    parameters = FlatParameters((3, 2), {"weight": (4, 5), "bias": (1, 5)})
    owner = owners(parameters)
    parameters.values.copy_(owner)
    for seed in range(3):
        assert (of_seed(parameters, seed) == seed).all()


def test_the_compiled_step_is_made_once_and_does_what_the_plain_one_does() -> None:
    made: list[object] = []

    def compiler(function: object, *, dynamic: bool) -> object:
        made.append(function)
        return function

    step = CompiledStep(compiler)  # type: ignore[arg-type]
    parameters = FlatParameters((1,), {"value": (1,)})
    for _ in range(2):
        assert step(*step_arguments(parameters))
    assert made == [flat_step]
    torch.testing.assert_close(parameters.values, torch.tensor([-0.2]))


def test_where_adam_cannot_be_compiled_the_fused_kernel_is_used_and_a_line_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[object] = []

    def compiler(function: object, *, dynamic: bool) -> object:
        tries.append(function)
        raise RuntimeError("no C compiler found\nmore")

    monkeypatch.setattr(module, "_plain_step", CompiledStep(compiler))  # type: ignore[arg-type]
    networks = stacked(0, 1), stacked(0, 1)
    for network, flat in zip(networks, (True, False), strict=True):
        optimizer = StackedAdam(network, learning_rate=0.1, flat=flat)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                optimizer.step(network.gradient(loss(network).sum()))
    assert torch.equal(networks[0].values, networks[1].values)
    assert len(tries) == 1
    (message,) = caplog.messages
    assert message.endswith("slower: no C compiler found")


@pytest.mark.slow
def test_the_compiler_keeps_the_numbers() -> None:
    results = []
    for step in (CompiledStep(), CompiledStep(lambda function, dynamic: function)):
        parameters = FlatParameters((2,), {"weight": (3, 5), "bias": (1, 5)})
        assert step(*step_arguments(parameters))
        results.append(parameters.values)
    torch.testing.assert_close(*results)


def step_arguments(parameters: FlatParameters) -> list[torch.Tensor]:
    """A first step at rate 0.1 down a slope of one, moments at their start."""
    values = parameters.values
    moments, betas = (torch.zeros_like(values), torch.zeros_like(values)), torch.tensor([0.9, 0.999]).double()
    counts = torch.ones(parameters.stack[0])
    rest = (counts, owners(parameters), torch.zeros_like(values), torch.tensor(0.1), betas)
    return [values, torch.ones_like(values), *moments, *rest]


def test_norms_are_clipped_seed_by_seed_over_all_parameters() -> None:
    gradient = [torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[[4.0]], [[0.4]]])]
    clipped = clip_norm(gradient, 1.0)
    torch.testing.assert_close(clipped[0], torch.tensor([[0.6, 0.0], [0.3, 0.0]]))
    torch.testing.assert_close(clipped[1], torch.tensor([[[0.8]], [[0.4]]]))
