"""Where and how fast T contracts: each certificate against its closed form, and where it fails."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import InvalidArgumentError
from tabular.exact.occupancy import state_occupancy
from tabular.exact.policy import mix_policies, random_policy, uniform_policy
from tabular.mdps.generators import chain_mdp, detour_mdp, random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights import contraction
from tabular.weights.contraction import (
    NORMS,
    contraction_certificates,
    largest_contracting_share,
    measured_rate,
    sup_norm_factor,
    sup_norm_radius,
)
from tabular.weights.operator import WeightOperator
from tests.strategies import Case, mdp_model_and_policies, mdps, policies

UNIFORM = np.full((2, 2), 0.5)
ALWAYS_1 = np.array([[0.0, 1.0], [0.0, 1.0]])


def loop_mdp() -> FiniteMDP:
    """State 0 stays under action 0 and leads to the absorbing state 1 under action 1; discount 1/2."""
    dynamics = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    return FiniteMDP(dynamics, np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0]), 0.5)


def bandit(discount: float) -> FiniteMDP:
    """One state and two actions."""
    return FiniteMDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), np.ones(1), discount)


def _operator(case: Case) -> WeightOperator:
    return WeightOperator(case.mdp, case.policy, case.behavior)


@given(mdp_model_and_policies())
def test_spectral_radius_and_l1_norm_equal_the_discount_for_every_covered_policy(case: Case) -> None:
    """Proposition 2 without its closeness assumption: near pi_b or far from it."""
    certificates = contraction_certificates(_operator(case))
    assert certificates.l1_norm == pytest.approx(case.mdp.discount, rel=1e-9, abs=1e-12)
    assert certificates.spectral_radius == pytest.approx(case.mdp.discount, rel=1e-6, abs=1e-12)


@given(mdp_model_and_policies())
def test_sup_norm_equals_its_closed_form(case: Case) -> None:
    """It is max pi/pi_b (1 - (1-discount) mu0/d_b), against the largest row sum of K."""
    measured = contraction_certificates(_operator(case)).sup_norm
    closed = sup_norm_factor(case.mdp, case.policy, case.behavior)
    assert measured == pytest.approx(closed, rel=1e-6, abs=1e-9)


@given(mdp_model_and_policies())
def test_certificates_are_the_operator_norms_of_the_matrix(case: Case) -> None:
    """Each norm against its textbook formula on K written out."""
    operator = _operator(case)
    found, matrix = contraction_certificates(operator), operator.matrix()
    mass = operator.behavior_occupancy[operator.support]
    root = np.sqrt(mass)
    by_columns = (mass @ np.abs(matrix)) / mass
    assert found.l1_norm == pytest.approx(by_columns.max(), rel=1e-9, abs=1e-12)
    assert found.sup_norm == pytest.approx(np.abs(matrix).sum(axis=1).max(), rel=1e-9, abs=1e-12)
    singular = np.linalg.svd(root[:, None] * matrix / root, compute_uv=False)
    assert found.l2_norm == pytest.approx(singular[0], rel=1e-9, abs=1e-12)
    assert found.in_norm("L1(d_b)") == found.l1_norm
    assert found.in_norm("L2(d_b)") == found.l2_norm
    assert found.in_norm("sup") == found.sup_norm


@pytest.mark.parametrize("norm", NORMS)
@given(case=mdp_model_and_policies())
def test_one_step_never_exceeds_the_certificate(norm: str, case: Case) -> None:
    """||T v - T w|| <= ||K|| ||v - w|| in each norm."""
    operator = _operator(case)
    first, second = np.random.default_rng(0).normal(size=(2, *operator.shape)) * operator.support
    before = NORMS[norm](first - second, operator.behavior_occupancy)
    after = NORMS[norm](operator(first) - operator(second), operator.behavior_occupancy)
    factor = contraction_certificates(operator).in_norm(norm)
    assert after <= factor * before * (1 + 1e-9) + 1e-12


def test_certificates_worked_out_by_hand() -> None:
    # One state: K w = discount (pi/d_b) <d_b, w> has rank one. With d_b = (.99, .01) and pi on the rare action:
    # L1 and spectrum discount, L2 discount sqrt(pi^2/d_b) = .5 * 10, sup .5 * 100.
    far, behavior = np.array([[0.0, 1.0]]), np.array([[0.99, 0.01]])
    found = contraction_certificates(WeightOperator(bandit(0.5), far, behavior))
    assert found.spectral_radius == pytest.approx(0.5)
    assert found.l1_norm == pytest.approx(0.5)
    assert found.l2_norm == pytest.approx(5.0)  # a far policy: no contraction in L2(d_b)
    assert found.sup_norm == pytest.approx(50.0)


def test_sup_norm_radius_and_factor_worked_out_by_hand() -> None:
    # d_b = (2/3, 1/3) by state: slack (1/2) / (2/3) = 3/4 and 0, so the ratio may reach 4 and 1; the policy has 2 and 2
    np.testing.assert_allclose(sup_norm_radius(loop_mdp(), UNIFORM), [4.0, 1.0], rtol=1e-14)
    assert sup_norm_factor(loop_mdp(), ALWAYS_1, UNIFORM) == pytest.approx(2.0)  # max(2 * 1/4, 2 * 1)
    assert largest_contracting_share(loop_mdp(), ALWAYS_1, UNIFORM) == 0.0
    # bandit: slack 1 - discount, radius 1 / discount = 2; pi/pi_b = 4 there, so the share is (2 - 1) / (4 - 1)
    always, mostly_not = np.array([[0.0, 1.0]]), np.array([[0.75, 0.25]])
    assert largest_contracting_share(bandit(0.5), always, mostly_not) == pytest.approx(1 / 3)


@given(mdps(starts=("everywhere",)), st.data())
def test_behavior_policy_itself_contracts_in_the_sup_norm_if_starts_are_everywhere(
    mdp: FiniteMDP, data: st.DataObject
) -> None:
    """With pi = pi_b the factor is 1 - (1-discount) min mu0/d_b < 1."""
    behavior = data.draw(policies(mdp))
    visits = state_occupancy(mdp, behavior)
    factor = sup_norm_factor(mdp, behavior, behavior)
    share = (mdp.initial[visits > 0.0] / visits[visits > 0.0]).min()
    assert factor == pytest.approx(1 - (1 - mdp.discount) * share, abs=1e-9)
    assert factor < 1.0


def test_behavior_policy_itself_does_not_contract_in_the_sup_norm_on_a_detour() -> None:
    """Dropping mu0 > 0 at visited states breaks it, while the iteration still converges at the discount."""
    mdp = detour_mdp(0.9)
    operator = WeightOperator(mdp, UNIFORM, UNIFORM)
    assert contraction_certificates(operator).sup_norm == pytest.approx(1.0)
    assert largest_contracting_share(mdp, ALWAYS_1, UNIFORM) == 0.0
    assert NORMS["sup"](operator.apply_linear(np.ones((2, 2))), operator.behavior_occupancy) == pytest.approx(1.0)
    history = operator.iterate(np.zeros((2, 2)), 200)
    assert NORMS["sup"](history[-1] - operator.fixed_point(), operator.behavior_occupancy) < 1e-8


@given(mdp_model_and_policies())
def test_largest_contracting_share_is_tight(case: Case) -> None:
    """Just below it T is a sup-norm contraction; just above it is not."""
    share = largest_contracting_share(case.mdp, case.policy, case.behavior)
    assert share >= 0.0

    def factor(at: float) -> float:
        return sup_norm_factor(case.mdp, mix_policies(case.behavior, case.policy, at), case.behavior)

    if share > 0.0:
        assert factor(min(1.0, 0.999 * share)) < 1.0
    if share < 0.99:
        assert factor(1.001 * share) >= 1.0 - 1e-12


def test_largest_contracting_share_is_met_by_the_measured_norm() -> None:
    """The same on K itself, for a policy whose limit is inside the segment."""
    mdp = random_mdp(4, 3, np.random.default_rng(0), discount=0.9)
    behavior, policy = uniform_policy(mdp), np.eye(3)[[0, 1, 2, 0]]
    share = largest_contracting_share(mdp, policy, behavior)
    assert 0.0 < share < 1.0
    norms = [
        contraction_certificates(WeightOperator(mdp, mix_policies(behavior, policy, at), behavior)).sup_norm
        for at in (0.999 * share, share, 1.001 * share)
    ]
    assert norms[0] < 1.0 < norms[2]
    assert norms[1] == pytest.approx(1.0)


def test_discount_zero_contracts_at_once_for_every_policy() -> None:
    mdp = bandit(0.0)
    operator = WeightOperator(mdp, np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
    found = contraction_certificates(operator)
    assert (found.spectral_radius, found.l1_norm, found.l2_norm, found.sup_norm) == (0.0, 0.0, 0.0, 0.0)
    assert largest_contracting_share(mdp, np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])) == np.inf
    np.testing.assert_array_equal(operator(np.zeros((1, 2))), operator.fixed_point())


def test_unvisited_states_put_no_limit_on_the_policy() -> None:
    mdp = FiniteMDP(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), np.zeros((2, 1)), np.array([1.0, 0.0]), 0.9)
    radius = sup_norm_radius(mdp, np.ones((2, 1)))
    assert radius[0] == pytest.approx(1 / 0.9)
    assert radius[1] == np.inf


@pytest.mark.parametrize("storage", [FiniteMDP.to_dense, FiniteMDP.to_sparse])
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95])
def test_krylov_and_dense_certificates_agree(
    storage: Callable[[FiniteMDP], FiniteMDP], discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(4)
    mdp = storage(random_mdp(12, 3, generator, discount=discount))
    operator = WeightOperator(mdp, random_policy(12, 3, generator, 0.2), uniform_policy(mdp))
    dense = contraction_certificates(operator)
    monkeypatch.setattr(contraction, "_ARRAY_STATES", 0)
    monkeypatch.setattr(contraction, "_DENSE_STATES", 0)
    krylov = contraction_certificates(operator)
    assert krylov.spectral_radius == pytest.approx(dense.spectral_radius, rel=1e-8, abs=1e-12)
    assert krylov.l2_norm == pytest.approx(dense.l2_norm, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", ["chain", "cycle"])
def test_spectral_radius_of_large_chains_far_from_normal(kind: str) -> None:
    """Occupancies from 1 down to 1e-60 along a corridor, or all eigenvalues on one circle: still the discount."""
    n_states = 400  # 800 pairs, beyond the dense limit
    mdp = chain_mdp(n_states, discount=0.9, slip=0.2).to_sparse()
    if kind == "cycle":
        onward = np.roll(np.eye(n_states), 1, axis=1)
        mdp = mdp.with_dynamics(np.repeat(onward[:, None], 2, axis=1))
    operator = WeightOperator(mdp, np.tile([0.3, 0.7], (n_states, 1)), uniform_policy(mdp))
    found = contraction_certificates(operator)
    assert found.spectral_radius == pytest.approx(0.9, abs=1e-8)
    assert found.l1_norm == pytest.approx(0.9, abs=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.9, 1.02])
def test_measured_rate_recovers_a_geometric_decay(rate: float) -> None:
    found = measured_rate(3.0 * rate ** np.arange(40.0), floor=1e-20)
    assert found.rate == pytest.approx(rate, rel=1e-9)
    assert found.low <= found.rate <= found.high
    assert found.high - found.low < 1e-6


def test_measured_rate_ignores_what_lies_below_the_floor() -> None:
    errors = np.maximum(0.5 ** np.arange(100.0), 1e-15)  # rounding stops the decay
    assert measured_rate(errors).rate == pytest.approx(0.5, rel=1e-6)


def test_measured_rate_covers_the_truth_under_noise() -> None:
    noise = np.exp(np.random.default_rng(0).normal(0.0, 0.1, 60))
    found = measured_rate(0.8 ** np.arange(60.0) * noise, floor=1e-30)
    assert found.low < 0.8 < found.high
    assert found.high - found.low > 1e-4


@pytest.mark.parametrize("errors", [[1.0, 0.5], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.5, 0.25]])
def test_too_few_errors_to_fit_are_refused(errors: list[float]) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 3"):
        measured_rate(np.array(errors))


@given(mdp_model_and_policies())
def test_measured_rate_of_the_iteration_is_the_discount_from_a_one_sided_start(case: Case) -> None:
    """From w_0 = 0 the error is exactly discount^k in L1(d_b)."""
    operator = _operator(case)
    errors = NORMS["L1(d_b)"](operator.iterate(np.zeros(operator.shape), 12) - case.weights, case.behavior_occupancy)
    np.testing.assert_allclose(errors, case.mdp.discount ** np.arange(13.0), atol=1e-8)
    if case.mdp.discount >= 0.5:
        assert measured_rate(errors, floor=1e-5).rate == pytest.approx(case.mdp.discount, abs=1e-4)


@given(mdp_model_and_policies())
def test_certificates_from_arrays_equal_those_from_sparse_matrices(case: Case) -> None:
    mdp = case.mdp.to_dense()
    with pytest.MonkeyPatch.context() as monkeypatch:
        of_arrays = contraction_certificates(WeightOperator(mdp, case.policy, case.behavior))
        monkeypatch.setattr(contraction, "_ARRAY_STATES", 0)
        of_sparse = contraction_certificates(WeightOperator(mdp, case.policy, case.behavior))
    assert of_arrays.spectral_radius == pytest.approx(of_sparse.spectral_radius, rel=1e-6, abs=1e-12)
    assert of_arrays.l2_norm == pytest.approx(of_sparse.l2_norm, rel=1e-12, abs=1e-12)


def test_norms_worked_out_by_hand() -> None:
    """Of (2, -1, 5) under d_b = (1/4, 3/4, 0): 1/2 + 3/4, the root of 4/4 + 3/4, and 2, for the 5 is never seen."""
    function, occupancy = np.array([[2.0, -1.0, 5.0]]), np.array([[0.25, 0.75, 0.0]])
    expected = {"L1(d_b)": 1.25, "L2(d_b)": np.sqrt(1.75), "sup": 2.0}
    assert {name: float(norm(function, occupancy)) for name, norm in NORMS.items()} == pytest.approx(expected)


@pytest.mark.parametrize("norm", NORMS)
def test_norms_grow_in_proportion(norm: str) -> None:
    function = np.random.default_rng(0).normal(size=(3, 2))
    occupancy = np.full((3, 2), 1.0 / 6.0)
    assert NORMS[norm](-3.0 * function, occupancy) == pytest.approx(3.0 * NORMS[norm](function, occupancy))
    stacked = NORMS[norm](np.stack([function, 2.0 * function]), occupancy)
    np.testing.assert_allclose(stacked, [NORMS[norm](function, occupancy), NORMS[norm](2.0 * function, occupancy)])
