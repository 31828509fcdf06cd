"""solve_discounted agrees with a dense solve on every kind of chain, says its true residual, and never pretends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from ampl.errors import InvalidDiscountError, InvalidShapeError, NotConvergedError
from tabular.exact import linear_solvers
from tabular.exact.bicgstab import downstream_order
from tabular.exact.linear_solvers import solve_discounted
from tabular.exact.policy import uniform_policy
from tabular.mdps.grid_world import GridLayout, grid_world, shortest_path_policy
from tabular.types import Floats, StateMatrix

CHAINS = ("random", "deterministic", "absorbing", "periodic", "unreachable", "one way")


def chain(kind: str, n_states: int, generator: np.random.Generator) -> Floats:
    """A row-stochastic [S, S'] of the named kind."""
    random = generator.dirichlet(np.full(n_states, 0.3), size=n_states)
    if kind == "random":
        return random
    if kind == "deterministic":
        return np.eye(n_states)[generator.integers(n_states, size=n_states)]
    if kind == "absorbing":
        random[-1] = np.eye(n_states)[-1]
        return random
    if kind == "periodic":
        return np.eye(n_states)[(np.arange(n_states) + 1) % n_states]
    half = n_states // 2
    if kind == "unreachable":  # the second half leads to the first and never back
        random[:half, half:] = 0.0
        random[:half, 0] += 1.0 - random[:half].sum(axis=1)
        return random
    return np.eye(n_states)[np.minimum(np.arange(n_states) + 1, n_states - 1)]


def dense_answer(dynamics: Floats, right_hand_side: Floats, discount: float, transpose: bool) -> Floats:
    flow = np.eye(len(dynamics)) - discount * (dynamics.T if transpose else dynamics)
    return np.asarray(np.linalg.solve(flow, right_hand_side), dtype=np.float64)


def grid_chain(policy: str, discount: float = 0.99) -> StateMatrix:
    """A sparse chain on a 30 x 30 grid with a wall: about 880 states, enough to leave the dense branch."""
    walls = np.zeros((30, 30), dtype=bool)
    walls[10, 2:25] = True
    layout = GridLayout.of_size((30, 30), walls)
    world = grid_world(layout, discount=discount)
    chosen = uniform_policy(world) if policy == "uniform" else shortest_path_policy(layout)
    return world.policy_dynamics(chosen)


@given(
    kind=st.sampled_from(CHAINS),
    n_states=st.sampled_from([1, 2, 3, 8]),
    seed=st.integers(0, 2**32 - 1),
    discount=st.sampled_from([0.0, 0.5, 0.99, 0.99999]),
    transpose=st.booleans(),
    storage=st.sampled_from([np.asarray, sparse.csr_array, sparse.csc_array]),
)
def test_small_chains_match_a_dense_solve_in_any_storage(
    kind: str, n_states: int, seed: int, discount: float, transpose: bool, storage: type
) -> None:
    generator = np.random.default_rng(seed)
    dynamics = chain(kind, n_states, generator)
    right_hand_side = generator.normal(size=n_states)
    solution = solve_discounted(storage(dynamics), right_hand_side, discount, transpose=transpose)
    expected = dense_answer(dynamics, right_hand_side, discount, transpose)
    assert solution.value == pytest.approx(expected, rel=1e-9, abs=1e-9 / (1 - discount))


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("method", ["krylov", "superlu"])
@pytest.mark.parametrize("kind", CHAINS)
def test_sparse_methods_match_a_dense_solve(
    kind: str, method: str, transpose: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_solvers, "DENSE_STATES", 0)
    if method == "superlu":
        monkeypatch.setattr(linear_solvers, "KRYLOV_ITERATIONS", 0)
    generator = np.random.default_rng(7)
    dynamics = chain(kind, 40, generator)
    right_hand_side = generator.normal(size=40)
    solution = solve_discounted(sparse.csr_array(dynamics), right_hand_side, 0.95, transpose=transpose)
    assert solution.value == pytest.approx(dense_answer(dynamics, right_hand_side, 0.95, transpose), abs=1e-7)
    assert method != "superlu" or solution.method == "superlu"


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize(
    ("policy", "discount", "method"),
    [
        ("uniform", 0.99, "bicgstab"),
        ("shortest path", 0.99, "gauss-seidel bicgstab"),
        ("uniform", 0.0, "bicgstab"),
        ("shortest path", 0.99999, "gauss-seidel bicgstab"),
    ],
)
def test_grid_worlds_take_the_expected_method_and_match_a_dense_solve(
    policy: str, discount: float, method: str, transpose: bool
) -> None:
    dynamics = grid_chain(policy)
    right_hand_side = np.random.default_rng(1).random(dynamics.shape[0])
    solution = solve_discounted(dynamics, right_hand_side, discount, transpose=transpose)
    expected = dense_answer(dynamics.toarray(), right_hand_side, discount, transpose)
    assert solution.method == method
    assert solution.value == pytest.approx(expected, rel=1e-8)


def test_a_discount_near_one_that_stalls_the_krylov_solver_is_solved_directly() -> None:
    generator = np.random.default_rng(3)
    n_states = 2000
    walk = sparse.diags_array([0.5, 0.5], offsets=[-1, 1], shape=(n_states, n_states)).tolil()
    walk[0, 0], walk[-1, -1] = 0.5, 0.5
    right_hand_side = generator.dirichlet(np.ones(n_states))
    solution = solve_discounted(sparse.csr_array(walk), right_hand_side, 0.9999999, transpose=True)
    assert solution.method == "superlu"
    assert solution.value.sum() == pytest.approx(1e7, rel=1e-6)


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("policy", ["uniform", "shortest path"])
def test_the_residual_is_that_of_the_original_equations(policy: str, transpose: bool) -> None:
    dynamics = grid_chain(policy)
    right_hand_side = np.random.default_rng(2).random(dynamics.shape[0])
    solution = solve_discounted(dynamics, right_hand_side, 0.99, transpose=transpose)
    matrix = dynamics.toarray().T if transpose else dynamics.toarray()
    gap = np.abs(right_hand_side - (solution.value - 0.99 * matrix @ solution.value))
    total = np.abs(right_hand_side).sum() if transpose else np.abs(right_hand_side).max()
    assert solution.residual == pytest.approx(gap.sum() if transpose else gap.max(), rel=0.2, abs=1e-12)
    assert solution.residual <= 1e-10 * total


def test_the_inputs_are_left_as_they_were() -> None:
    dynamics = grid_chain("uniform")
    assert not dynamics.has_sorted_indices
    before, entries = dynamics.toarray(), dynamics.indices.copy()
    right_hand_side = np.ones(dynamics.shape[0])
    solve_discounted(dynamics, right_hand_side, 0.99, transpose=True)
    np.testing.assert_array_equal(dynamics.indices, entries)
    np.testing.assert_array_equal(dynamics.toarray(), before)
    np.testing.assert_array_equal(right_hand_side, 1.0)


def test_a_solve_that_misses_the_tolerance_raises_with_every_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_solvers, "KRYLOV_ITERATIONS", 3)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(linear_solvers, "splu", no_memory)
    dynamics = grid_chain("uniform")
    with pytest.raises(NotConvergedError, match=r"reached: .* by bicgstab, .* by superlu \(out of memory\).*tolerance"):
        solve_discounted(dynamics, np.ones(dynamics.shape[0]), 0.99, transpose=True)


