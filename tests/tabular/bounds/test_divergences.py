"""Divergences, their generators and conjugates, and the discriminator whose best value is their JSD."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tabular.bounds.divergences import (
    LOG_2,
    ChiSquared,
    Divergence,
    JensenShannon,
    KullbackLeibler,
    SoftChiSquared,
    TotalVariation,
    divergence,
    gan_value,
    jensen_shannon,
    kl,
    optimal_discriminator,
    optimal_logit,
    total_variation,
)
from tabular.mdps.generators import random_rows
from tabular.types import Floats
from tests.strategies import distribution_pairs, seeds

KINDS: list[Divergence] = [KullbackLeibler(), ChiSquared(), SoftChiSquared(), TotalVariation(), JensenShannon()]
GRID = np.concatenate([[0.0], np.logspace(-6, 4, 4001)])  # ratios x for a numerical supremum
SLOPES = {
    "KL": (-5.0, 5.0),
    "chi-squared": (-5.0, 5.0),
    "soft chi-squared": (-5.0, 5.0),
    "TV": (-1.0, 0.5),
    "JSD": (-5.0, 0.34),
}  # where f* is finite

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
distributions = distribution_pairs()


@every_kind
@given(pair=distributions)
def test_divergence_is_nonnegative_and_zero_only_for_equal_distributions(
    kind: Divergence, pair: tuple[Floats, Floats]
) -> None:
    p, q = pair
    value = float(divergence(kind, p, q))
    assert value >= -1e-12
    assert float(divergence(kind, p, p)) == pytest.approx(0.0, abs=1e-12)
    if np.abs(p - q).max() > 1e-3:
        assert value > 1e-8


@given(distributions)
def test_general_and_direct_formulas_agree(pair: tuple[Floats, Floats]) -> None:
    p, q = pair
    assert float(divergence(KullbackLeibler(), p, q)) == pytest.approx(float(kl(p, q)), abs=1e-9)
    assert float(divergence(TotalVariation(), p, q)) == pytest.approx(float(total_variation(p, q)), abs=1e-12)
    assert float(divergence(JensenShannon(), p, q)) == pytest.approx(float(jensen_shannon(p, q)), abs=1e-12)


@given(distributions)
def test_jensen_shannon_is_symmetric_between_zero_and_log_2(pair: tuple[Floats, Floats]) -> None:
    p, q = pair
    value = float(jensen_shannon(p, q))
    assert value == pytest.approx(float(jensen_shannon(q, p)), abs=1e-14)
    assert -1e-14 <= value <= LOG_2 + 1e-14


def test_jensen_shannon_attains_both_ends() -> None:
    p, q = np.array([0.3, 0.7, 0.0]), np.array([0.0, 0.0, 1.0])
    assert float(jensen_shannon(p, q)) == pytest.approx(LOG_2)
    assert float(jensen_shannon(p, p)) == 0.0


@given(distributions)
def test_pinsker_and_bretagnolle_huber_bound_total_variation(pair: tuple[Floats, Floats]) -> None:
    """The two inequalities that the bounds of theory.md, section 4, rest on."""
    p, q = pair
    distance, cost = float(total_variation(p, q)), float(kl(p, q))
    assert distance <= np.sqrt(max(cost, 0.0) / 2.0) + 1e-9
    assert distance <= np.sqrt(-np.expm1(-max(cost, 0.0))) + 1e-7


def test_pinsker_is_attained_in_the_limit_and_bretagnolle_huber_for_disjoint_supports() -> None:
    near = np.array([0.5 + 1e-4, 0.5 - 1e-4])
    ratio = float(total_variation(near, near[::-1]) / np.sqrt(kl(near, near[::-1]) / 2.0))
    assert ratio == pytest.approx(1.0, abs=1e-6)
    apart = np.eye(2)
    assert float(total_variation(apart[0], apart[1])) == 1.0  # and 1 - exp(-infinity) = 1


def test_divergences_worked_out_by_hand() -> None:
    # p = (1/2, 1/2), q = (1/4, 3/4): ratios 2 and 2/3
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert float(kl(p, q)) == pytest.approx(0.5 * np.log(4 / 3))  # log 2 / 2 + log(2/3) / 2
    assert float(divergence(ChiSquared(), p, q)) == pytest.approx(1 / 3)  # 1/4 + 3/4 * 1/9
    assert float(total_variation(p, q)) == pytest.approx(0.25)
    middle = 0.5 * np.log(0.5 / 0.375) + 0.5 * np.log(0.5 / 0.625) + 0.25 * np.log(0.25 / 0.375)
    assert float(jensen_shannon(p, q)) == pytest.approx((middle + 0.75 * np.log(0.75 / 0.625)) / 2)


@every_kind
def test_conjugate_is_the_supremum_over_ratios(kind: Divergence) -> None:
    """f*(y) = sup_{x >= 0} (x y - f(x)), against a fine grid of x."""
    slopes = np.linspace(*SLOPES[kind.name], 41)
    on_grid = (GRID * slopes[:, None] - kind.generator(GRID)).max(axis=1)
    exact = kind.conjugate(slopes)
    assert (exact >= on_grid - 1e-12).all()
    np.testing.assert_allclose(on_grid, exact, rtol=1e-4, atol=1e-4)


@every_kind
@given(st.floats(0.0, 1.0), st.floats(0.0, 50.0))
def test_fenchel_young_holds_and_is_met_at_the_maximizer(kind: Divergence, place: float, ratio: float) -> None:
    """f(x) + f*(y) >= x y, with equality at x = f*'(y)."""
    low, high = SLOPES[kind.name]
    slope, x = np.array(low + place * (high - low)), np.array(ratio)
    assert kind.generator(x) + kind.conjugate(slope) >= x * slope - 1e-9
    best = kind.conjugate_slope(slope)
    equality = kind.generator(best) + kind.conjugate(slope) - best * slope
    assert float(equality) == pytest.approx(0.0, abs=1e-9 * max(1.0, float(best) ** 2))


