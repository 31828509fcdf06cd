"""What the updates of OptiDICE, AlgaeDICE and O-DICE compute: each part against the formula that it stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from continuous.algorithms.algaedice.learner import AlgaeDICEDraws, AlgaeDICELearner, AlgaeDICELearnerConfig, overlap
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.odice.learner import ODICELearner, ODICELearnerConfig, ValueGradient, add_orthogonal
from continuous.algorithms.odice.learner import conjugate_value as chi_squared_conjugate
from continuous.algorithms.offline import AnyAlgorithm
from continuous.algorithms.optidice.learner import (
    OptiDICELearner,
    OptiDICELearnerConfig,
    conjugate_slope,
    conjugate_value,
    generator_at,
    log_conjugate_slope,
)
from continuous.algorithms.optidice.mixture import SquashedMixture, log_probability
from continuous.algorithms.optidice.optidice import OptiDICE
from continuous.networks.stacks import Gradient, StackedMLP, relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import Batch
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_dice import CLONE, POLICY, small_algaedice, small_odice, small_optidice
from tests.continuous.algorithms.small_model_based import SAC

SEEDS = (0, 1)
SIZES = (line_table().observation_size, line_table().action_size)


def rows() -> tuple[Batch, Tensor]:
    """A batch with ends in it, and start states."""
    streams = SeedStreams(SEEDS, "rows")
    batch = line_table().sample(9, streams)
    return batch._replace(terminal=batch.terminal ^ (batch.reward > batch.reward.mean())), line_table().sample_starts(
        5, streams
    )


def test_soft_chi_squareds_weights_attain_the_conjugate() -> None:
    slope = torch.linspace(-4.0, 4.0, 41)
    weight = conjugate_slope(slope)
    torch.testing.assert_close(weight * slope - generator_at(slope), conjugate_value(slope))
    torch.testing.assert_close(log_conjugate_slope(slope), weight.log())
    below, above = weight < 1.0, weight > 1.0
    torch.testing.assert_close(generator_at(slope)[below], (weight * weight.log() - weight + 1.0)[below])
    torch.testing.assert_close(generator_at(slope)[above], ((weight - 1.0).square() / 2.0)[above])


def test_weights_that_vanish_in_float32_leave_a_finite_loss_and_slope() -> None:
    """As an advantage far below lambda / alpha gives them."""
    slope = torch.tensor([-90.0, -104.0, -1e6], requires_grad=True)
    found = generator_at(slope)
    assert found.tolist() == [1.0, 1.0, 1.0]
    assert torch.autograd.grad(found.sum(), slope)[0].abs().max() < 1e-30


def test_optidices_dual_and_both_multipliers_go_down_the_lagrangian() -> None:
    """lambda's slope, and lambda_phi's, which goes through the weights too, against automatic differentiation."""
    config = OptiDICELearnerConfig(alpha=0.3, hidden=(12,), policy=POLICY)
    learner, (batch, starts) = OptiDICELearner(*SIZES, config, SEEDS), rows()
    multiplier = torch.tensor([[0.2], [-0.1]], requires_grad=True)
    learner.multipliers.values.copy_(multiplier.detach().flatten().repeat(2))
    loss, residual, _ = learner.dual(batch, starts)
    value, following = (learner.nu(states)[..., 0] for states in (batch.state, batch.next_state))
    torch.testing.assert_close(residual, batch.reward + config.discount * ~batch.terminal * following - value)
    slope = (residual.detach() - multiplier) / config.alpha
    objective = config.alpha * conjugate_value(slope).mean(-1) + multiplier[:, 0]
    expected = (1 - config.discount) * learner.nu(starts)[..., 0].mean(-1) + objective
    torch.testing.assert_close(loss, expected)
    by_lambda = torch.autograd.grad(objective.sum(), multiplier)[0]
    torch.testing.assert_close(by_lambda, 1.0 - conjugate_slope(slope.detach()).mean(-1, keepdim=True))

    _, mean_slope = learner._advantage_loss(batch, residual.detach(), multiplier.detach())
    predicted = learner.advantage(torch.cat((batch.state, batch.action), dim=-1))[..., 0].detach()
    slope = (predicted - multiplier) / config.alpha
    lagrangian = conjugate_slope(slope) * (residual.detach() - multiplier) - config.alpha * generator_at(slope)
    lagrangian = lagrangian + multiplier
    by_lambda = torch.autograd.grad(lagrangian.mean(-1).sum(), multiplier)[0]
    torch.testing.assert_close(by_lambda[:, 0], 1.0 - mean_slope)


@pytest.mark.parametrize("policy", [TanhPolicyConfig(standardized=False), TanhPolicyConfig(gaussian=True)])
def test_odices_policy_is_a_gaussian_at_states_as_they_are(policy: TanhPolicyConfig) -> None:
    with pytest.raises(InvalidArgumentError, match="other than O-DICE's; expected true and false"):
        ODICELearnerConfig(policy=policy)


def test_optidices_policy_waits_for_the_warm_up() -> None:
    config = OptiDICELearnerConfig(hidden=(12,), policy=POLICY, warm_up=0.25)
    learner, (batch, starts) = OptiDICELearner(*SIZES, config, SEEDS), rows()
    noise = learner.policy.noise(SeedStreams(SEEDS, "noise"), 9)
    for done, changes in ((0, False), (2, False), (3, True)):
        before = learner.policy.network.values.clone()
        learner.begin_epoch(done, 10)
        learner.update(batch, starts, noise)
        assert torch.equal(before, learner.policy.network.values) is not changes
    assert learner.settings_of_length(10) == {"warm_up_epochs": 3}


@pytest.mark.parametrize(("share", "epochs", "expected"), [(1 / 6, 1, 0), (0.9, 3, 2), (0.25, 20, 5), (1.0, 3, 3)])
def test_the_last_epoch_of_a_short_run_trains_optidices_policy(share: float, epochs: int, expected: int) -> None:
    """Unless the whole run is asked to be warm-up."""
    learner = OptiDICELearner(*SIZES, OptiDICELearnerConfig(hidden=(12,), policy=POLICY, warm_up=share), SEEDS)
    assert learner.settings_of_length(epochs) == {"warm_up_epochs": expected}
    learner.begin_epoch(epochs - 1, epochs)
    assert learner.trains_policy is (share < 1.0)


def test_the_mixtures_density_integrates_to_one() -> None:
    mixture = SquashedMixture(3, 1, (8,), 5, SEEDS)
    raw = torch.linspace(-20.0, 20.0, 4001)[:, None]
    state = torch.tensor([0.3, -0.2, 0.5]).expand(len(SEEDS), len(raw), 3)
    density = log_probability(mixture.heads(state), raw.expand(len(SEEDS), -1, 1)).exp()
    slope = raw[:, 0].cosh() ** -2  # of tanh
    torch.testing.assert_close((density * slope).sum(-1) * 0.01, torch.ones(2), atol=1e-4, rtol=0.0)


def test_algaedices_critics_go_down_the_dual_and_its_policy_up() -> None:
    algae = AlgaeDICELearnerConfig(alpha=0.3, orthogonality=0.0, learner=SAC)
    learner, (batch, starts) = AlgaeDICELearner(*SIZES, algae, SEEDS), rows()
    learner.critic_target.values.mul_(1.3)
    streams = SeedStreams(SEEDS, "noise")
    draws = AlgaeDICEDraws(
        batch=batch,
        start_state=starts,
        next_noise=learner.policy.noise(streams, 9),
        start_noise=learner.policy.noise(streams, 5),
    )
    action, log_probability = learner.policy.sample_with_log_probability(batch.next_state, draws.next_noise)
    slow = learner.smaller_target(batch.next_state, action)[:, None]
    following = 0.05 * learner.action_value(batch.next_state, action) + 0.95 * slow
    following = following - (learner.temperature * log_probability)[:, None]
    delta = batch.reward[:, None] + 0.99 * ~batch.terminal[:, None] * following
    delta = delta - learner.action_value(batch.state, batch.action)
    start_action = learner.policy.sample(starts, draws.start_noise)[0]
    starting = 0.3 * 0.01 * learner.action_value(starts, start_action).mean(-1)
    loss = delta.abs().pow(1.5).mean(-1) / 1.5 + starting
    gain = (delta.detach().clamp(min=0.0).sqrt() * delta).mean(-1) + starting
    by_policy = learner.policy.network.gradient(-gain.mean(-1).sum(), retain_graph=True)
    taken: list[Gradient] = []
    learner.policy_optimizer.step = taken.append  # type: ignore[method-assign]
    learner._update_actor(draws)
    torch.testing.assert_close(taken[0], by_policy)
    torch.testing.assert_close(learner.update_critics(draws), loss.detach().mean(-1))


def test_overlap_is_zero_for_orthogonal_columns_alone() -> None:
    network = StackedMLP((1,), (3, 3), relu, [cpu_generator(0, "x")])
    assert float(overlap(network).detach()) > 0.0
    network.views["weight0"].detach().copy_(torch.eye(3))
    assert float(overlap(network).detach()) == 0.0


def test_odices_backward_gradient_is_made_orthogonal_seed_by_seed() -> None:
    draw = torch.Generator().manual_seed(0)
    forward, backward = ([torch.randn(2, *shape, generator=draw) for shape in ((3, 4), (1, 4))] for _ in range(2))
    together, cosine = add_orthogonal(forward, backward)
    added = [one - other for one, other in zip(together, forward, strict=True)]
    products = sum((one * other).flatten(1).sum(1) for one, other in zip(added, forward, strict=True))
    torch.testing.assert_close(products, torch.zeros(2), atol=1e-5, rtol=0.0)
    flat = [torch.cat([part.flatten(1) for part in parts], dim=1) for parts in (forward, backward)]
    torch.testing.assert_close(cosine, torch.cosine_similarity(*flat, dim=1))


@pytest.mark.parametrize("kind", list(ValueGradient))
def test_odices_value_goes_down_the_gradient_that_is_asked_for(kind: ValueGradient) -> None:
    config = ODICELearnerConfig(gradient=kind, backward_weight=0.7, hidden=(12,), policy=CLONE)
    learner, (batch, _) = ODICELearner(*SIZES, config, SEEDS), rows()
    learner.value_target.values.mul_(1.3)
    network = learner.value_online
    value, following = (network(states[:, None])[..., 0] for states in (batch.state, batch.next_state))
    slow, slow_following = (
        learner.value_target(states[:, None])[..., 0].amin(1, keepdim=True)
        for states in (batch.state, batch.next_state)
    )
    level = 0.4 * value.mean((1, 2)).sum()

    def cost(after: Tensor, before: Tensor) -> Tensor:
        delta = batch.reward[:, None] + 0.99 * ~batch.terminal[:, None] * after - before
        return 0.6 * chi_squared_conjugate(delta).mean((1, 2)).sum()

    if kind is ValueGradient.ORTHOGONAL:
        parts = [network.gradient(each, retain_graph=True) for each in (cost(slow_following, value), level)]
        backward = network.gradient(0.7 * cost(following, slow), retain_graph=True)
        expected = [sum(pair) for pair in zip(add_orthogonal(parts[0], backward)[0], parts[1], strict=True)]
    else:
        after = following if kind is ValueGradient.TRUE else slow_following
        expected = network.gradient(level + cost(after, value), retain_graph=True)
    taken: list[Gradient] = []
    learner.value_optimizer.step = taken.append  # type: ignore[method-assign]
    learner.update(batch)
    torch.testing.assert_close(taken[0], expected)


@pytest.mark.parametrize("build", [small_optidice, small_algaedice, small_odice])
def test_what_is_evaluated_acts_as_what_is_trained(build: Callable[..., AnyAlgorithm]) -> None:
    """On the environment's own states, where OptiDICE's policy has standardized ones."""
    algorithm, states = build(SEEDS), line_table().state[:7]
    expected = algorithm.best_action(states.expand(2, -1, -1), algorithm.streams["updates"]).detach().numpy()
    for seed in range(len(SEEDS)):
        found = algorithm.actor(seed)(states.numpy(), np.random.default_rng(0))
        np.testing.assert_allclose(found, expected[seed], atol=1e-6)


def test_optidice_is_trained_on_standardized_columns() -> None:
    trained = small_optidice()._trained
    torch.testing.assert_close(trained.state.mean(0), torch.zeros(2), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(trained.state.std(0), torch.ones(2))
    assert float(trained.reward.std()) == pytest.approx(0.1)


def test_optidice_takes_a_single_transition_though_it_has_no_deviation() -> None:
    whole = small_optidice()
    alone = OptiDICE(line_table().selected(torch.tensor([3])), whole.settings, (0,), whole.surroundings)
    for _ in range(2):
        alone.update()
    assert alone.learner.is_sound() == [True]
    assert all(torch.isfinite(tensor).all() for tensor in alone.tensors().values())


def test_algaedices_exponent_is_above_one() -> None:
    with pytest.raises(InvalidArgumentError, match=r"exponent is 1.0; expected more than 1"):
        AlgaeDICELearnerConfig(exponent=1.0)
