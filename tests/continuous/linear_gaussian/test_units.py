"""Results that neither the units of states and actions nor rounding may decide."""

import numpy as np
import pytest

from ampl.errors import InvalidDistributionError
from continuous.linear_gaussian.divergences import policy_divergence
from continuous.linear_gaussian.families import random_mdp
from continuous.linear_gaussian.mixtures import GaussianMixture, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.rewards import BoundedReward


def covariance(size: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((size, size))
    return np.asarray(root @ root.T + 0.1 * np.eye(size))


@pytest.mark.parametrize("unit", [[1e6, 1.0, 1e-6, 1e-6, 1e6], [1e-8, 1e8, 1.0, 1.0, 1.0]])
def test_a_bounded_reward_is_worth_the_same_in_every_unit(unit: list[float]) -> None:
    weight, spread, mean = covariance(5, 0), covariance(5, 1), np.arange(5.0) / 5.0
    change = np.diag(unit)
    back = np.diag(1.0 / np.array(unit))
    plain = BoundedReward(weight).expectation(mean, spread)
    scaled = BoundedReward(back @ weight @ back).expectation(change @ mean, change @ spread @ change)
    assert scaled == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("radius", [1.04, 1.05])
def test_a_bounded_return_of_an_unstable_loop_is_near_the_stable_ones(radius: float) -> None:
    """States grow without end, but the discount outweighs them; the return is smooth in the radius."""

    def of(this: float) -> float:
        mdp = random_mdp(3, 2, np.random.default_rng(0), discount=0.9, radius=this)
        return expected_return(mdp, AffineGaussianPolicy(np.zeros((2, 3)), np.zeros(2), 0.1 * np.eye(2)))

    stable = [of(0.99), of(1.01), of(1.03)]
    trend = np.polyval(np.polyfit([0.99, 1.01, 1.03], stable, 2), radius)
    assert of(radius) == pytest.approx(float(trend), rel=1e-2)


def law(size: int) -> GaussianMixture:
    return GaussianMixture(shares=np.ones(1), means=np.zeros((1, size)), covariances=np.eye(size)[None])


@pytest.mark.parametrize("change", [1e-3, 1e-6, 1e-8, -1e-8])
def test_divergences_of_covariances_near_one_another_have_digits(change: float) -> None:
    """KL(N(0, (1 + x) C), N(0, C)) = n (x - log(1 + x)) / 2, which is n x^2 / 4 nearly."""
    spread = covariance(3, 2)
    policies = [AffineGaussianPolicy(np.zeros((3, 2)), np.zeros(3), scale * spread) for scale in (1.0 + change, 1.0)]
    found = policy_divergence(law(5), *policies)
    expected = 1.5 * (change - np.log1p(change)) if abs(change) > 1e-4 else 0.75 * change**2
    assert found == pytest.approx(expected, rel=1e-5, abs=0.0)


def test_divergences_far_apart_are_as_before() -> None:
    narrow, wide = (AffineGaussianPolicy(np.zeros((2, 2)), np.zeros(2), scale * np.eye(2)) for scale in (1e-6, 1.0))
    assert policy_divergence(law(4), narrow, wide) == pytest.approx(1e-6 - 1.0 - np.log(1e-6), rel=1e-12)
    assert policy_divergence(law(4), wide, narrow) == pytest.approx(1e6 - 1.0 - np.log(1e6), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_deterministic_policy_has_no_density_even_where_rounding_lets_it_through(seed: int) -> None:
    """At discount 0 actions are a function of the starts, so that the covariance of pairs has a rank too few."""
    generator = np.random.default_rng(seed)
    plain = random_mdp(2, 2, generator, discount=0.0)
    gain = generator.standard_normal((2, 2))
    deterministic = AffineGaussianPolicy(gain, np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(InvalidDistributionError, match="singular"):
        occupancy(plain, deterministic).log_density(np.zeros((1, 4)))


@pytest.mark.parametrize("seed", range(20))
def test_noise_along_one_line_makes_the_divergence_infinite(seed: int) -> None:
    generator = np.random.default_rng(seed)
    along = generator.standard_normal((3, 1))
    line, full = (
        AffineGaussianPolicy(np.zeros((3, 2)), np.zeros(3), spread) for spread in (along @ along.T, np.eye(3))
    )
    with pytest.raises(InvalidDistributionError, match="infinite"):
        policy_divergence(law(5), full, line)