@every_kind
def test_conjugate_slope_is_the_derivative_of_the_conjugate(kind: Divergence) -> None:
    low, high = SLOPES[kind.name]
    slopes = np.linspace(low + 0.07, high - 0.07, 50)
    slopes = slopes[np.abs(slopes + 0.5) > 1e-3]  # the kink of TV
    difference = (kind.conjugate(slopes + 1e-6) - kind.conjugate(slopes - 1e-6)) / 2e-6
    np.testing.assert_allclose(kind.conjugate_slope(slopes), difference, rtol=1e-6, atol=1e-6)


@every_kind
def test_slope_at_infinity_is_the_growth_of_the_generator(kind: Divergence) -> None:
    """Where it is finite f(x)/x tends to it and f* is infinite above it; where infinite f(x)/x grows without bound."""
    growth = kind.generator(np.array([1e4, 1e8])) / [1e4, 1e8]
    if np.isinf(kind.slope_at_infinity()):
        assert growth[1] > growth[0] + 5.0
        return
    assert growth[1] == pytest.approx(kind.slope_at_infinity(), rel=1e-6)
    assert kind.conjugate(np.array(kind.slope_at_infinity() + 1e-6)) == np.inf


@every_kind
def test_generators_vanish_at_one_and_are_finite_at_zero(kind: Divergence) -> None:
    assert float(kind.generator(np.array(1.0))) == pytest.approx(0.0, abs=1e-15)
    assert np.isfinite(kind.generator(np.array(0.0)))


def test_zeros_are_taken_at_their_limits() -> None:
    """0 log 0 = 0 in p and shared zeros are free; mass where q has none is infinite for KL and chi-square only."""
    p, q = np.array([0.0, 0.5, 0.5]), np.array([0.0, 0.25, 0.75])
    assert float(kl(p, q)) == pytest.approx(0.5 * np.log(4 / 3))
    assert float(kl(np.array([0.0, 1.0]), np.array([0.5, 0.5]))) == pytest.approx(LOG_2)
    alone = np.eye(2)
    for kind, value in zip(KINDS, (np.inf, np.inf, np.inf, 1.0, LOG_2), strict=True):
        assert float(divergence(kind, alone[0], alone[1])) == pytest.approx(value)
    assert float(kl(alone[0], alone[1])) == np.inf


@every_kind
@given(seed=seeds())
def test_divergence_broadcasts_over_earlier_axes(kind: Divergence, seed: int) -> None:
    rows = random_rows((3, 4), np.random.default_rng(seed))
    one = rows[0]
    together = divergence(kind, rows, one)
    np.testing.assert_allclose(together, [divergence(kind, row, one) for row in rows], atol=1e-14)


@given(distributions)
def test_gan_value_at_the_optimal_logit_is_twice_jsd_less_2_log_2(pair: tuple[Floats, Floats]) -> None:
    """AMPL, Eq. 16."""
    p, q = pair
    value = float(gan_value(p, q, optimal_logit(p, q)))
    assert value == pytest.approx(2 * float(jensen_shannon(p, q)) - 2 * LOG_2, abs=1e-12)


@given(distributions)
def test_optimal_logit_is_the_logit_of_the_optimal_discriminator(pair: tuple[Floats, Floats]) -> None:
    p, q = pair
    np.testing.assert_allclose(expit(optimal_logit(p, q)), optimal_discriminator(p, q), atol=1e-14)


@given(distributions, seeds())
def test_no_other_discriminator_does_better(pair: tuple[Floats, Floats], seed: int) -> None:
    p, q = pair
    best = optimal_logit(p, q)
    generator = np.random.default_rng(seed)
    near = np.clip(best, -30.0, 30.0) + 0.01 * generator.normal(size=(20, len(p)))
    far = generator.normal(0.0, 5.0, (20, len(p)))
    top = float(gan_value(p, q, best))
    assert (gan_value(p, q, near) <= top + 1e-12).all()
    assert (gan_value(p, q, far) <= top + 1e-12).all()


def test_discriminators_worked_out_by_hand() -> None:
    p, q = np.array([0.75, 0.25, 0.0]), np.array([0.25, 0.75, 0.0])
    np.testing.assert_allclose(optimal_discriminator(p, q), [0.75, 0.25, 0.5])  # 1/2 where nothing is known
    np.testing.assert_allclose(optimal_logit(p, q), [np.log(3.0), -np.log(3.0), 0.0])
    assert float(gan_value(p, q, np.zeros(3))) == pytest.approx(-2 * LOG_2)  # a blind guess
    assert float(gan_value(p, q, np.array([-np.inf, 0.0, 0.0]))) == -np.inf  # sure and wrong
    assert float(gan_value(p, q, np.array([-1e3, 0.0, 0.0]))) == pytest.approx(-750.0 - LOG_2)  # finite, however sure
