"""The rewards that AMPL learns from."""

import pytest
import torch

from continuous.algorithms.ampl.rewards import rescale_rewards, reward_units


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


def test_reward_units_undo_the_rescaling() -> None:
    reward = torch.tensor([-3.0, 1.0, 12.5, 4.0])
    rescaled = rescale_rewards(reward)
    slope, intercept = reward_units(reward, rescaled)
    torch.testing.assert_close(slope * rescaled + intercept, reward, rtol=1e-5, atol=1e-5)
    constant = torch.full((3,), 2.0)
    slope, intercept = reward_units(constant, rescale_rewards(constant))
    torch.testing.assert_close(slope * rescale_rewards(constant) + intercept, constant)
