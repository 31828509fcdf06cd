"""Maximum likelihood of tabular dynamics: weights cancel in the free class and matter in a tied one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from ampl.errors import InvalidArgumentError, InvalidShapeError
from tabular.exact.dynamics import aggregate_states, maximum_likelihood, random_cells
from tabular.exact.occupancy import transition_occupancy
from tabular.mdps.generators import random_dynamics, random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_rows
from tabular.types import Floats
from tests.strategies import Case, mdp_model_and_policies, mdps, seeds


def _dense_mass(case: Case) -> Floats:
    """Expected transition mass d_b P*, [S, A, S']."""
    return transition_occupancy(case.mdp.to_dense(), case.behavior)


def _log_likelihood(mass: Floats, rows: Floats) -> float:
    """Sum of mass log rows, with 0 log 0 = 0."""
    seen = mass > 0.0
    return float(np.sum(mass[seen] * np.log(rows[seen])))


@given(mdp_model_and_policies())
def test_unrestricted_fit_recovers_the_dynamics_wherever_there_is_data(case: Case) -> None:
    fitted = maximum_likelihood(_dense_mass(case))
    seen = case.behavior_occupancy > 0.0
    np.testing.assert_allclose(fitted[seen], case.mdp.to_dense().dynamics[seen], atol=1e-9)
    np.testing.assert_array_equal(fitted[~seen], 1 / case.mdp.n_states)


@given(mdp_model_and_policies())
def test_weights_cancel_in_the_unrestricted_class(case: Case) -> None:
    """Eq. 6 equals Eq. 4: a weight on a pair cancels inside its row, wherever it is positive."""
    mass = _dense_mass(case)
    weighted, plain = maximum_likelihood(mass, case.weights), maximum_likelihood(mass)
    weighed = case.weights > 0.0
    np.testing.assert_allclose(weighted[weighed], plain[weighed], atol=1e-9)


def test_weights_move_a_tied_fit_towards_what_the_policy_visits() -> None:
    """One cell for both pairs: the fit is the average of (1, 0) and (0, 1) with weights d_b w."""
    mass = np.array([[[0.5, 0.0]], [[0.0, 0.5]]])
    cells = np.zeros((2, 1), dtype=np.int64)
    np.testing.assert_allclose(maximum_likelihood(mass, cells=cells)[:, 0], [[0.5, 0.5]] * 2)
    weights = np.array([[1.8], [0.2]])
    np.testing.assert_allclose(maximum_likelihood(mass, weights, cells)[:, 0], [[0.9, 0.1]] * 2)


@given(mdp_model_and_policies(), st.integers(1, 4), seeds())
def test_tied_fit_is_the_weighted_average_of_the_rows_in_a_cell(case: Case, n_cells: int, seed: int) -> None:
    mdp = case.mdp.to_dense()
    cells = random_cells(mdp.n_states, mdp.n_actions, n_cells, np.random.default_rng(seed))
    fitted = maximum_likelihood(_dense_mass(case), case.weights, cells)
    for cell in np.unique(cells):
        inside = cells == cell
        total = case.policy_occupancy[inside].sum()
        average = np.einsum("p,pt->t", case.policy_occupancy[inside], mdp.dynamics[inside])
        expected = average / total if total > 1e-6 else fitted[inside][0]
        np.testing.assert_allclose(fitted[inside], np.broadcast_to(expected, fitted[inside].shape), atol=1e-6)


@given(mdp_model_and_policies(), st.integers(1, 4), seeds())
def test_no_other_tied_rows_are_likelier(case: Case, n_cells: int, seed: int) -> None:
    """Eq. 6's maximiser against random rows of the same class."""
    generator = np.random.default_rng(seed)
    cells = random_cells(case.mdp.n_states, case.mdp.n_actions, n_cells, generator)
    mass = _dense_mass(case) * case.weights[..., None]
    best = _log_likelihood(mass, maximum_likelihood(_dense_mass(case), case.weights, cells))
    for _ in range(5):
        rows = random_rows((n_cells, case.mdp.n_states), generator)
        assert _log_likelihood(mass, rows[cells]) <= best + 1e-9


@given(mdps(), st.integers(1, 4), seeds(), st.booleans())
def test_dense_and_sparse_fits_agree_where_there_is_data(mdp: FiniteMDP, n_cells: int, seed: int, tied: bool) -> None:
    generator = np.random.default_rng(seed)
    n_states, n_actions = mdp.reward.shape
    counts = generator.integers(0, 3, (n_states, n_actions, n_states))
    weights = generator.random((n_states, n_actions)) * (generator.random((n_states, n_actions)) < 0.7)
    cells = random_cells(n_states, n_actions, n_cells, generator) if tied else None
    dense = maximum_likelihood(counts, weights, cells)
    compressed = maximum_likelihood(sparse.csr_array(counts.reshape(-1, n_states)), weights, cells)
    by_pair = compressed.toarray().reshape(counts.shape)
    check_rows("dense", dense)
    check_rows("sparse", by_pair)
    where = np.arange(n_states * n_actions).reshape(n_states, n_actions) if cells is None else cells
    mass = np.bincount(where.ravel(), (counts.sum(axis=2) * weights).ravel(), minlength=int(where.max()) + 1)[where]
    np.testing.assert_allclose(by_pair[mass > 0.0], dense[mass > 0.0], atol=1e-12)
    stays = np.broadcast_to(np.eye(n_states)[:, None], counts.shape)
    np.testing.assert_array_equal(by_pair[mass == 0.0], stays[mass == 0.0])
    np.testing.assert_array_equal(dense[mass == 0.0], 1 / n_states)


@given(mdps(), st.sampled_from([0.01, 1.0, 100.0]))
def test_smoothing_gives_every_next_state_mass(mdp: FiniteMDP, smoothing: float) -> None:
    fitted = maximum_likelihood(mdp.to_dense().dynamics, smoothing=smoothing)
    check_rows("fitted", fitted)
    assert fitted.min() > 0.0
    expected = (mdp.to_dense().dynamics + smoothing) / (1 + smoothing * mdp.n_states)
    np.testing.assert_allclose(fitted, expected, atol=1e-12)


def test_counts_worked_out_by_hand() -> None:
    counts = np.array([[[3, 1], [0, 0]], [[0, 2], [1, 1]]])
    expected = [[[0.75, 0.25], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]
    np.testing.assert_allclose(maximum_likelihood(counts), expected)
    np.testing.assert_allclose(maximum_likelihood(counts, smoothing=1.0)[0], [[4 / 6, 2 / 6], [0.5, 0.5]])


def test_aggregated_states_share_rows_action_by_action() -> None:
    np.testing.assert_array_equal(aggregate_states(4, 2, 2), [[0, 1], [0, 1], [2, 3], [2, 3]])
    np.testing.assert_array_equal(aggregate_states(3, 1, 3), [[0], [1], [2]])
    assert len(np.unique(aggregate_states(5, 2, 100))) == 10  # no more cells than pairs
    assert len(np.unique(aggregate_states(7, 3, 1))) == 3


def test_same_seed_same_cells_in_range() -> None:
    first, again = (random_cells(6, 3, 4, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert set(np.unique(first)) <= set(range(4))


def test_the_transition_mass_is_left_as_it_was() -> None:
    mass = random_dynamics(3, 2, np.random.default_rng(0))
    before, rows = mass.copy(), sparse.csr_array(mass.reshape(6, 3))
    maximum_likelihood(mass, smoothing=0.5)
    maximum_likelihood(rows, np.zeros((3, 2)))
    np.testing.assert_array_equal(mass, before)
    np.testing.assert_array_equal(rows.toarray(), before.reshape(6, 3))


MASS = np.full((2, 2, 2), 0.125)


@pytest.mark.parametrize("smoothing", [-0.1, np.nan])
def test_negative_smoothing_is_refused(smoothing: float) -> None:
    with pytest.raises(InvalidArgumentError, match="smoothing"):
        maximum_likelihood(MASS, smoothing=smoothing)


def test_smoothing_a_sparse_fit_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="dense transition_mass"):
        maximum_likelihood(sparse.csr_array(MASS.reshape(4, 2)), smoothing=0.1)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_that_are_negative_or_not_finite_are_refused(bad: float) -> None:
    weights = np.ones((2, 2))
    weights[1, 0] = bad
    with pytest.raises(InvalidArgumentError, match="weights"):
        maximum_likelihood(MASS, weights)


def test_negative_cells_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="cells"):
        maximum_likelihood(MASS, cells=np.array([[0, 1], [-1, 0]]))


@pytest.mark.parametrize("bad", [0.5, np.nan])
def test_cells_that_are_no_integers_are_refused(bad: float) -> None:
    with pytest.raises(InvalidArgumentError, match="cells must be"):
        maximum_likelihood(MASS, cells=np.array([[0.0, 1.0], [bad, 0.0]]))


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_mass_that_is_negative_or_not_finite_is_refused_with_its_place(bad: float, is_sparse: bool) -> None:
    mass = np.random.default_rng(0).integers(0, 2, (3, 2, 3)).astype(float)
    mass[1, 0, 2] = bad
    with pytest.raises(InvalidArgumentError, match=f"is {bad:g} at state 1, action 0 and next state 2; expected"):
        maximum_likelihood(sparse.csc_array(mass.reshape(6, 3)) if is_sparse else mass)


def test_mass_may_be_a_list_of_any_real_numbers_and_is_fitted_in_float64() -> None:
    counts = [[[3, 1], [0, 0]], [[0, 2], [1, 2]]]
    expected = maximum_likelihood(np.array(counts, float))
    for given_as in (counts, np.array(counts, np.float16), np.array(counts, np.uint8)):
        np.testing.assert_array_equal(maximum_likelihood(given_as), expected)
    for wrong in (np.array(counts) * 1j, sparse.csr_array(np.eye(2) * 1j), [["a"]], [[1], [1, 2]]):
        with pytest.raises(InvalidArgumentError, match="transition_mass is not an array of real numbers"):
            maximum_likelihood(wrong)


@pytest.mark.parametrize("shape", [(3, 2, 4), (4, 2, 2), (3, 2), (2,), (0, 2), (1, 2, 1, 1)])
def test_transition_mass_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidShapeError, match="expected"):
        maximum_likelihood(np.ones(shape))


def test_weights_and_cells_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidShapeError, match=r"weights has shape \(2,\); expected \[2, 2\]"):
        maximum_likelihood(MASS, np.ones(2))
    with pytest.raises(InvalidShapeError, match="cells"):
        maximum_likelihood(MASS, cells=np.zeros((2, 3), dtype=np.int64))


@pytest.mark.parametrize("n_cells", [0, -1])
def test_fewer_than_one_cell_is_refused(n_cells: int) -> None:
    with pytest.raises(InvalidArgumentError, match="n_cells"):
        aggregate_states(3, 2, n_cells)
    with pytest.raises(InvalidArgumentError, match="n_cells"):
        random_cells(3, 2, n_cells, np.random.default_rng(0))


@given(mdp_model_and_policies(), st.sampled_from([0.0, 0.5]), seeds())
def test_the_free_class_is_the_tied_one_with_a_cell_for_each_pair(case: Case, smoothing: float, seed: int) -> None:
    mass, shape = _dense_mass(case), case.policy.shape
    weights = np.random.default_rng(seed).random(shape)
    cells = np.arange(case.policy.size).reshape(shape)
    free = maximum_likelihood(mass, weights, None, smoothing)
    np.testing.assert_array_equal(free, maximum_likelihood(mass, weights, cells, smoothing))
