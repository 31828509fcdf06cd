"""DAMO's inner minimum: its optimality condition, its closed form, its gap to the surrogate, and the exact repair."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ampl.errors import AbsoluteContinuityError, InvalidArgumentError, NotConvergedError, UnknownNameError
from tabular.alignment import inner_minimum as inner
from tabular.alignment import ratio_program
from tabular.alignment.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.alignment.ratio_program import RatioProgram, solve_ratios
from tabular.alignment.surrogate import surrogate
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, JensenShannon, KullbackLeibler
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import uniform_policy
from tabular.mdps.grid_world import grid_world
from tests.tabular.alignment.alignments import ALPHAS, aligned_occupancies, random_support

KINDS = (KullbackLeibler(), ChiSquared(), Cubic())


def _near(value: float) -> float:
    return 1e-7 * (1.0 + abs(value))


def _objective(occupancies: TransitionOccupancies, alpha: float, kind: Divergence, table: np.ndarray) -> float:
    """Eq. 2 as printed, for any Q."""
    support, policy = occupancies.support, occupancies.policy
    discount = support.mdp.discount
    expected = (policy * table).sum(axis=1)
    residual = support.reward - alpha * occupancies.log_ratio()
    residual = residual + discount * expected[support.next_state] - table.ravel()[support.pair]
    start = (1.0 - discount) * float(support.mdp.initial @ expected)
    met = occupancies.model > 0.0  # elsewhere the conjugate may overflow, at a mass of zero
    return start + alpha * float(occupancies.model[met] @ kind.conjugate(residual[met] / alpha))


@given(aligned_occupancies(), st.sampled_from(KINDS), st.sampled_from(ALPHAS))
def test_theorem_52_ratios_are_the_conjugates_slope_and_follow_the_flow(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float
) -> None:
    solution = inner_minimum(occupancies, alpha, kind)
    modeled = occupancies.model > 0.0
    expected = kind.conjugate_slope(solution.residual / alpha)
    np.testing.assert_allclose((occupancies.model * expected)[modeled], solution.occupancy[modeled], atol=2e-5)
    support, policy = occupancies.support, occupancies.policy
    arriving = support.mdp.discount * support.by_next_state(solution.occupancy)
    entering = (1.0 - support.mdp.discount) * support.mdp.initial + arriving
    np.testing.assert_allclose(support.by_pair(solution.occupancy), entering[:, None] * policy, atol=1e-8)


def test_a_gap_that_grows_at_first_ends_nothing() -> None:
    """At a small alpha the conjugate of KL explodes for the first dozen steps."""
    design = np.zeros((7, 3))
    design[[0, 2, 6], [0, 1, 2]] = 0.01
    design[[1, 1, 3, 3, 4, 4, 5, 5], [0, 1, 1, 2, 0, 2, 1, 2]] = [-0.99, 1.0, 1.0, -0.99, -0.99, 1.0, -0.99, 1.0]
    mass = np.array([0.98257, 0.00421, 0.00156, 0.00404, 0.0015, 0.00275, 0.00338])
    earned = np.array([-0.28462, 0.1034, 0.15868, 0.1614, -0.33206, -0.34342, -0.35764])
    program = RatioProgram(
        design=design, start=design.T @ mass, mass=mass, earned=earned, alpha=0.02, kind=KullbackLeibler()
    )
    assert solve_ratios(program, np.ones(7)).value == pytest.approx(-0.0884, abs=1e-3)


@given(aligned_occupancies(), st.sampled_from(KINDS), st.sampled_from(ALPHAS), st.integers(0, 2**32 - 1))
def test_no_other_action_value_gives_less(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float, seed: int
) -> None:
    solution = inner_minimum(occupancies, alpha, kind)
    assert _objective(occupancies, alpha, kind, solution.action_value) == pytest.approx(solution.value, abs=_near(1.0))
    other = solution.action_value + 0.1 * np.random.default_rng(seed).normal(size=occupancies.policy.shape)
    assert _objective(occupancies, alpha, kind, other) >= solution.value - _near(solution.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_general_optimizer_finds_the_same_minimum(kind: Divergence) -> None:
    occupancies = random_support(1).occupancies(np.full((5, 3), 1.0 / 3.0))
    found = minimize(
        lambda flat: _objective(occupancies, 0.5, kind, flat.reshape(5, 3)), np.zeros(15), options={"gtol": 1e-7}
    )
    assert inner_minimum(occupancies, 0.5, kind).value == pytest.approx(found.fun, abs=1e-6)


@given(aligned_occupancies(), st.sampled_from(KINDS), st.sampled_from(ALPHAS))
def test_theorem_51_the_inner_minimum_is_at_least_the_surrogate(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float
) -> None:
    lower = surrogate(occupancies, alpha, kind)
    assert inner_minimum(occupancies, alpha, kind).value >= lower - _near(lower)


@given(aligned_occupancies(dynamics=("deterministic",)), st.sampled_from(KINDS), st.sampled_from(ALPHAS))
def test_theorem_51_holds_for_deterministic_dynamics(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float
) -> None:
    lower = surrogate(occupancies, alpha, kind)
    assert inner_minimum(occupancies, alpha, kind).value == pytest.approx(lower, abs=_near(lower))


def test_theorem_51_fails_for_stochastic_dynamics_even_with_the_true_model() -> None:
    support = random_support(0)
    true_model = TransitionSupport(support.mdp, support.mdp, uniform_policy(support.mdp))
    occupancies = true_model.occupancies(np.full((5, 3), 1.0 / 3.0))
    gap = inner_minimum(occupancies, 0.1, ChiSquared()).value - surrogate(occupancies, 0.1, ChiSquared())
    assert gap > 0.01


def test_the_inner_minimum_can_exceed_the_true_return() -> None:
    """So the lower bound of Theorem 5.3 does not carry over to the form that is trained."""
    exceeding = 0
    for seed in range(20):
        support = random_support(seed)
        policy = np.full((5, 3), 1.0 / 3.0)
        value = inner_minimum(support.occupancies(policy), 0.01, ChiSquared()).value
        exceeding += value > expected_return(support.mdp, policy) + 1e-6
    assert exceeding > 0


@given(aligned_occupancies(), st.sampled_from(KINDS), st.sampled_from(ALPHAS))
def test_multipliers_on_the_dynamics_close_the_gap(
    occupancies: TransitionOccupancies, kind: Divergence, alpha: float
) -> None:
    repaired = inner_minimum(occupancies, alpha, kind, repaired=True)
    lower = surrogate(occupancies, alpha, kind)
    assert repaired.value == pytest.approx(lower, abs=_near(lower))
    np.testing.assert_allclose(repaired.occupancy, occupancies.truth, atol=1e-9)


@given(aligned_occupancies(), st.sampled_from(ALPHAS))
def test_with_kl_the_model_cancels(occupancies: TransitionOccupancies, alpha: float) -> None:
    """D is max over rho of E[r] - alpha KL(rho || rho_B): only the support of the model matters."""
    support = occupancies.support
    true_model = TransitionSupport(support.mdp, support.mdp, support.table(support.data))
    with_truth = inner_minimum(true_model.occupancies(occupancies.policy), alpha, KullbackLeibler())
    with_model = inner_minimum(occupancies, alpha, KullbackLeibler())
    assert with_model.value == pytest.approx(with_truth.value, abs=_near(with_truth.value))


@given(aligned_occupancies(), st.sampled_from(ALPHAS))
def test_the_closed_form_is_at_least_the_minimum_over_positive_ratios(
    occupancies: TransitionOccupancies, alpha: float
) -> None:
    closed = inner_minimum_closed_form(occupancies, alpha)
    exact = inner_minimum(occupancies, alpha, ChiSquared())
    assert closed.value >= exact.value - _near(exact.value)
    if (closed.ratio >= 0.0).all():
        assert closed.value == pytest.approx(exact.value, abs=_near(exact.value))


def test_the_closed_form_solves_the_normal_equations_over_pairs() -> None:
    """The state-space solve against least squares with one unknown a pair."""
    occupancies = random_support(4).occupancies(np.full((5, 3), 1.0 / 3.0))
    support, policy = occupancies.support, occupancies.policy
    design = np.eye(15)[support.pair]
    for entry, following in enumerate(support.next_state):
        design[entry, following * 3 : following * 3 + 3] -= support.mdp.discount * policy[following]
    earned = support.reward - 0.3 * occupancies.log_ratio()
    root = np.sqrt(occupancies.model)
    table = np.linalg.lstsq(root[:, None] * design, root * earned)[0]
    np.testing.assert_allclose(inner_minimum_closed_form(occupancies, 0.3).action_value.ravel(), table, atol=1e-9)


def test_the_gap_closes_as_alpha_grows_and_as_the_model_becomes_exact_and_deterministic() -> None:
    occupancies = random_support(5).occupancies(np.full((5, 3), 1.0 / 3.0))
    gaps = [
        inner_minimum(occupancies, alpha, ChiSquared()).value - surrogate(occupancies, alpha, ChiSquared())
        for alpha in (0.1, 1.0)
    ]
    assert gaps[0] > 0.0
    assert gaps[1] > 0.0
    without_reward_scale = [gap / alpha for gap, alpha in zip(gaps, (0.1, 1.0), strict=True)]
    assert without_reward_scale[1] < without_reward_scale[0]


def test_without_data_alignment_the_reward_carries_no_log_ratio() -> None:
    support = random_support(6)
    policy = np.full((5, 3), 1.0 / 3.0)
    matched = TransitionSupport(support.mdp, support.model, support.table(support.occupancies(policy).model))
    plain = inner_minimum(support.occupancies(policy), 0.5, ChiSquared(), data_alignment=False)
    aligned = inner_minimum(matched.occupancies(policy), 0.5, ChiSquared())
    assert plain.value == pytest.approx(aligned.value, abs=1e-9)


def test_ten_thousand_sparse_pairs_are_solved() -> None:
    mdp = grid_world((50, 50), slip=0.2, discount=0.99)
    support = TransitionSupport(mdp, mdp, uniform_policy(mdp))
    solution = inner_minimum_closed_form(support.occupancies(uniform_policy(mdp)), 1.0)
    assert mdp.reward.size == 10_000
    assert solution.gap <= 1e-9
    assert (solution.ratio >= 0.0).all()


def test_bad_arguments_are_refused() -> None:
    occupancies = random_support(0).occupancies(np.full((5, 3), 1.0 / 3.0))
    for solve in (inner_minimum_closed_form, lambda o, a: inner_minimum(o, a, ChiSquared())):
        with pytest.raises(InvalidArgumentError, match="alpha is 0"):
            solve(occupancies, 0.0)
    with pytest.raises(UnknownNameError, match="KL, chi-squared"):
        inner_minimum(occupancies, 1.0, JensenShannon())


def test_a_model_that_misses_the_truth_cannot_be_repaired() -> None:
    support = random_support(0)
    rows = support.mdp.to_dense().dynamics.copy()
    rows[..., 0] = 0.0
    model = support.mdp.with_dynamics(rows / rows.sum(axis=-1, keepdims=True))
    occupancies = TransitionSupport(support.mdp, model, uniform_policy(support.mdp)).occupancies(
        uniform_policy(support.mdp)
    )
    with pytest.raises(AbsoluteContinuityError, match="the model has not"):
        inner_minimum(occupancies, 1.0, ChiSquared(), repaired=True)


def test_an_unfinished_solve_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratio_program, "_ITERATIONS", 2)
    occupancies = random_support(0).occupancies(np.full((5, 3), 1.0 / 3.0))
    with pytest.raises(NotConvergedError, match="duality gap"):
        inner_minimum(occupancies, 0.01, Cubic())


@given(aligned_occupancies(), st.booleans())
def test_the_program_is_the_same_from_arrays_and_from_sparse_matrices(
    occupancies: TransitionOccupancies, repaired: bool
) -> None:
    of_arrays = inner._Flow.of(occupancies, 0.5, ChiSquared(), True, repaired).program
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(inner, "_DENSE_ENTRIES", -1)
        of_sparse = inner._Flow.of(occupancies, 0.5, ChiSquared(), True, repaired).program
    assert isinstance(of_arrays.design, np.ndarray)
    np.testing.assert_array_equal(of_arrays.design, of_sparse.design.toarray())
    np.testing.assert_array_equal(of_arrays.start, of_sparse.start)


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_the_same_from_arrays_and_from_sparse_matrices(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = random_support(seed)
    occupancies = support.occupancies(np.random.default_rng(seed).dirichlet(np.ones(3), 5))
    of_arrays = inner_minimum_closed_form(occupancies, 0.5)
    monkeypatch.setattr(inner, "SMALL", 0)
    of_sparse = inner_minimum_closed_form(occupancies, 0.5)
    assert of_arrays.value == pytest.approx(of_sparse.value, rel=1e-12)
    np.testing.assert_allclose(of_arrays.action_value, of_sparse.action_value, rtol=1e-9, atol=1e-12)


def _random_occupancies() -> TransitionOccupancies:
    support = random_support(0)
    return support.occupancies(uniform_policy(support.mdp))


@pytest.mark.parametrize("kind", ["KL", KullbackLeibler, None])
def test_a_name_or_a_class_is_no_divergence(kind: Any) -> None:
    occupancies = _random_occupancies()
    for measure in (inner_minimum, surrogate):
        with pytest.raises(InvalidArgumentError, match=r"expected an object of tabular\.bounds"):
            measure(occupancies, 0.5, kind)


@pytest.mark.parametrize("alpha", ["1", None, 1j])
def test_an_alpha_that_is_no_number_is_refused(alpha: Any) -> None:
    occupancies = _random_occupancies()
    with pytest.raises(InvalidArgumentError, match=r"alpha is .*; expected a real number"):
        inner_minimum(occupancies, alpha, KullbackLeibler())
    with pytest.raises(InvalidArgumentError, match=r"alpha is .*; expected a real number"):
        inner_minimum_closed_form(occupancies, alpha)
