"""Marginal importance weights and AMPL's Proposition 2: the operator T, its fixed point and its iteration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import InvalidArgumentError, InvalidShapeError, UncoveredPairsError
from tabular.exact.occupancy import occupancy
from tabular.mdps.generators import detour_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.contraction import NORMS
from tabular.weights.operator import WeightOperator, density_ratio, exact_weights, mean_weight
from tests.strategies import Case, mdp_model_and_policies


def loop_mdp() -> FiniteMDP:
    """State 0 stays under action 0 and leads to the absorbing state 1 under action 1; discount 1/2."""
    dynamics = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    return FiniteMDP(dynamics, np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0]), 0.5)


UNIFORM = np.full((2, 2), 0.5)
ALWAYS_1 = np.array([[0.0, 1.0], [0.0, 1.0]])


def _operator(case: Case) -> WeightOperator:
    return WeightOperator(case.mdp, case.policy, case.behavior)


def _random_weights(case: Case, mean_one: bool) -> np.ndarray:
    weights = np.random.default_rng(1).random(case.policy.shape) * (case.behavior_occupancy > 0.0)
    return weights / mean_weight(weights, case.behavior_occupancy) if mean_one else weights


@given(mdp_model_and_policies())
def test_fixed_point_is_the_density_ratio(case: Case) -> None:
    """Proposition 2: T w* = w* for w* = d_pi / d_b, compared as mass under d_b."""
    operator = _operator(case)
    mass = case.behavior_occupancy
    np.testing.assert_allclose(operator(case.weights) * mass, case.policy_occupancy, atol=1e-9)
    np.testing.assert_array_equal(operator.fixed_point(), case.weights)
    assert mean_weight(case.weights, mass) == pytest.approx(1.0, abs=1e-9)


@given(mdp_model_and_policies())
def test_operator_is_the_formula_of_proposition_2(case: Case) -> None:
    """Entry by entry, from sums written out on dense arrays."""
    operator, weights = _operator(case), _random_weights(case, mean_one=False)
    mdp, d_b = case.mdp.to_dense(), case.behavior_occupancy
    arriving = mdp.discount * np.einsum("sat,sa,sa->t", mdp.dynamics, weights, d_b)
    numerator = case.policy * (arriving + (1 - mdp.discount) * mdp.initial)[:, None]
    inside = d_b > 0.0
    np.testing.assert_allclose(operator(weights)[inside], numerator[inside] / d_b[inside], rtol=1e-9, atol=1e-12)
    assert (operator(weights)[~inside] == 0.0).all()


@given(mdp_model_and_policies())
def test_mean_follows_discount_times_mean_plus_the_rest(case: Case) -> None:
    """E[T w] = discount E[w] + 1 - discount, so mean-one weights stay mean-one."""
    operator, d_b = _operator(case), case.behavior_occupancy
    any_weights, mean_one = _random_weights(case, mean_one=False), _random_weights(case, mean_one=True)
    expected = case.mdp.discount * mean_weight(any_weights, d_b) + 1 - case.mdp.discount
    assert mean_weight(operator(any_weights), d_b) == pytest.approx(expected, abs=1e-9)
    assert mean_weight(operator(mean_one), d_b) == pytest.approx(1.0, abs=1e-9)


@given(mdp_model_and_policies())
def test_iteration_error_falls_at_least_like_the_discount_in_l1(case: Case) -> None:
    """||w_k - w*|| <= discount^k ||w_0 - w*|| in L1(d_b), for a policy near the behavior policy or far from it."""
    history = _operator(case).iterate(_random_weights(case, mean_one=True), 8)
    errors = NORMS["L1(d_b)"](history - case.weights, case.behavior_occupancy)
    assert (np.diff(errors) <= 1e-9).all()
    assert (errors <= case.mdp.discount ** np.arange(9) * errors[0] + 1e-9).all()


def test_iteration_error_bound_is_attained() -> None:
    """Signed errors of one sign lose exactly the factor discount a step: w_0 = 0 has E[w* - w_k] = discount^k."""
    operator = WeightOperator(loop_mdp(), ALWAYS_1, UNIFORM)
    history = operator.iterate(np.zeros((2, 2)), 10)
    errors = NORMS["L1(d_b)"](history - operator.fixed_point(), operator.behavior_occupancy)
    np.testing.assert_allclose(errors, 0.5 ** np.arange(11), rtol=1e-12)


def test_mean_one_is_lost_where_the_policy_takes_an_action_that_the_behavior_never_takes() -> None:
    """Coverage of d_pi is not enough: in state 1, which only the behavior policy visits, pi wants an untaken action."""
    policy, behavior = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    operator = WeightOperator(loop_mdp(), policy, behavior)
    d_b = operator.behavior_occupancy
    assert mean_weight(operator(np.ones((2, 2)) * (d_b > 0.0)), d_b) < 0.9
    np.testing.assert_allclose(operator(operator.fixed_point()), operator.fixed_point())


def test_weights_worked_out_by_hand() -> None:
    # behavior: m_0 = 1/2 / (1 - 1/4) = 2/3, so d_b = (1/3, 1/3; 1/6, 1/6); policy: m = (1/2, 1/2), all on action 1
    weights = exact_weights(loop_mdp(), ALWAYS_1, UNIFORM)
    np.testing.assert_allclose(weights, [[0.0, 1.5], [0.0, 3.0]], rtol=1e-14)
    # T 1 = (discount arriving + (1 - discount) mu0) pi / d_b with arriving = (1/3, 2/3): (1/6 + 1/2, 1/3) / (1/3, 1/6)
    operator = WeightOperator(loop_mdp(), ALWAYS_1, UNIFORM)
    np.testing.assert_allclose(operator(np.ones((2, 2))), [[0.0, 2.0], [0.0, 2.0]], rtol=1e-14)


@given(mdp_model_and_policies())
def test_adjoint_and_matrix_are_the_same_map(case: Case) -> None:
    operator = _operator(case)
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, *operator.shape)) * operator.support
    scale = 1e-9 * max(1.0, float(np.abs(operator.apply_linear(np.abs(x))).max()))
    by_matrix = operator.matrix() @ x[operator.support]
    np.testing.assert_allclose(by_matrix, operator.apply_linear(x)[operator.support], atol=scale)
    forward, backward = np.vdot(y, operator.apply_linear(x)), np.vdot(operator.apply_adjoint(y), x)
    assert forward == pytest.approx(backward, rel=1e-9, abs=10 * scale)


@given(mdp_model_and_policies())
def test_dense_and_sparse_operators_agree(case: Case) -> None:
    dense = WeightOperator(case.mdp.to_dense(), case.policy, case.behavior)
    compressed = WeightOperator(case.mdp.to_sparse(), case.policy, case.behavior)
    weights, mass = _random_weights(case, mean_one=False), case.behavior_occupancy
    np.testing.assert_array_equal(dense.support, compressed.support)
    np.testing.assert_allclose(dense(weights) * mass, compressed(weights) * mass, atol=1e-9)
    np.testing.assert_allclose(dense.pair_transitions(), compressed.pair_transitions(), atol=1e-14)


@given(mdp_model_and_policies(), st.integers(1, 5))
def test_history_holds_every_iterate(case: Case, steps: int) -> None:
    operator, start = _operator(case), _random_weights(case, mean_one=True)
    history = operator.iterate(start, steps)
    assert history.shape == (steps + 1, *operator.shape)
    np.testing.assert_array_equal(history[0], start)
    np.testing.assert_array_equal(history[-1], operator(history[-2]))


@given(mdp_model_and_policies())
def test_weights_exist_exactly_if_the_behavior_covers_the_policy(case: Case) -> None:
    """Swapped roles: an error if and only if the new policy goes where the new behavior policy never does."""
    gap = (case.behavior_occupancy > 0.0) & (case.policy_occupancy == 0.0)
    if not gap.any():
        assert np.isfinite(exact_weights(case.mdp, case.behavior, case.policy)).all()
        return
    with pytest.raises(UncoveredPairsError) as caught:
        exact_weights(case.mdp, case.behavior, case.policy)
    state, action = np.argwhere(gap)[0]
    assert f"(s={state}, a={action})" in str(caught.value)
    assert f"{case.behavior_occupancy[gap].sum():.3g} of" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_uncovered_pairs_are_listed_with_their_mass_and_the_rest_counted() -> None:
    policy_occupancy = np.array([[0.5, 0.25, 0.05, 0.05, 0.05, 0.05, 0.05]])
    with pytest.raises(UncoveredPairsError, match=r"\(s=0, a=5\) and 1 more, which carry 0\.5 of") as caught:
        density_ratio(policy_occupancy, np.array([[1.0, 0, 0, 0, 0, 0, 0]]))
    assert "a=6" not in str(caught.value)
    with pytest.raises(UncoveredPairsError, match=r"\(s=1, a=1\)"):
        WeightOperator(detour_mdp(0.5), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))


def test_unvisited_pairs_have_weight_zero_by_convention() -> None:
    np.testing.assert_array_equal(density_ratio(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])), [[1.0, 0.0]])


@given(mdp_model_and_policies())
def test_a_policy_against_itself_has_weight_one_wherever_it_goes(case: Case) -> None:
    weights = exact_weights(case.mdp, case.behavior, case.behavior)
    np.testing.assert_array_equal(weights, (occupancy(case.mdp, case.behavior) > 0.0).astype(float))


def test_wrong_shapes_and_zero_iterations_are_refused() -> None:
    operator = WeightOperator(loop_mdp(), ALWAYS_1, UNIFORM)
    with pytest.raises(InvalidShapeError, match=r"expected \(2, 2\)"):
        operator(np.ones(4))
    with pytest.raises(InvalidArgumentError, match="zero iterations"):
        operator.iterate(np.ones((2, 2)), 0)


def test_the_fixed_point_and_what_it_is_made_of_cannot_be_written_to() -> None:
    behavior = UNIFORM.copy()
    operator = WeightOperator(loop_mdp(), behavior, behavior)
    for array in (operator.fixed_point(), operator.behavior_occupancy, operator.support, operator.per_mass):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 99
    behavior[...] = 7.0
    np.testing.assert_array_equal(operator.policy, UNIFORM)


def test_functions_and_weights_of_another_shape_are_refused() -> None:
    mdp = loop_mdp()
    operator = WeightOperator(mdp, UNIFORM, UNIFORM)
    for wrong in (np.ones(4), np.ones((1, 2)), 1.0):
        for apply in (operator, operator.apply_linear, operator.apply_adjoint, lambda w: operator.iterate(w, 2)):
            with pytest.raises(InvalidShapeError, match="has shape"):
                apply(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidShapeError, match="d_pi has shape"):
        WeightOperator(mdp, UNIFORM, UNIFORM, policy_occupancy=np.full(4, 0.25))
    with pytest.raises(InvalidArgumentError, match="weights is not an array of real numbers"):
        operator([["a", "b"], ["c", "d"]])  # type: ignore[arg-type]


def test_the_mean_weight_is_lost_where_the_policy_leaves_the_data_in_a_state_that_only_they_visit() -> None:
    # From 0 the policy goes to 1, the data to 2 as well; in 2 it takes an action that they never take.
    dynamics = np.zeros((3, 2, 3))
    dynamics[0, 0, 1] = dynamics[0, 1, 2] = 1.0
    dynamics[1, :, 0] = dynamics[2, :, 2] = 1.0
    mdp = FiniteMDP(dynamics, np.zeros((3, 2)), np.array([1.0, 0.0, 0.0]), 0.9)
    behavior = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    inside = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    outside = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    for policy, keeps in ((inside, True), (outside, False)):
        operator = WeightOperator(mdp, policy, behavior)
        mean = mean_weight(operator(np.ones((3, 2))), operator.behavior_occupancy)
        assert (abs(mean - 1.0) < 1e-12) == keeps
