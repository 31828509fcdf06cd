"""One step of TD3+BC: the smoothed target, the weight of the value, and what waits for the second step."""

from __future__ import annotations

import pytest
import torch

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.algorithms.td3_bc.td3_bc import TD3BC, TD3BCLearner
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_free import small_config, small_model_free


def learner_and_batch() -> tuple[TD3BCLearner, Batch]:
    """Of two seeds; a quarter of the rows end."""
    learner = TD3BCLearner(line_table(), small_config("td3-bc"), [0, 1])
    batch = learner.standardized(line_table().sample(16, SeedStreams([0, 1], "batch")))
    return learner, batch._replace(terminal=torch.arange(16).expand(2, -1) % 4 == 0)


def test_the_target_is_the_smaller_target_twins_value_of_a_smoothed_action_in_bounds() -> None:
    learner, batch = learner_and_batch()
    learner.policy_target.values.mul_(3.0)  # near the bounds
    noise = torch.linspace(-4.0, 4.0, 16).expand(2, -1)[..., None]  # beyond the bound of half at 2.5 on either side
    found = learner.bellman_target(batch, noise)
    for seed in range(2):
        for row in range(16):
            state = batch.next_state[seed, row]
            smoothed = learner.policy_target(batch.next_state).tanh()[seed, row] + max(
                -0.5, min(0.5, 0.2 * noise[0, row])
            )
            pair = torch.cat((state, smoothed.clamp(-1.0, 1.0)))
            value = learner.critic_target(pair.expand(2, 2, 1, -1))[seed, :, 0, 0].min()
            expected = batch.reward[seed, row] + (0.0 if row % 4 == 0 else 0.99 * value)
            torch.testing.assert_close(found[seed, row], expected)


def test_the_value_is_weighed_by_its_own_size() -> None:
    """lambda = alpha / mean|Q|: a critic of another scale and sign changes neither part of the loss by its size."""
    learner, batch = learner_and_batch()
    loss, distance = learner.policy_loss(batch)
    action = learner.policy.network(batch.state).tanh()
    value = learner.critic_online(torch.cat((batch.state, action), -1)[:, None])[:, 0, :, 0]
    torch.testing.assert_close(distance, (action - batch.action).square().mean((1, 2)))
    torch.testing.assert_close(loss, distance - 2.5 * value.mean(1) / value.abs().mean(1))
    for name in ("weight1", "bias1"):
        learner.critic_online.views[name].detach().mul_(100.0)
    torch.testing.assert_close(learner.policy_loss(batch)[0], loss)


def test_policy_and_targets_move_on_every_second_step_only() -> None:
    learner, _ = learner_and_batch()
    batch, noise = line_table().sample(16, SeedStreams([0, 1], "batch")), torch.zeros(2, 16, 1)
    waiting = (learner.policy.network, learner.policy_target, learner.critic_target)
    before = [each.values.clone() for each in waiting]
    critics = learner.critic_online.values.clone()
    learner.update(batch, noise, trains_policy=False)
    assert all(torch.equal(each.values, old) for each, old in zip(waiting, before, strict=True))
    assert not torch.equal(learner.critic_online.values, critics)
    learner.update(batch, noise, trains_policy=True)
    assert not any(torch.equal(each.values, old) for each, old in zip(waiting, before, strict=True))
    algorithm = small_model_free("td3-bc")
    assert isinstance(algorithm, TD3BC)
    algorithm.improve_policy(1)
    counts = [
        each.count.item()
        for each in (algorithm.learner.critic_optimizer, algorithm.learner.policy_optimizer.optimizers[0])
    ]
    assert counts == [6.0, 3.0]


def test_an_epoch_has_whole_periods() -> None:
    refused = small_config("td3-bc", **{"schedule.steps_per_epoch": 7, "policy_period": 3})
    with pytest.raises(InvalidArgumentError, match=r"is 7; expected a multiple of 3,.* Use --steps-per-epoch 6"):
        refused.check_whole_epochs()
    with pytest.raises(InvalidArgumentError, match=r"is 7; expected a multiple of 3"):  # a class built by hand
        small_model_free("td3-bc", **{"schedule.steps_per_epoch": 7, "policy_period": 3})
    small_config("td3-bc", policy_period=3).scaled(Scale(steps_per_epoch=21)).check_whole_epochs()
