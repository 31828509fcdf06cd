"""Generators: valid, reproducible, and as their docstrings say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import InvalidArgumentError
from tabular.exact.occupancy import expected_return, state_value
from tabular.mdps.generators import (
    chain_mdp,
    detour_mdp,
    fork_mdp,
    random_dynamics,
    random_mdp,
    random_reward,
    random_rows,
)
from tabular.mdps.probabilities import check_rows
from tests.strategies import seeds

sizes = st.integers(1, 6)


@given(sizes, sizes, seeds(), st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_random_mdps_are_valid_and_reproducible(n_states: int, n_actions: int, seed: int, concentration: float) -> None:
    first, again = (
        random_mdp(n_states, n_actions, np.random.default_rng(seed), concentration=concentration) for _ in range(2)
    )
    assert first.reward.shape == (n_states, n_actions)
    assert first.reward_bound == 1.0
    for name in ("dynamics", "reward", "initial"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert first.dynamics.min() > 0.0  # every KL between two such MDPs is finite


@given(sizes, seeds())
def test_rewards_stay_in_their_range(n_states: int, seed: int) -> None:
    assert np.abs(random_reward(n_states, 3, np.random.default_rng(seed))).max() <= 1.0
    nonnegative = random_reward(n_states, 3, np.random.default_rng(seed), nonnegative=True)
    assert 0.0 <= nonnegative.min() <= nonnegative.max() <= 1.0
    mdp = random_mdp(n_states, 3, np.random.default_rng(seed), nonnegative_reward=True)
    assert mdp.reward.min() >= 0.0


def test_random_rows_follow_the_dirichlet_distribution() -> None:
    """Mean 1/n and variance (n - 1) / (n^2 (n c + 1)), here 1/3 and 2/36 for n = 3, c = 1."""
    rows = random_rows((40_000, 3), np.random.default_rng(0))
    check_rows("rows", rows)
    np.testing.assert_allclose(rows.mean(axis=0), 1 / 3, atol=0.005)  # four standard errors of .2357 / 200
    np.testing.assert_allclose(rows.var(axis=0), 2 / 36, rtol=0.03)
    assert random_dynamics(2, 3, np.random.default_rng(0)).shape == (2, 3, 2)


def test_a_small_concentration_is_nearly_deterministic_and_a_large_one_nearly_uniform() -> None:
    generator = np.random.default_rng(0)
    for concentration in (0.01, 1e-3, 1e-6):  # Gamma variables of these shapes underflow nearly always
        rows = random_rows((500, 4), generator, concentration)
        assert np.median(rows.max(axis=1)) > 0.999
        assert np.bincount(rows.argmax(axis=1)).min() > 80  # each entry about 125 times, five standard errors
    assert random_rows((500, 4), generator, 1e6).max() < 0.26


@pytest.mark.parametrize("concentration", [0.0, -1.0, np.nan, np.inf])
def test_a_concentration_that_is_not_positive_is_refused(concentration: float) -> None:
    with pytest.raises(InvalidArgumentError, match="expected a positive number"):
        random_rows((2, 2), np.random.default_rng(0), concentration)


@pytest.mark.parametrize("n_states", [2, 5])
def test_chain_pays_one_on_arrival_at_its_end(n_states: int) -> None:
    """Stepping right from the left end takes n - 1 steps: V = discount^(n - 2)."""
    mdp = chain_mdp(n_states, discount=0.9)
    value = state_value(mdp, np.tile([0.0, 1.0], (n_states, 1)))
    assert value[0] == pytest.approx(0.9 ** (n_states - 2))
    assert value[-1] == 0.0
    assert mdp.absorbing[-1]


def test_slipping_reverses_the_step() -> None:
    sure, slipping, reversed_ = (chain_mdp(4, slip=slip).dynamics for slip in (0.0, 0.25, 1.0))
    np.testing.assert_allclose(slipping[:-1], 0.75 * sure[:-1] + 0.25 * sure[:-1, ::-1])
    np.testing.assert_array_equal(reversed_[:-1], sure[:-1, ::-1])
    np.testing.assert_allclose(slipping[1, 1], [0.25, 0.0, 0.75, 0.0])
    np.testing.assert_allclose(chain_mdp(3, slip=0.25).reward, [[0.0, 0.0], [0.25, 0.75], [0.0, 0.0]])


@given(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.5, 0.99]))
def test_fork_returns_the_difference_of_its_two_chances(success: float, discount: float) -> None:
    """One step later +1 or -1 for ever: J = discount (2 success - 1)."""
    mdp = fork_mdp(discount, success)
    assert expected_return(mdp, np.ones((3, 1))) == pytest.approx(discount * (2 * success - 1), abs=1e-12)


def test_detour_passes_through_a_state_without_starts() -> None:
    mdp = detour_mdp(0.9)
    assert mdp.initial[1] == 0.0
    np.testing.assert_array_equal(mdp.dynamics[0, :, 1], [1.0, 1.0])
    np.testing.assert_array_equal(mdp.dynamics[1], [[0.0, 1.0], [1.0, 0.0]])


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="n_states"):
        chain_mdp(1)
    with pytest.raises(InvalidArgumentError, match="slip"):
        chain_mdp(3, slip=1.5)
    with pytest.raises(InvalidArgumentError, match="success"):
        fork_mdp(0.9, -0.1)
