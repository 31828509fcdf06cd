"""The implicit and the Gaussian policy."""

import torch

from continuous.algorithms.ampl.policy import (
    GaussianPolicyConfig,
    ImplicitPolicyConfig,
    StackedPolicy,
    default_noise_size,
)
from continuous.networks.streams import SeedStreams
from tests.continuous.networks.seed_vector import of_seed

STATES = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0))


def policies() -> list[StackedPolicy]:
    return [
        ImplicitPolicyConfig(noise_size=3, hidden=(16, 8)).build(4, 2, [0, 1], "cpu"),
        GaussianPolicyConfig(hidden=(16, 8)).build(4, 2, [0, 1], "cpu"),
    ]


def test_actions_are_the_tanh_of_raw_actions_and_inside_the_bounds() -> None:
    for policy in policies():
        action, raw = policy.sample(STATES, policy.noise(SeedStreams([0, 1], "x"), 30))
        assert action.shape == raw.shape == (2, 30, 2)
        assert torch.equal(action, raw.tanh())
        assert torch.equal(policy.act(STATES, SeedStreams([0, 1], "x")), action)


def test_noise_of_the_implicit_policy_is_scaled_and_then_clamped() -> None:
    policy = ImplicitPolicyConfig(noise_size=200, noise_scale=2.0, hidden=(4,)).build(4, 2, [0], "cpu")
    noise = policy.noise(SeedStreams([0], "x"), 500)
    assert noise.abs().max() == 3.0
    clamped = (noise.abs() == 3.0).float().mean().item()
    assert abs(clamped - 0.1336) < 0.01  # P(|N(0, 1)| > 1.5)


def test_a_noise_scale_of_a_thousandth_is_almost_deterministic() -> None:
    policy = ImplicitPolicyConfig(noise_size=1, noise_scale=1e-3).build(4, 2, [0], "cpu")
    streams = SeedStreams([0], "x")
    assert (policy.act(STATES[:1], streams) - policy.act(STATES[:1], streams)).abs().max() < 1e-2


def test_the_gaussian_policy_has_the_mean_and_spread_of_its_heads() -> None:
    policy = GaussianPolicyConfig(hidden=(8,)).build(4, 2, [0], "cpu")
    state = STATES[:1, :1].expand(1, 20_000, 4)
    raw = policy.sample(state, policy.noise(SeedStreams([0], "x"), 20_000))[1][0]
    mean = policy.sample(STATES[:1, :1], torch.zeros(1, 1, 2))[1][0, 0]
    above = policy.sample(STATES[:1, :1], torch.ones(1, 1, 2))[1][0, 0]
    torch.testing.assert_close(raw.mean(0), mean, atol=0.05, rtol=0.0)
    torch.testing.assert_close(raw.std(0), above - mean, atol=0.05, rtol=0.05)


def test_every_layer_gets_a_gradient() -> None:
    for policy in policies():
        action, _ = policy.sample(STATES, policy.noise(SeedStreams([0, 1], "x"), 30))
        assert all((slope.flatten(1).abs().sum(1) > 0).all() for slope in policy.network.gradient(action.sum()))


def test_a_seed_starts_the_same_whichever_seeds_are_beside_it() -> None:
    config = ImplicitPolicyConfig(noise_size=3)
    alone, among = (config.build(4, 2, seeds, "cpu") for seeds in ([3], [0, 1, 2, 3, 4]))
    assert torch.equal(of_seed(alone, 0), of_seed(among, 3))


def test_noise_sizes_where_a_task_names_none() -> None:
    """maze2d-umaze (4 numbers) gets 2, door (39) gets 10."""
    assert (default_noise_size(4), default_noise_size(39), default_noise_size(1)) == (2, 10, 1)
