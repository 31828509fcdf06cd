"""SAC's hand-written gradients equal automatic differentiation, and one update is the published algorithm."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from ampl.errors import InvalidArgumentError
from continuous.networks.stacks import StackedMLP
from continuous.recreate.online_sac.perceptron import Perceptron, initialize
from continuous.recreate.online_sac.replay import Batch
from continuous.recreate.online_sac.sac import SacConfig, SoftActorCritic

STATES, ACTIONS, SIZE = 5, 2, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_batch(seed: int) -> Batch:
    generator = seeded(seed)
    state, next_state = torch.randn(2, SIZE, STATES, generator=generator)
    action = torch.rand(SIZE, ACTIONS, generator=generator) * 2 - 1
    return Batch(
        state=state,
        state_action=torch.cat((state, action), 1),
        reward=torch.randn(SIZE, generator=generator),
        next_state=next_state,
        continues=(torch.rand(SIZE, generator=generator) < 0.7).float(),
    )


def small_learner(seed: int = 0) -> SoftActorCritic:
    return SoftActorCritic(STATES, ACTIONS, SacConfig(hidden=16, batch_size=SIZE), seeded(seed))


def test_forward_equals_the_stacked_network_of_automatic_differentiation() -> None:
    widths = (3, 7, 7, 2)
    flat = torch.zeros(Perceptron.size(2, widths))
    network = Perceptron(flat, 2, widths)
    initialize(network, 0.1, seeded(0))
    reference = StackedMLP((2,), widths, torch.relu, [seeded(1), seeded(2)])
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        reference.parameters.views[f"weight{layer}"].detach().copy_(weight)
        reference.parameters.views[f"bias{layer}"].detach().copy_(bias)
    inputs = torch.randn(6, 3, generator=seeded(3))
    torch.testing.assert_close(network.forward(inputs), reference(inputs).detach())


def test_backward_equals_automatic_differentiation_and_counts_only_fitted_rows() -> None:
    widths, fitted = (3, 7, 7, 2), 4
    flat = torch.zeros(Perceptron.size(2, widths)).requires_grad_()
    network = Perceptron(flat.detach(), 2, widths)
    initialize(network, 0.1, seeded(0))
    gradient = torch.zeros_like(flat)
    inputs, slope = torch.randn(6, 3, generator=seeded(3)), torch.randn(2, 6, 2, generator=seeded(4))
    network.forward(inputs)
    network.backward(slope, Perceptron(gradient, 2, widths), fitted)
    parts = Perceptron(flat, 2, widths)
    flowing = inputs[:fitted].expand(2, -1, -1)
    for layer, (weight, bias) in enumerate(zip(parts.weights, parts.biases, strict=True)):
        flowing = torch.baddbmm(bias, flowing, weight)
        flowing = flowing.relu() if layer < 2 else flowing
    (flowing * slope[:, :fitted]).sum().backward()
    torch.testing.assert_close(gradient, flat.grad)


def test_one_update_equals_soft_actor_critic_by_automatic_differentiation() -> None:
    """Losses of Haarnoja et al. 2018 at common parameters, one Adam step, then the target average."""
    learner = small_learner()
    for step in range(3):  # away from the start, where slopes of the last layer are tiny
        learner.update(random_batch(step), torch.randn(2 * SIZE, ACTIONS, generator=seeded(10 + step)))
    before = {name: tensor.clone() for name, tensor in learner.state().items()}
    batch, noise = random_batch(7), torch.randn(2 * SIZE, ACTIONS, generator=seeded(8))
    learner.update(batch, noise)
    expected = reference_gradient(before, batch, noise)
    first_moment = learner.state()["first_moment"]
    gradient = (first_moment - 0.9 * before["first_moment"]) / 0.1  # what Adam was given
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=2e-5)
    after = learner.state()
    cut = len(after["parameters"]) - 1 - len(after["target_parameters"])
    target = torch.lerp(before["target_parameters"], after["parameters"][cut:-1], 0.005)
    torch.testing.assert_close(after["target_parameters"], target)


def reference_gradient(state: dict[str, Tensor], batch: Batch, noise: Tensor) -> Tensor:
    flat = state["parameters"].clone().requires_grad_()
    policy_widths, critic_widths = (STATES, 16, 16, 2 * ACTIONS), (STATES + ACTIONS, 16, 16, 1)
    cut = Perceptron.size(1, policy_widths)

    def run(flat_part: Tensor, copies: int, widths: tuple[int, ...], inputs: Tensor) -> Tensor:
        parts = Perceptron(flat_part, copies, widths)
        flowing = inputs.expand(copies, -1, -1)
        for layer, (weight, bias) in enumerate(zip(parts.weights, parts.biases, strict=True)):
            flowing = torch.baddbmm(bias, flowing, weight)
            flowing = flowing.relu() if layer < 2 else flowing
        return flowing

    def act(states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = run(flat[:cut], 1, policy_widths, states)[0].chunk(2, 1)
        log_std = log_std.clamp(-20, 2)
        normal = torch.distributions.Normal(mean, log_std.exp())
        squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
        action = (mean + log_std.exp() * noise).tanh()
        return action, squashed.log_prob(action).sum(1)

    temperature = flat[-1].detach().exp()
    with torch.no_grad():
        next_action, next_log = act(batch.next_state, noise[SIZE:])
        pairs = torch.cat((batch.next_state, next_action), 1)
        next_value = run(state["target_parameters"], 2, critic_widths, pairs).amin(0)[:, 0]
        target = batch.reward + 0.99 * batch.continues * (next_value - temperature * next_log)
    values = run(flat[cut:-1], 2, critic_widths, batch.state_action)[..., 0]
    critic_loss = ((values - target) ** 2).mean(1).sum()
    action, log_probability = act(batch.state, noise[:SIZE])
    frozen = flat[cut:-1].detach()
    smaller = run(frozen, 2, critic_widths, torch.cat((batch.state, action), 1)).amin(0)[:, 0]
    policy_loss = (temperature * log_probability - smaller).mean()
    temperature_loss = -(flat[-1] * (log_probability.detach() - ACTIONS)).mean()
    (gradient,) = torch.autograd.grad(critic_loss + policy_loss + temperature_loss, flat)
    return gradient


def test_target_entropy_is_minus_the_number_of_actions() -> None:
    """With entropy above -A the temperature falls, and with entropy below it rises."""
    learner = small_learner()
    learner.update(random_batch(0), torch.randn(2 * SIZE, ACTIONS, generator=seeded(1)))
    assert learner.temperature == pytest.approx(math.exp(-3e-4), rel=1e-4)  # a fresh policy has entropy > 0


def test_training_continues_bit_for_bit_from_its_state() -> None:
    def steps(learner: SoftActorCritic, numbers: range) -> None:
        for number in numbers:
            learner.update(random_batch(number), torch.randn(2 * SIZE, ACTIONS, generator=seeded(number)))

    whole, half, resumed = small_learner(), small_learner(), small_learner(seed=5)
    steps(whole, range(6))
    steps(half, range(3))
    resumed.load_state({name: tensor.clone() for name, tensor in half.state().items()})
    steps(resumed, range(3, 6))
    for name, tensor in whole.state().items():
        assert torch.equal(tensor, resumed.state()[name]), name


def test_every_parameter_gets_a_gradient() -> None:
    learner = small_learner()
    start = learner.state()["parameters"].clone()
    for number in range(3):
        learner.update(random_batch(number), torch.randn(2 * SIZE, ACTIONS, generator=seeded(number)))
    moved = (learner.state()["parameters"] != start).float().mean().item()
    assert moved > 0.9  # units that no state of the batch activates stay


def test_exported_policy_is_the_one_that_was_trained() -> None:
    learner = small_learner()
    learner.update(random_batch(0), torch.randn(2 * SIZE, ACTIONS, generator=seeded(1)))
    policy = learner.policy()
    states, noise = torch.randn(4, STATES, generator=seeded(2)), torch.randn(4, ACTIONS, generator=seeded(3))
    actions, _ = policy.sample(states.numpy(), noise)
    named = policy.parameters
    hidden = linear(states, named["fc0/weight"], named["fc0/bias"]).relu()
    hidden = linear(hidden, named["fc1/weight"], named["fc1/bias"]).relu()
    mean = linear(hidden, named["last_fc/weight"], named["last_fc/bias"])
    log_std = linear(hidden, named["last_fc_log_std/weight"], named["last_fc_log_std/bias"])
    torch.testing.assert_close(torch.from_numpy(actions), (mean + log_std.exp() * noise).tanh())


def test_a_state_that_does_not_fit_is_named() -> None:
    state = small_learner().state()
    with pytest.raises(InvalidArgumentError, match="state 'target_parameters' is missing"):
        small_learner().load_state({name: state[name] for name in state if name != "target_parameters"})


def test_hyperparameters_are_checked() -> None:
    with pytest.raises(InvalidArgumentError, match="discount"):
        SacConfig(discount=1.5)
