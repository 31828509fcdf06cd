"""Adam over stacked parameters equals torch's Adam on each seed alone; norms are clipped seed by seed."""

import torch

from continuous.networks import FlatParameters, StackedMLP, leaky_relu
from continuous.optimizer import StackedAdam, clip_norm


def stacked(*seeds: int) -> StackedMLP:
    return StackedMLP((len(seeds),), (3, 4, 1), leaky_relu, [torch.Generator().manual_seed(seed) for seed in seeds])


def loss(network: StackedMLP) -> torch.Tensor:
    return network(torch.arange(15.0).reshape(5, 3) / 10).square().mean((-1, -2))


def test_steps_equal_those_of_torch_on_each_seed_alone() -> None:
    together, learning_rate = stacked(0, 1), 0.05
    optimizer = StackedAdam(together.parameters, learning_rate=learning_rate, betas=(0.4, 0.99))
    for seed in range(2):
        alone = stacked(seed)
        plain = torch.optim.Adam(list(alone.parameters.views.values()), lr=learning_rate, betas=(0.4, 0.99))
        if seed == 0:
            for _ in range(5):
                optimizer.step(together.parameters.gradient(loss(together).sum()))
        for _ in range(5):
            plain.zero_grad()
            loss(alone).sum().backward()
            plain.step()
        torch.testing.assert_close(together.parameters.of_seed(seed), alone.parameters.of_seed(0))


def test_weight_decay_is_coupled_and_by_name() -> None:
    parameters = FlatParameters((1,), {"decayed": (2,), "free": (2,)})
    parameters.values.fill_(1.0)
    optimizer = StackedAdam(parameters, learning_rate=0.1, weight_decay={"decayed": 0.5})
    optimizer.step([torch.zeros(1, 2), torch.zeros(1, 2)])
    torch.testing.assert_close(parameters.views["decayed"].detach(), torch.full((1, 2), 0.9))  # Adam's first step
    assert torch.equal(parameters.views["free"].detach(), torch.ones(1, 2))


def test_a_seed_left_out_keeps_parameters_moments_and_count() -> None:
    network = stacked(0, 1)
    optimizer = StackedAdam(network.parameters, learning_rate=0.1)
    optimizer.step(network.parameters.gradient(loss(network).sum()))
    values, state = network.parameters.of_seed(1), optimizer.state(1)
    optimizer.step(network.parameters.gradient(loss(network).sum()), active=[True, False])
    assert torch.equal(network.parameters.of_seed(1), values)
    after = optimizer.state(1)
    assert all((after[name] == array).all() for name, array in state.items())
    assert optimizer.state(0)["step"] == 2
    assert after["step"] == 1


def test_a_state_put_back_continues_bit_for_bit() -> None:
    network = stacked(0, 1)
    optimizer = StackedAdam(network.parameters, learning_rate=0.1)
    for _ in range(3):
        optimizer.step(network.parameters.gradient(loss(network).sum()))
    other = stacked(5, 6)
    again = StackedAdam(other.parameters, learning_rate=0.1)
    for seed in range(2):
        other.parameters.set_seed(seed, network.parameters.of_seed(seed))
        again.load_state(seed, optimizer.state(seed))
    for each, adam in ((network, optimizer), (other, again)):
        adam.step(each.parameters.gradient(loss(each).sum()))
    assert torch.equal(network.parameters.values, other.parameters.values)


def test_norms_are_clipped_seed_by_seed_over_all_parameters() -> None:
    gradient = [torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[[4.0]], [[0.4]]])]
    clipped = clip_norm(gradient, 1.0)
    torch.testing.assert_close(clipped[0], torch.tensor([[0.6, 0.0], [0.3, 0.0]]))
    torch.testing.assert_close(clipped[1], torch.tensor([[[0.8]], [[0.4]]]))
