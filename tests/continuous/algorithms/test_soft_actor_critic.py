"""Soft actor-critic on stacked networks: densities, losses and what one update changes, against formulas."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tests.continuous.networks.seed_vector import of_seed

D, A, B = 3, 2, 16


def random_batch(n_seeds: int, seed: int = 0, rows: int = B) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(n_seeds, rows, *shape, generator=generator)

    return Batch(state=draw(D), action=draw(A).tanh(), reward=draw(), next_state=draw(D), terminal=draw() > 1.0)


def learner(seeds: tuple[int, ...] = (0,), **changes: object) -> SoftActorCritic:
    config = SoftActorCriticConfig(hidden=(16, 16), policy=SquashedGaussianConfig(hidden=(16, 16)), **changes)  # type: ignore[arg-type]
    return SoftActorCritic(D, A, config, seeds)


def noise_of(seeds: tuple[int, ...], name: str) -> Tensor:
    return SeedStreams(seeds, name).normal(B, A)


def test_the_log_probability_is_that_of_a_squashed_gaussian() -> None:
    policy = SquashedGaussian(D, A, SquashedGaussianConfig(hidden=(8,)), [0])
    state, noise = torch.randn(1, B, D), torch.randn(1, B, A)
    action, log_probability = policy.sample_with_log_probability(state, noise)
    mean, log_std = policy._heads(state)
    base = torch.distributions.Normal(mean, log_std.exp())
    transform = torch.distributions.TransformedDistribution(base, [torch.distributions.TanhTransform()])
    torch.testing.assert_close(log_probability, transform.log_prob(action).sum(-1), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(action, policy.sample(state, noise)[0])
    torch.testing.assert_close(policy.log_probability(state, action), log_probability, atol=1e-3, rtol=1e-3)
    assert policy.log_probability(state, action.sign()).isfinite().all()


def test_the_log_probability_stays_finite_where_tanh_saturates() -> None:
    policy = SquashedGaussian(D, A, SquashedGaussianConfig(hidden=(8,)), [0])
    _, log_probability = policy.sample_with_log_probability(torch.zeros(1, 1, D), torch.full((1, 1, A), 100.0))
    assert log_probability.isfinite().all()


def test_the_density_integrates_to_one() -> None:
    policy = SquashedGaussian(D, 1, SquashedGaussianConfig(hidden=(8,)), [0])
    state = torch.zeros(1, 4001, D)
    mean, log_std = policy._heads(state)
    grid = torch.linspace(-0.9999, 0.9999, 4001)[None, :, None]
    noise = (grid.atanh() - mean) / log_std.exp()
    _, log_probability = policy.sample_with_log_probability(state, noise)
    assert float(torch.trapezoid(log_probability[0].exp(), grid[0, :, 0]).detach()) == pytest.approx(1.0, abs=0.01)


def test_the_target_bootstraps_the_smaller_twin_less_entropy_and_stops_at_ends() -> None:
    sac, batch = learner(initial_log_temperature=-1.0), random_batch(1)
    noise = noise_of((0,), "next")
    action, log_probability = sac.policy.sample_with_log_probability(batch.next_state, noise)
    rows = torch.cat((batch.next_state, action), -1)
    twins = sac.critic_target(rows.unsqueeze(1))[..., 0]
    expected = batch.reward + 0.99 * (~batch.terminal) * (twins.amin(1) - math.exp(-1.0) * log_probability)
    torch.testing.assert_close(sac.bellman_target(batch, noise), expected.detach())
    assert batch.terminal.any()
    torch.testing.assert_close(sac.bellman_target(batch, noise)[batch.terminal], batch.reward[batch.terminal])


def test_one_update_moves_each_part_down_its_own_gradient() -> None:
    sac, batch = learner(), random_batch(1)
    before = vectors(sac)
    sac.update(batch, noise_of((0,), "now"), noise_of((0,), "next"))
    after = vectors(sac)
    for name in before:
        assert (before[name] != after[name]).any(), name
    ahead = after["critic_online"] - before["critic_target"]
    followed = after["critic_target"] - before["critic_target"]
    assert followed[abs(ahead) > 1e-5] == pytest.approx(0.005 * ahead[abs(ahead) > 1e-5], rel=0.05)


def test_one_update_is_the_published_one() -> None:
    """Haarnoja et al. 2018: losses by separate networks and torch's distributions, against what Adam was given.

    Away from the start; the policy's loss is taken at the critics just updated, as in MOPO's code.
    """
    sac = learner(target_entropy=None, initial_log_temperature=-1.0)
    for step in range(3):
        sac.update(random_batch(1, step), noise_of((0,), f"now {step}"), noise_of((0,), f"next {step}"))
    before, target, moments = parts_of(sac), copy.deepcopy(sac.critic_target.views), moments_of(sac)
    batch, noise, next_noise = random_batch(1, 7), noise_of((0,), "now"), noise_of((0,), "next")
    sac.update(batch, noise, next_noise)

    log_temperature = before["temperature"]["log_temperature"]
    temperature = log_temperature.detach().exp()[0, 0]
    with torch.no_grad():
        next_action, next_log = sampled(before["policy"], batch.next_state[0], next_noise[0])
        next_value = torch.minimum(*values(target, batch.next_state[0], next_action)) - temperature * next_log
        goal = batch.reward[0] + 0.99 * ~batch.terminal[0] * next_value
    first, second = values(before["critic"], batch.state[0], batch.action[0])
    action, log_probability = sampled(before["policy"], batch.state[0], noise[0])
    smaller = torch.minimum(*values(parts_of(sac)["critic"], batch.state[0], action))
    losses = {
        "critic": 0.5 * ((first - goal).square() + (second - goal).square()).mean(),
        "policy": (temperature * log_probability - smaller).mean(),
        "temperature": -(log_temperature * (log_probability.detach().mean() - A)).sum(),
    }
    for name, loss in losses.items():
        slopes = torch.autograd.grad(loss, list(before[name].values()), retain_graph=True)
        expected = torch.cat([slope.flatten() for slope in slopes])
        given = (moments_of(sac)[name] - 0.9 * moments[name]) / 0.1
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=2e-6)
        assert expected.abs().max() > 1e-2


def moments_of(sac: SoftActorCritic) -> dict[str, Tensor]:
    """Copies of Adam's first moments."""
    optimizers = {"policy": sac.policy_optimizer, "critic": sac.critic_optimizer}
    optimizers["temperature"] = sac.temperature_optimizer
    return {name: optimizer.first_moment.values.clone() for name, optimizer in optimizers.items()}


