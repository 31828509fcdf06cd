"""Theorem A.1 and Theorem 5.3: each holds for a dominating f, is an equality for KL, and breaks for a smaller f."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import InvalidArgumentError
from tabular.alignment.surrogate import (
    optimal_classifier,
    regularized_return,
    surrogate,
    theorem_a1,
)
from tabular.alignment.transition_support import TransitionOccupancies
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler, divergence
from tabular.exact.occupancy import expected_return
from tests.tabular.alignment.alignments import ALPHAS, aligned_occupancies, random_support

DOMINATING = (KullbackLeibler(), ChiSquared(), Cubic())


class HalfChiSquared(ChiSquared):
    """(x - 1)^2 / 2, the quadratic that touches x log x at one: does not dominate KL."""

    name = "half chi-squared"

    def generator(self, ratio: np.ndarray) -> np.ndarray:
        return super().generator(ratio) / 2.0


@given(aligned_occupancies(), st.sampled_from(DOMINATING))
def test_theorem_a1_holds_for_dominating_divergences(occupancies: TransitionOccupancies, kind: Divergence) -> None:
    sides = theorem_a1(occupancies, kind)
    assert sides.left <= sides.right + 1e-9 * (1.0 + abs(sides.right))


@given(aligned_occupancies())
def test_theorem_a1_is_an_equality_for_kl(occupancies: TransitionOccupancies) -> None:
    sides = theorem_a1(occupancies, KullbackLeibler())
    assert sides.left == pytest.approx(sides.right, abs=1e-9)


def test_theorem_a1_fails_for_a_divergence_that_does_not_dominate_kl() -> None:
    broken = 0
    for seed in range(50):
        support = random_support(seed, n_states=2, n_actions=1)
        sides = theorem_a1(support.occupancies(np.ones((2, 1))), HalfChiSquared())
        broken += sides.left > sides.right + 1e-6
    assert broken > 0


@given(st.integers(0, 2**32 - 1), st.sampled_from(DOMINATING))
def test_these_divergences_dominate_kl(seed: int, kind: Divergence) -> None:
    p, q = np.random.default_rng(seed).dirichlet(np.full(4, 0.3), 2)
    assert divergence(KullbackLeibler(), p, q) <= divergence(kind, p, q) + 1e-9


@given(aligned_occupancies(), st.sampled_from(DOMINATING), st.sampled_from(ALPHAS))
def test_theorem_53_the_surrogate_is_a_lower_bound(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float
) -> None:
    lower = surrogate(occupancies, alpha, kind)
    middle = regularized_return(occupancies, alpha)
    upper = expected_return(occupancies.support.mdp, occupancies.policy)
    scale = 1e-9 * (1.0 + abs(lower))
    assert lower <= middle + scale
    assert middle <= upper + scale


def test_theorem_53_fails_for_a_small_f() -> None:
    """With half of chi-squared, S exceeds J - alpha KL on some MDP."""
    broken = 0
    for seed in range(50):
        support = random_support(seed, n_states=2, n_actions=1)
        occupancies = support.occupancies(np.ones((2, 1)))
        broken += surrogate(occupancies, 10.0, HalfChiSquared()) > regularized_return(occupancies, 10.0) + 1e-6
    assert broken > 0


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_must_be_positive(alpha: float) -> None:
    occupancies = random_support(0).occupancies(np.full((5, 3), 1.0 / 3.0))
    with pytest.raises(InvalidArgumentError, match="expected a positive finite number"):
        surrogate(occupancies, alpha, KullbackLeibler())


@given(aligned_occupancies())
def test_the_classifier_gives_the_log_ratio(occupancies: TransitionOccupancies) -> None:
    chance = optimal_classifier(occupancies)
    modeled = occupancies.model > 1e-12
    with np.errstate(divide="ignore"):
        log_ratio = np.log((1.0 - chance[modeled]) / chance[modeled])
    np.testing.assert_allclose(log_ratio, occupancies.log_ratio()[modeled], atol=1e-3)


def test_transitions_typical_of_the_model_lose_reward() -> None:
    """R > 0 where the model goes more often than the data, which fixes the sign of DAMO's Eq. 4."""
    occupancies = random_support(3).occupancies(np.full((5, 3), 1.0 / 3.0))
    typical = occupancies.model > occupancies.data
    assert (occupancies.log_ratio()[typical] > 0.0).all()
