"""The loss that judges a model by the value of the next states it predicts."""

from collections.abc import Sequence

import pytest
import torch

from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.policy import ImplicitPolicy, ImplicitPolicyConfig
from continuous.algorithms.ampl.value_model_loss import ValueModelLoss
from continuous.model.fit import fit_network
from continuous.model.network import Standardization
from continuous.networks.streams import SeedStreams
from tests.continuous.model.small_dynamics import ROWS, linear_table, make_network, small


def value_loss(seeds: Sequence[int]) -> tuple[ValueModelLoss, TwinCritic, ImplicitPolicy, Standardization]:
    critic = TwinCritic(3, 2, CriticConfig(hidden=(8, 8)), seeds)
    policy = ImplicitPolicy(3, 2, ImplicitPolicyConfig(noise_size=1, noise_scale=0.0, hidden=(8, 8)), seeds)
    standardization = Standardization(3, 2)
    standardization.fit(linear_table())
    return ValueModelLoss(critic.first_head(), policy, standardization), critic, policy, standardization


def test_the_value_loss_is_the_likelihood_of_the_reward_and_the_difference_in_value_of_the_next_states() -> None:
    loss, critic, policy, standardization = value_loss([0, 1])
    network, table = make_network([0, 1]), linear_table()
    network.bounds.views["upper"].detach()[:, 1:] = -19.0  # next states as good as certain
    network.bounds.views["lower"].detach()[:, 1:] = -20.0
    inputs, target = ROWS[None, None, :6, :5].expand(2, 4, 6, 5), ROWS[None, None, :6, 5:].expand(2, 4, 6, 4)
    losses = loss.rows(network, inputs, target, SeedStreams([0, 1], "loss"))
    mean, log_std = network(inputs)
    reward_loss = ((mean - target) ** 2 * (-2.0 * log_std).exp() + 2.0 * log_std)[..., 0]
    for member in range(4):
        values = []
        change = mean[:, member, :, 1:] * standardization.target_std[1:] + standardization.target_mean[1:]
        for next_state in (table.next_state[:6].expand(2, 6, 3), table.state[:6] + change):
            action, _ = policy.sample(next_state, torch.zeros(2, 6, 1))
            values.append(critic.action_value(next_state, action)[:, 0])
        difference = (values[0] - values[1]).abs()
        assert (difference > 1e-4).all()
        torch.testing.assert_close(losses[:, member], reward_loss[:, member] + difference)


def test_the_value_loss_reaches_the_state_prediction_but_neither_critic_nor_policy() -> None:
    loss, critic, policy, _ = value_loss([0])
    network = make_network([0])
    total = loss.rows(network, ROWS[None, None, :20, :5], ROWS[None, None, :20, 5:], SeedStreams([0], "loss")).sum()
    for parameters in (policy.network, critic.online):
        with pytest.raises(RuntimeError, match="not have been used"):
            parameters.gradient(total, retain_graph=True)
    head = network.members.gradient(total)[-1][0, :, 0]  # bias of the last layer, [E, 2 (D + 1)]
    assert (head.abs() > 0.0).all()


def test_a_part_of_the_value_loss_uses_the_critic_and_policy_of_its_seeds() -> None:
    loss, *_ = value_loss([0, 1, 2])
    network, inputs, target = make_network([0, 1, 2]), ROWS[None, None, :6, :5], ROWS[None, None, :6, 5:]
    whole = loss.rows(network, inputs.expand(3, 1, 6, 5), target.expand(3, 1, 6, 4), SeedStreams([4, 5, 6], "loss"))
    part = loss.select([1, 2]).select([1])
    own = part.rows(network.select([2]), inputs, target, SeedStreams([6], "loss"))
    torch.testing.assert_close(own[0], whole[2])


def test_a_refit_by_the_value_loss_draws_next_states_together_in_value() -> None:
    loss, *_, standardization = value_loss([0])
    config = small(max_steps=200, steps_per_look=50, patience=10)
    network, streams = make_network([0], config), SeedStreams([0], "fit")
    rows = standardization.fit(linear_table())
    with torch.no_grad():
        before = loss.rows(network, rows[None, None, :, :5], rows[None, None, :, 5:], streams).mean()
    (result,) = fit_network(network, rows, None, streams, loss)
    assert float(result.holdout_loss.mean()) < float(before) - 0.5