def vectors(sac: SoftActorCritic, index: int = 0) -> dict[str, Tensor]:
    """Copies of everything that is trained, or follows what is, of one seed."""
    parts = {"policy": sac.policy, "critic_online": sac.critic_online, "critic_target": sac.critic_target}
    return {name: of_seed(part, index) for name, part in (parts | {"temperature": sac.trained_temperature}).items()}


def parts_of(sac: SoftActorCritic) -> dict[str, dict[str, Tensor]]:
    """Copies of the parameters, by which can be differentiated."""
    parts = {"policy": sac.policy.network, "critic": sac.critic_online, "temperature": sac.trained_temperature}
    return {name: {key: view.detach().clone().requires_grad_() for key, view in part.views.items()}
            for name, part in parts.items()}  # fmt: skip


def run(parameters: list[Tensor], inputs: Tensor) -> Tensor:
    """A network of two hidden layers: weights and biases in turn."""
    first, first_bias, second, second_bias, last, last_bias = parameters
    return ((inputs @ first + first_bias).relu() @ second + second_bias).relu() @ last + last_bias


def values(critics: Mapping[str, Tensor], state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Of both twins, [B] each."""
    rows = torch.cat((state, action), 1)
    first, second = (run([view[0, twin] for view in critics.values()], rows)[:, 0] for twin in range(2))
    return first, second


def sampled(policy: Mapping[str, Tensor], state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions and their log probabilities."""
    mean, log_std = run([view[0] for view in policy.values()], state).chunk(2, 1)
    normal = torch.distributions.Normal(mean, log_std.clamp(-20.0, 2.0).exp())
    squashed = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform(cache_size=1)])
    action = squashed.transforms[0](mean + normal.stddev * noise)
    return action, squashed.log_prob(action).sum(1)


