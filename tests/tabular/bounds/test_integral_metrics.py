"""Integral probability metrics: each bounds the value error, a built case attains it, a wrong form or input fails."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from ampl.errors import InvalidArgumentError, InvalidShapeError, NotConvergedError
from tabular.bounds import transport
from tabular.bounds.integral_metrics import (
    IntegralMetric,
    L1Distance,
    LineWasserstein1,
    MeanDiscrepancy,
    SupTotalVariation,
    Wasserstein1,
    row_difference,
)
from tabular.bounds.penalized_mdp import value_error, value_interval
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.bounds.transport import transport_costs
from tabular.exact.occupancy import state_value
from tabular.mdps.generators import fork_mdp, random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats
from tests.strategies import Case, mdp_model_and_policies, seeds

ONLY = np.ones((3, 1))  # the policy of the fork
TWO_TO_TWO = np.array([[-0.5, -0.5, 0.5, 0.5]])
DISCRETE = 1.0 - np.eye(3)


def _metrics(n_states: int, seed: int) -> list[IntegralMetric]:
    generator = np.random.default_rng(seed)
    points = generator.random((n_states, 2))
    away = np.linalg.norm(points[:, None] - points, axis=-1)
    return [
        L1Distance(),
        L1Distance(centered=True),
        SupTotalVariation(),
        Wasserstein1(metric=away),
        LineWasserstein1(positions=points[:, 0]),
        MeanDiscrepancy(kernel=np.exp(-away) + 0.1 * np.eye(n_states)),
    ]


def _pair_of_rows(true_row: Floats, model_row: Floats) -> tuple[FiniteMDP, FiniteMDP]:
    """One action that leads from every state to these distributions."""
    n_states = len(true_row)
    rows = np.broadcast_to(true_row, (n_states, 1, n_states))
    mdp = FiniteMDP(rows, np.zeros((n_states, 1)), np.eye(n_states)[0], 0.9)
    return mdp, mdp.with_dynamics(np.broadcast_to(model_row, rows.shape))


def _printed_mmd(kernel: Floats, of_x: Floats, of_y: Floats) -> float:
    """As printed: the last term is E[k(Y, Y)] instead of E[k(Y, Y')]."""
    square = of_x @ kernel @ of_x - 2.0 * of_x @ kernel @ of_y + np.diagonal(kernel) @ of_y
    return float(np.sqrt(square))


@given(mdp_model_and_policies(), seeds())
def test_the_value_error_is_at_most_the_norm_times_the_distance(case: Case, seed: int) -> None:
    """MOPO, Eq. 6, for total variation in both conventions, W1 by program and in closed form, and MMD."""
    value = state_value(case.mdp, case.policy)
    error = np.abs(value_error(case.mdp, case.model, value))
    scale = max(float(np.abs(value).max()), 1.0)
    for metric in _metrics(case.mdp.n_states, seed):
        bound = metric.norm(value) * metric.distance(case.mdp, case.model)
        assert (error <= bound * (1.0 + 1e-6) + 1e-7 * scale).all(), metric.name


@pytest.mark.parametrize("metric", [L1Distance(), L1Distance(centered=True), SupTotalVariation()])
def test_both_total_variations_are_attained_by_the_fork(metric: IntegralMetric) -> None:
    truth, model = fork_mdp(0.9, 0.6), fork_mdp(0.9, 0.4)
    value = state_value(truth, ONLY)
    error = np.abs(value_error(truth, model, value))[0, 0]
    assert error == pytest.approx(4.0)
    assert metric.norm(value) * metric.distance(truth, model)[0, 0] == pytest.approx(error)


def test_the_printed_total_variation_bound_fails_by_a_factor_of_two_with_signed_rewards() -> None:
    """MOPO, section 4.1 (i): r_max/(1-discount) sup_A is 2 where |G| is 4; the L1 form holds."""
    truth, model = fork_mdp(0.9, 0.6), fork_mdp(0.9, 0.4)
    error = np.abs(value_error(truth, model, state_value(truth, ONLY)))[0, 0]
    largest_value = truth.reward_bound / (1.0 - truth.discount)
    assert largest_value * SupTotalVariation().distance(truth, model)[0, 0] == pytest.approx(2.0)
    assert error > 1.99 * largest_value * SupTotalVariation().distance(truth, model)[0, 0]
    assert error <= largest_value * L1Distance().distance(truth, model)[0, 0] + 1e-12


@given(mdp_model_and_policies())
def test_the_printed_total_variation_bound_holds_for_nonnegative_rewards(case: Case) -> None:
    shifted = FiniteMDP(case.mdp.dynamics, np.abs(case.mdp.reward), case.mdp.initial, case.mdp.discount)
    error = np.abs(value_error(shifted, case.model, state_value(shifted, case.policy)))
    bound = shifted.reward_bound / (1.0 - shifted.discount) * next_state_total_variation(shifted, case.model)
    assert (error <= bound + 1e-9 / (1.0 - shifted.discount)).all()


def test_wasserstein_and_mmd_are_attained_on_two_states() -> None:
    truth, model = _pair_of_rows(np.array([0.8, 0.2]), np.array([0.3, 0.7]))
    value = np.array([-1.0, 1.0])
    error = np.abs(value_error(truth, model, value))
    for metric in (
        Wasserstein1(metric=np.array([[0.0, 3.0], [3.0, 0.0]])),
        LineWasserstein1(positions=np.array([1.0, -2.0])),
        MeanDiscrepancy(kernel=np.eye(2)),
    ):
        np.testing.assert_allclose(metric.norm(value) * metric.distance(truth, model), error, rtol=1e-9)


@given(mdp_model_and_policies(), seeds())
def test_the_linear_program_equals_the_closed_form_on_a_line(case: Case, seed: int) -> None:
    line = LineWasserstein1(positions=np.random.default_rng(seed).normal(0.0, 5.0, case.mdp.n_states))
    program = Wasserstein1(metric=line.metric)
    np.testing.assert_allclose(
        program.distance(case.mdp, case.model), line.distance(case.mdp, case.model), rtol=1e-7, atol=1e-9
    )


@given(mdp_model_and_policies())
def test_wasserstein_with_the_discrete_metric_is_total_variation(case: Case) -> None:
    metric = Wasserstein1(metric=1.0 - np.eye(case.mdp.n_states))
    expected = next_state_total_variation(case.mdp, case.model)
    np.testing.assert_allclose(metric.distance(case.mdp, case.model), expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("shift", [0.1, 1e-6, 1e-11])
def test_small_differences_are_measured_relative_to_themselves(shift: float) -> None:
    truth, model = _pair_of_rows(np.array([0.5, 0.25, 0.25]), np.array([0.5 - shift, 0.25, 0.25 + shift]))
    metric = Wasserstein1(metric=7.0 * DISCRETE)
    np.testing.assert_allclose(metric.distance(truth, model), 7.0 * shift, rtol=1e-4)


def test_rows_that_differ_by_rounding_are_equal() -> None:
    truth, model = _pair_of_rows(np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.25, 0.25 + 1e-16]))
    assert not Wasserstein1(metric=DISCRETE).distance(truth, model).any()


@given(st.integers(2, 6), seeds())
def test_mmd_is_attained_by_its_witness(n_states: int, seed: int) -> None:
    """f = K (P_hat - P*) / MMD has norm one and expectation difference MMD: the sup of the definition."""
    generator = np.random.default_rng(seed)
    of_y, of_x = random_rows((2, n_states), generator)
    factor = generator.normal(size=(n_states, n_states))
    metric = MeanDiscrepancy(kernel=factor @ factor.T + 0.1 * np.eye(n_states))
    truth, model = _pair_of_rows(of_y, of_x)
    found = metric.distance(truth, model)[0, 0]
    witness = metric.kernel @ (of_x - of_y) / found
    assert metric.norm(witness) == pytest.approx(1.0, rel=1e-5)
    assert witness @ (of_x - of_y) == pytest.approx(found)


def test_the_printed_mmd_is_no_metric() -> None:
    """MOPO, appendix A (iii), prints E[k(Y, Y)]: positive between equal distributions, and not symmetric."""
    kernel = np.eye(2)
    fair, sure = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    assert _printed_mmd(kernel, fair, fair) == pytest.approx(np.sqrt(0.5))
    assert _printed_mmd(kernel, fair, sure) != pytest.approx(_printed_mmd(kernel, sure, fair))
    right = MeanDiscrepancy(kernel=kernel)
    assert not right.distance(*_pair_of_rows(fair, fair)).any()
    np.testing.assert_array_equal(
        right.distance(*_pair_of_rows(fair, sure)), right.distance(*_pair_of_rows(sure, fair))
    )


@given(mdp_model_and_policies(), seeds())
def test_the_lipschitz_constant_of_a_box_covers_every_policy(case: Case, seed: int) -> None:
    metric = _metrics(case.mdp.n_states, seed)[3]
    assert isinstance(metric, Wasserstein1)
    lowest, highest = value_interval(case.mdp)
    own = metric.norm(state_value(case.mdp, case.policy))
    assert own <= metric.norm_between(lowest, highest) * (1.0 + 1e-6) + 1e-6 / (1.0 - case.mdp.discount)


BAD_METRICS = [
    (np.array([[0.0, -1.0], [-1.0, 0.0]]), r"metric\[0, 1\] is -1; distances must be >= 0"),
    (np.array([[0.0, 1.0], [1.0, 2.0]]), r"metric\[1, 1\] is 2; expected 0 on the diagonal"),
    (np.array([[0.0, 1.0], [2.0, 0.0]]), r"metric\[0, 1\] is 1 and metric\[1, 0\] is 2; expected a symmetric"),
    (np.array([[0.0, np.nan], [np.nan, 0.0]]), r"metric\[0, 1\] is nan; expected a finite number"),
    (np.array([[0, 1, 5.0], [1, 0, 1], [5, 1, 0]]), r"metric\[0, 2\] is 5, longer than the way through state 1, 2"),
]


@pytest.mark.parametrize(("metric", "message"), BAD_METRICS)
def test_what_is_no_metric_is_refused_with_the_entries(metric: Floats, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Wasserstein1(metric=metric)


def test_states_at_distance_zero_must_have_one_value() -> None:
    metric = Wasserstein1(metric=np.zeros((2, 2)))
    assert metric.norm(np.ones(2)) == 0.0
    assert not metric.distance(*_pair_of_rows(np.array([1.0, 0.0]), np.array([0.0, 1.0]))).any()
    with pytest.raises(InvalidArgumentError, match="V differs by 1 between states 0 and 1, which are at distance 0"):
        metric.norm(np.array([0.0, 1.0]))


def test_bad_kernels_and_positions_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="kernel has the eigenvalue -1"):
        MeanDiscrepancy(kernel=np.array([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(InvalidArgumentError, match="outside the span of the kernel, which has rank 1 of 2"):
        MeanDiscrepancy(kernel=np.ones((2, 2))).norm(np.array([0.0, 1.0]))
    assert MeanDiscrepancy(kernel=np.ones((2, 2))).norm(np.full(2, 3.0)) == pytest.approx(3.0)
    with pytest.raises(InvalidArgumentError, match=r"positions\[1\] is inf"):
        LineWasserstein1(positions=np.array([0.0, np.inf]))
    with pytest.raises(InvalidShapeError, match=r"positions have shape \(1, 1\)"):
        LineWasserstein1(positions=np.zeros((1, 1)))


def test_sizes_that_disagree_are_refused() -> None:
    truth, model = fork_mdp(0.9, 0.6), fork_mdp(0.9, 0.4)
    small = _pair_of_rows(np.array([1.0, 0.0]), np.array([1.0, 0.0]))[0]
    with pytest.raises(InvalidShapeError, match="expected the same"):
        row_difference(truth, small)
    with pytest.raises(InvalidShapeError, match="metric is for 2 states; fork has 3"):
        Wasserstein1(metric=1.0 - np.eye(2)).distance(truth, model)
    with pytest.raises(InvalidShapeError, match="V has shape"):
        MeanDiscrepancy(kernel=np.eye(2)).norm(np.zeros(3))
    with pytest.raises(InvalidShapeError, match=r"metric has shape \(2, 3\)"):
        Wasserstein1(metric=np.zeros((2, 3)))


def test_a_transport_program_that_was_not_solved_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(success=False, message="time limit")
    monkeypatch.setattr(transport, "linprog", lambda *_, **__: failed)
    with pytest.raises(NotConvergedError, match="was not solved: time limit"):
        transport_costs(TWO_TO_TWO, 1.0 - np.eye(4))


def test_prices_without_a_plan_that_certifies_them_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(success=True, x=np.zeros(4), fun=0.0, ineqlin=SimpleNamespace(marginals=np.zeros(4)))
    monkeypatch.setattr(transport, "linprog", lambda *_, **__: wrong)
    with pytest.raises(NotConvergedError, match=r"missed 0\.5 of the mass"):
        transport_costs(TWO_TO_TWO, 1.0 - np.eye(4))


@given(st.integers(2, 5), st.integers(1, 6), seeds())
def test_transport_costs_are_those_of_the_plan_that_a_plain_program_finds(
    n_states: int, n_rows: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    points = generator.random((n_states, 2))
    metric = np.abs(points[:, None] - points).sum(axis=-1)
    before, after = (random_rows((n_rows, n_states), generator, 0.3) for _ in range(2))
    before[0], after[0] = np.eye(n_states)[0], generator.dirichlet(np.ones(n_states))  # one giver: no program
    leaving = np.kron(np.eye(n_states), np.ones(n_states))
    arriving = np.kron(np.ones(n_states), np.eye(n_states))
    for p, q, cost in zip(before, after, transport_costs(after - before, metric), strict=True):
        constraints = np.vstack([leaving, arriving])[:-1]  # the last follows from the others, but for rounding
        plan = linprog(metric.ravel(), A_eq=constraints, b_eq=np.concatenate([p, q])[:-1])
        assert cost == pytest.approx(plan.fun, abs=1e-7)


def test_a_single_giver_or_taker_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(transport, "linprog")
    metric = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]])
    differences = np.array([[-0.5, 0.2, 0.3], [0.1, 0.4, -0.5], [-0.1, -0.2, 0.3], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(transport_costs(differences, metric), [1.1, 1.1, 0.7, 0.0], rtol=1e-14)
