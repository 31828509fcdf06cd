"""Elimination without subtractions agrees with rational arithmetic in every entry, at discounts next to one as well."""

from fractions import Fraction

import numpy as np
import pytest

from tabular.exact.linear_solvers import solve_discounted
from tabular.exact.occupancy import expected_return, occupancy, relative_value, state_value
from tabular.exact.policy import random_policy
from tabular.exact.state_elimination import solve_by_elimination, with_exact_rows
from tabular.mdps.generators import random_mdp
from tabular.types import Floats

NEAR_ONE = (0.5, 0.99999, 1.0 - 1e-9, 1.0 - 1e-15)


def by_fractions(dynamics: Floats, right_hand_side: Floats, discount: float, transpose: bool) -> Floats:
    """Gauss-Jordan elimination on I - discount P, with the diagonal of P that makes its rows sum to exactly one."""
    n_states, gamma = len(dynamics), Fraction(discount)
    rows = [
        [Fraction(float(dynamics[i, j])) if i != j else Fraction(0) for j in range(n_states)] for i in range(n_states)
    ]
    for i, row in enumerate(rows):
        row[i] = 1 - sum(row)
    system = [[Fraction(int(i == j)) - gamma * rows[i][j] for j in range(n_states)] for i in range(n_states)]
    if transpose:
        system = [list(column) for column in zip(*system, strict=True)]
    for i, row in enumerate(system):
        row.append(Fraction(float(right_hand_side[i])))
    for k in range(n_states):
        system[k] = [entry / system[k][k] for entry in system[k]]
        for i in range(n_states):
            if i != k:
                system[i] = [entry - system[i][k] * pivot for entry, pivot in zip(system[i], system[k], strict=True)]
    return np.array([float(row[-1]) for row in system])


@pytest.mark.parametrize("discount", NEAR_ONE)
@pytest.mark.parametrize("n_states", [1, 2, 6])
@pytest.mark.parametrize("concentration", [0.05, 1.0])  # rows that are almost deterministic, and full ones
def test_every_entry_of_an_occupancy_is_exact(n_states: int, concentration: float, discount: float) -> None:
    generator = np.random.default_rng(n_states)
    dynamics = generator.dirichlet(np.full(n_states, concentration), size=n_states)
    start = (1.0 - discount) * np.eye(n_states)[0]
    found = solve_by_elimination(dynamics, start, discount, transpose=True)
    np.testing.assert_allclose(found, by_fractions(dynamics, start, discount, transpose=True), rtol=1e-13)
    assert found.sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("discount", NEAR_ONE)
def test_values_of_either_sign_are_exact_beside_their_largest(discount: float) -> None:
    generator = np.random.default_rng(7)
    dynamics, reward = generator.dirichlet(np.full(6, 0.3), size=6), generator.normal(size=6)
    exact = by_fractions(dynamics, reward, discount, transpose=False)
    found = solve_by_elimination(dynamics, reward, discount, transpose=False)
    bound = np.abs(reward).max() / (1.0 - discount)
    np.testing.assert_allclose(found, exact, rtol=0.0, atol=1e-14 * bound)


def test_the_arguments_are_left_as_they_are() -> None:
    dynamics, reward = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([1.0, -1.0])
    before = dynamics.copy(), reward.copy()
    solve_by_elimination(dynamics, reward, 0.9, transpose=False)
    solve_by_elimination(dynamics, reward, 0.9, transpose=True)
    np.testing.assert_array_equal(dynamics, before[0])
    np.testing.assert_array_equal(reward, before[1])


def test_the_diagonal_is_what_the_rest_leaves_of_one() -> None:
    dynamics = np.array([[0.5, 0.5 - 1e-10], [0.25, 0.75]])
    exact = with_exact_rows(dynamics)
    np.testing.assert_array_equal(exact, [[1.0 - (0.5 - 1e-10), 0.5 - 1e-10], [0.25, 0.75]])
    assert dynamics[0, 0] == 0.5


def test_solve_discounted_eliminates_only_near_one() -> None:
    dynamics, ones = np.full((2, 2), 0.5), np.ones(2)
    methods = [solve_discounted(dynamics, ones, d, transpose=False).method for d in (0.9, 0.999, 0.9999)]
    assert methods == ["lapack", "lapack", "elimination"]


def test_returns_and_relative_values_keep_their_digits_near_one() -> None:
    """J by both routes, and V without its level: LAPACK leaves 7 digits of them at this discount."""
    generator = np.random.default_rng(3)
    mdp = random_mdp(5, 2, generator, discount=1.0 - 1e-9)
    policy = random_policy(5, 2, generator)
    visits = occupancy(mdp, policy)
    assert visits.sum() == pytest.approx(1.0, abs=1e-13)
    assert expected_return(mdp, policy) == pytest.approx(float(np.vdot(visits, mdp.reward)), abs=1e-13)
    relative = relative_value(mdp, policy)
    arriving = mdp.policy_dynamics(policy) @ relative
    reward = (policy * mdp.reward).sum(axis=1)
    np.testing.assert_allclose(relative - mdp.discount * arriving, reward - expected_return(mdp, policy), atol=1e-13)
    assert mdp.initial @ relative == pytest.approx(0.0, abs=1e-13)


def test_a_relative_value_is_the_value_without_its_mean_at_the_start() -> None:
    generator = np.random.default_rng(4)
    mdp = random_mdp(4, 3, generator, discount=0.9)
    policy = random_policy(4, 3, generator)
    value = state_value(mdp, policy)
    np.testing.assert_allclose(relative_value(mdp, policy), value - mdp.initial @ value, atol=1e-12)