def test_updates_reach_nearly_every_parameter() -> None:
    """Units that no state of a batch activates stay."""
    sac, streams = learner(), SeedStreams((0,), "updates")
    before = vectors(sac)
    for step in range(3):
        sac.update(random_batch(1, step, rows=256), streams.normal(256, A), streams.normal(256, A))
    for name, after in vectors(sac).items():
        assert (before[name] != after).float().mean() > 0.9, name


@pytest.mark.parametrize(("target", "sign"), [(50.0, 1.0), (-50.0, -1.0)])
def test_the_temperature_rises_while_the_entropy_is_too_low(target: float, sign: float) -> None:
    sac = learner(target_entropy=target)
    sac.update(random_batch(1), noise_of((0,), "now"), noise_of((0,), "next"))
    assert float(sac.log_temperature[0]) * sign > 0.0


def test_the_temperature_is_cut_where_the_settings_say() -> None:
    assert float(learner(initial_log_temperature=3.0, highest_temperature=1.0).temperature) == 1.0
    assert float(learner(initial_log_temperature=3.0).temperature) == pytest.approx(math.exp(3.0))


def test_critics_learn_a_constant_reward() -> None:
    sac = learner(discount=0.0, critic_learning_rate=1e-2)
    batch = random_batch(1)
    constant = Batch(
        state=batch.state, action=batch.action, reward=torch.full_like(batch.reward, 2.0),
        next_state=batch.next_state, terminal=batch.terminal,
    )  # fmt: skip
    for _ in range(300):
        sac.update(constant, noise_of((0,), "now"), noise_of((0,), "next"))
    assert sac.action_value(batch.state, batch.action).mean().item() == pytest.approx(2.0, abs=0.1)


def test_a_seed_is_the_same_alone_and_among_others() -> None:
    alone, among = learner((3,)), learner((1, 3))
    one, two = random_batch(1), random_batch(2)
    for name in ("state", "action", "reward", "next_state", "terminal"):
        getattr(two, name)[1] = getattr(one, name)[0]
    for _ in range(5):
        alone.update(one, noise_of((3,), "now"), noise_of((3,), "next"))
        among.update(two, noise_of((1, 3), "now"), noise_of((1, 3), "next"))
    for one_part, other in zip(vectors(alone).values(), vectors(among, 1).values(), strict=True):
        torch.testing.assert_close(one_part, other, atol=1e-5, rtol=1e-4)


def test_a_state_put_back_continues_bit_for_bit() -> None:
    first, second = learner((0, 1)), learner((5, 6))
    batch = random_batch(2)
    for _ in range(3):
        first.update(batch, noise_of((0, 1), "now"), noise_of((0, 1), "next"))
    for index in range(2):
        load_seed_state(second.state_dict(), index, seed_state(first.state_dict(), index))
    for sac in (first, second):
        sac.update(batch, noise_of((0, 1), "now"), noise_of((0, 1), "next"))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_a_diverged_seed_is_told_apart() -> None:
    sac = learner((0, 1))
    with torch.no_grad():
        sac.policy.network.views["weight0"][1] = math.nan
    assert sac.is_sound() == [True, False]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="discount"):
        SoftActorCriticConfig(discount=1.5)
    with pytest.raises(InvalidArgumentError, match="highest_log_std"):
        SquashedGaussianConfig(lowest_log_std=3.0)