def test_values_that_are_not_finite_never_pass() -> None:
    with pytest.raises(NotConvergedError, match="finite"):
        solve_discounted(np.eye(2), np.array([1.0, np.nan]), 0.5, transpose=False)


def test_downstream_order_follows_the_likely_moves() -> None:
    """2 -> 0 -> 1 with unlikely moves back: the order is 2, 0, 1 in three groups; an even walk is one group."""
    directed = sparse.csr_array(np.array([[0.0, 0.9, 0.1], [0.1, 0.9, 0.0], [0.8, 0.1, 0.1]]))
    directed[1, 0] = 0.0  # state 1 keeps to itself
    order, n_groups = downstream_order(directed)
    assert list(order) == [2, 0, 1]
    assert n_groups == 3
    order, n_groups = downstream_order(sparse.csr_array(np.full((4, 4), 0.25)))
    assert list(order) == [0, 1, 2, 3]
    assert n_groups == 1


def test_disagreeing_shapes_are_refused() -> None:
    with pytest.raises(InvalidShapeError, match="2 entries"):
        solve_discounted(np.eye(3), np.ones(2), 0.5, transpose=False)


@pytest.mark.parametrize("discount", [1.0, -0.1, float("nan")])
def test_discounts_outside_the_half_open_unit_interval_are_refused(discount: float) -> None:
    with pytest.raises(InvalidDiscountError, match="expected"):
        solve_discounted(np.eye(2), np.ones(2), discount, transpose=False)
