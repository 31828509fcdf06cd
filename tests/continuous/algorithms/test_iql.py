"""IQL: the expectile, the weights of the policy's objective, and rewards that span a range."""

from __future__ import annotations

import pytest
import torch

from continuous.algorithms.iql.iql import IQL, IQLLearner, expectile_loss, reward_scale
from continuous.networks.streams import SeedStreams
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.algorithms.small_ampl import line_table, surroundings
from tests.continuous.algorithms.small_model_free import small_config, small_model_free


@pytest.mark.parametrize("expectile", [0.1, 0.5, 0.7, 0.9])
def test_the_loss_is_least_at_the_expectile(expectile: float) -> None:
    """Of zero and one, alike often, it is tau itself; of any numbers, where the slope is zero."""
    zero_or_one = torch.tensor([0.0, 1.0])
    guesses = torch.linspace(0.0, 1.0, 1001)
    losses = expectile_loss(zero_or_one - guesses[:, None], expectile).mean(1)
    assert float(guesses[losses.argmin()]) == pytest.approx(expectile, abs=1e-3)


def test_the_policys_weights_are_exponential_and_cut() -> None:
    learner = IQLLearner(line_table(), small_config("iql"), [0, 1])
    batch = line_table().sample(4, SeedStreams([0, 1], "batch"))
    advantage = torch.tensor([[-1.0, 0.0, 1.0, 5.0], [0.1, 0.2, 2.0, -9.0]])
    weight = (3.0 * advantage).exp().clamp(max=100.0)
    likelihood = torch.distributions.Normal(learner.policy.network(batch.state).tanh(), 1.0).log_prob(batch.action)
    torch.testing.assert_close(learner.policy_loss(batch, advantage), -(weight * likelihood[..., 0]).mean(1))


def test_updates_are_those_of_plain_autograd() -> None:
    """V against the target twins, then Q against the new V: the losses that are recorded, of a first update."""
    learner = IQLLearner(line_table(), small_config("iql"), [3])
    batch = line_table().sample(16, SeedStreams([3], "batch"))
    pairs = torch.cat((batch.state, batch.action), -1)[:, None]
    best = learner.critic_target(pairs)[..., 0].amin(1)
    value_loss = expectile_loss(best - learner.value(batch.state)[..., 0], 0.7).mean()
    twins = learner.critic_online(pairs)[..., 0].detach().clone()
    learner.update(batch)
    target = batch.reward + 0.99 * learner.value(batch.next_state)[..., 0]
    torch.testing.assert_close(learner.sums["value/loss"][0], value_loss.detach())
    torch.testing.assert_close(
        learner.sums["critic/loss"][0], (twins - target[:, None]).square().mean(-1).sum().detach()
    )


def test_rewards_are_scaled_so_that_returns_span_a_thousand_and_values_are_given_in_the_tasks_units() -> None:
    algorithm = small_model_free("iql")
    assert isinstance(algorithm, IQL)
    table = line_table()
    scale = reward_scale(table, 1000.0)
    returns = scale * table.reward.view(-1, 10).sum(1)
    assert float(returns.max() - returns.min()) == pytest.approx(1000.0, rel=1e-4)
    torch.testing.assert_close(algorithm.table.reward, scale * table.reward)
    torch.testing.assert_close(algorithm.in_reward_units(torch.tensor(scale), torch.tensor(7.0)), torch.tensor(1.0))
    assert reward_scale(table.changed(episode_return=torch.ones(400)), 1000.0) == 1.0


@pytest.mark.parametrize(
    ("name", "complete", "span"),
    [("iql", (True, True, False), 98.0), ("o-dice", (True, True, False), 10.0), ("o-dice", (False,) * 3, 98.0)],
)
def test_the_episode_that_the_data_cut_off_counts_for_iql_and_not_for_o_dice(
    name: str, complete: tuple[bool, ...], span: float
) -> None:
    """Unless no episode is whole."""
    of_episode = {"episode_return": torch.tensor([90.0, 100.0, 2.0]), "episode_complete": torch.tensor(complete)}
    table = line_table(30).changed(**{column: values.repeat_interleave(10) for column, values in of_episode.items()})
    algorithm = FACTORIES[name].algorithm.on_data(table, small_config(name), (0,), surroundings())
    torch.testing.assert_close(algorithm.table.reward, 1000.0 / span * table.reward)


@pytest.mark.parametrize("name", ["iql", "o-dice"])
def test_rewards_are_scaled_on_the_three_robots_of_the_codes_alone(name: str) -> None:
    tasks = ("halfcheetah-medium-v2", "hopper-medium-v0", "walker2d-expert-v2", "ant-medium-v2", "maze2d-umaze-v1")
    ranges = [FACTORIES[name].settings(find_task(task), "main").return_range for task in tasks]
    assert ranges == [1000.0, 1000.0, 1000.0, None, None]
