"""What AMPL sees of a task: rescaled rewards and simulator resets."""

import numpy as np
import pytest
import torch

from ampl.randomness import stream
from continuous.algorithms.ampl.offline_data import rescale_rewards, reset_states, reward_units
from continuous.environments.batch import BatchSimulator
from continuous.environments.registry import robot_for
from continuous.tasks.find import find_task


def test_rescaled_rewards_lie_between_a_thousandth_of_the_span_and_just_above_one() -> None:
    """Facts of the released code: (r - min + 1e-3) / (max - min)."""
    reward = torch.tensor([-2.0, 0.0, 6.0])
    torch.testing.assert_close(rescale_rewards(reward), torch.tensor([1e-3, 2.001, 8.001]) / 8.0)
    torch.testing.assert_close(rescale_rewards(torch.full((3,), 5.0)), torch.full((3,), 1e-3))


@pytest.mark.parametrize("span", [0.125, 0.02, 1e-3, 1e-5, 1e-30])
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_rewards_of_a_small_span_stay_just_above_zero_and_below_one_and_a_hundredth(span: float, low: float) -> None:
    reward = low * span + torch.tensor([0.0, span / 2, span])
    torch.testing.assert_close(rescale_rewards(reward), torch.tensor([0.008, 0.508, 1.008]))


def test_rewards_whose_span_is_beyond_float32_are_rescaled_all_the_same() -> None:
    rescaled = rescale_rewards(torch.tensor([-3e38, 0.0, 3e38]))
    torch.testing.assert_close(rescaled, torch.tensor([0.0, 0.5, 1.0]))


def test_rewards_that_differ_by_rounding_alone_are_equal() -> None:
    one = torch.ones(2)
    rescaled = rescale_rewards(torch.cat((one, one.nextafter(torch.tensor(2.0)))))
    torch.testing.assert_close(rescaled, torch.full((4,), 1e-3), atol=1e-6, rtol=0.0)


def test_start_states_are_resets_of_the_simulator_and_the_same_every_time() -> None:
    robot = robot_for(find_task("hopper-medium-v2"))
    states = reset_states(robot, 300)
    assert states.shape == (300, robot.observation_size)
    assert torch.equal(states, reset_states(robot, 300))
    assert abs(states[:, 0].mean().item() - 1.25) < 1e-3  # Hopper starts 1.25 m high, give or take 5 mm
    assert 0.0 < states[:, 0].std().item() < 5e-3
    assert len(states.unique(dim=0)) == 300


@pytest.mark.parametrize("name", ["hopper-medium-v2", "walker2d-medium-v2", "halfcheetah-medium-v2", "maze2d-umaze-v1"])
def test_start_states_are_those_of_the_simulator_bit_for_bit(name: str) -> None:
    robot = robot_for(find_task(name))
    generator = stream(0, "start states")
    with BatchSimulator(robot, threads=1) as simulator:
        expected = simulator.begin([robot.start(generator) for _ in range(50)]).astype(np.float32)
    assert np.array_equal(reset_states(robot, 50).numpy(), expected)


def test_reward_units_undo_the_rescaling() -> None:
    reward = torch.tensor([-3.0, 1.0, 12.5, 4.0])
    rescaled = rescale_rewards(reward)
    slope, intercept = reward_units(reward, rescaled)
    torch.testing.assert_close(slope * rescaled + intercept, reward, rtol=1e-5, atol=1e-5)
    constant = torch.full((3,), 2.0)
    slope, intercept = reward_units(constant, rescale_rewards(constant))
    torch.testing.assert_close(slope * rescale_rewards(constant) + intercept, constant)
