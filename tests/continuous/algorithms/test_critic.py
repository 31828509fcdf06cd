"""The twin critics: Bellman targets worked out by hand, losses, targets, and exploding bootstraps."""

import pytest
import torch

from ampl.errors import InvalidArgumentError
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.replay.buffers import Batch
from tests.continuous.networks.seed_vector import of_seed


def critic(seeds: list[int], discount: float = 0.99, **settings: float) -> TwinCritic:
    config = CriticConfig(hidden=(16, 8), **settings)  # type: ignore[arg-type]
    return TwinCritic(2, 1, config, seeds, discount=discount)


def constant(of: TwinCritic, first: float, second: float) -> None:
    """Makes the target twins of a critic constant."""
    views = of.target.views
    for name, view in views.items():
        view.zero_()
        if name == f"bias{len(views) // 2 - 1}":
            view[:, 0], view[:, 1] = first, second


def batch(n_seeds: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        state=torch.randn(n_seeds, 4, 2, generator=generator),
        action=torch.randn(n_seeds, 4, 1, generator=generator),
        reward=torch.tensor([[0.0, 1.0, 2.0, 3.0]]).repeat(n_seeds, 1),
        next_state=torch.randn(n_seeds, 4, 2, generator=generator),
        terminal=torch.tensor([[False, False, True, False]]).repeat(n_seeds, 1),
    )


def test_the_target_mixes_the_twins_and_stops_at_terminals() -> None:
    """AMPL, Eq. 12: y = r + gamma (c min + (1 - c) max)."""
    subject = critic([0], discount=0.9, lower_share=0.75)
    constant(subject, 4.0, 8.0)
    target = subject.bellman_target(batch(), torch.zeros(1, 4, 1))
    torch.testing.assert_close(target, torch.tensor([[4.5, 5.5, 2.0, 7.5]]))  # 0.9 * (3 + 2)


def test_values_beyond_the_bound_are_not_bootstrapped() -> None:
    subject = critic([0], bootstrap_bound=2000.0)
    constant(subject, 2001.0, 2001.0)
    assert torch.equal(subject.bellman_target(batch(), torch.zeros(1, 4, 1)), batch().reward)
    constant(subject, -2001.0, -2001.0)
    assert torch.equal(subject.bellman_target(batch(), torch.zeros(1, 4, 1)), batch().reward)


def test_the_loss_is_the_huber_loss_of_both_twins() -> None:
    subject = critic([0], huber_delta=0.5)
    data, next_action = batch(), torch.zeros(1, 4, 1)
    error = (subject.action_value(data.state, data.action) - subject.bellman_target(data, next_action)).detach().abs()
    by_hand = torch.where(error < 0.5, 0.5 * error**2, 0.5 * (error - 0.25)).mean(-1).sum(-1)
    torch.testing.assert_close(subject.update(data, next_action), by_hand)


def test_updates_fit_the_targets_and_the_targets_follow() -> None:
    subject = critic([0, 1], learning_rate=1e-2, discount=0.0, gradient_norm=10.0)
    data, next_action = batch(2), torch.zeros(2, 4, 1)
    first = subject.update(data, next_action)
    for _ in range(300):
        last = subject.update(data, next_action)
    assert (last < 0.01 * first).all()
    behind = (subject.target.values - subject.online.values).norm()
    subject.follow()
    after = (subject.target.values - subject.online.values).norm()
    torch.testing.assert_close(after, 0.995 * behind)


def test_seed_3_alone_equals_seed_3_among_five() -> None:
    alone, among = critic([3]), critic([0, 1, 2, 3, 4])
    data, next_action = batch(5), torch.zeros(5, 4, 1)
    own = Batch(**{name: column[3:4] for name, column in data._asdict().items()})
    for _ in range(20):
        alone.update(own, next_action[3:4])
        among.update(data, next_action)
    torch.testing.assert_close(of_seed(alone.online, 0), of_seed(among.online, 3))


def test_heads_are_copies_of_the_first_twin() -> None:
    subject = critic([0, 1])
    subject.online.values.mul_(2.0)
    data = batch(2)
    pairs = torch.cat((data.state, data.action), -1)
    torch.testing.assert_close(subject.first_head()(pairs)[..., 0], subject.action_value(data.state, data.action)[:, 0])
    torch.testing.assert_close(
        subject.first_head_target()(pairs)[..., 0], subject.target_value(data.state, data.action)[:, 0]
    )


def test_a_state_put_back_continues_bit_for_bit() -> None:
    subject, other = critic([0, 1]), critic([7, 8])
    data, next_action = batch(2), torch.zeros(2, 4, 1)
    for _ in range(3):
        subject.update(data, next_action)
        subject.follow()
    for index in range(2):
        load_seed_state(other.state_dict(), index, seed_state(subject.state_dict(), index))
    for each in (subject, other):
        each.update(data, next_action)
        each.follow()
    assert torch.equal(subject.online.values, other.online.values)
    assert torch.equal(subject.target.values, other.target.values)


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match="lower_share"):
        CriticConfig(lower_share=1.5)
    with pytest.raises(InvalidArgumentError, match="gradient_norm"):
        CriticConfig(gradient_norm=-1.0)
