"""Gymnasium's toy-text environments as MDPs, against values worked out by hand and an independent simulation."""

import sys
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import pytest

from ampl.errors import (
    AmplError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidShapeError,
    MissingPackageError,
    UnknownNameError,
)
from tabular.exact.occupancy import (
    expected_return,
    occupancy,
    state_value,
)
from tabular.exact.policy import optimal_policy, uniform_policy
from tabular.mdps.environments import ENVIRONMENTS, environment_mdp, mdp_from_table
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_rows
from tabular.types import Policy

SIZES = {
    "frozenlake-4x4": (17, 4),
    "frozenlake-4x4-deterministic": (17, 4),
    "frozenlake-8x8": (65, 4),
    "frozenlake-8x8-deterministic": (65, 4),
    "cliffwalking": (49, 4),
    "cliffwalking-slippery": (49, 4),
    "taxi": (501, 6),
}

every_environment = pytest.mark.parametrize("name", SIZES)


@cache
def _mdp(name: str) -> FiniteMDP:
    return environment_mdp(name, discount=0.95)


@cache
def _optimal(name: str) -> Policy:
    return optimal_policy(_mdp(name))


def test_every_environment_has_its_size_tested() -> None:
    assert set(SIZES) == set(ENVIRONMENTS)


@every_environment
def test_environment_is_a_valid_mdp_with_one_absorbing_end(name: str) -> None:
    mdp = _mdp(name)
    assert (mdp.n_states, mdp.n_actions) == SIZES[name]
    check_rows("dynamics", mdp.dynamics)
    assert mdp.absorbing[-1]
    np.testing.assert_array_equal(mdp.reward[-1], 0.0)
    assert mdp.initial[-1] == 0.0


@every_environment
def test_both_routes_to_the_return_agree(name: str) -> None:
    mdp = _mdp(name)
    for policy in (uniform_policy(mdp), _optimal(name)):
        by_occupancy = float(np.vdot(occupancy(mdp, policy), mdp.reward))
        assert expected_return(mdp, policy) == pytest.approx(by_occupancy, rel=1e-9, abs=1e-10)
        assert occupancy(mdp, policy).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("frozenlake-4x4", {5, 7, 11, 12, 15}),  # four holes and the goal: arriving there ends the episode
        ("cliffwalking", {*range(37, 47), 47}),  # the cliff sends back to the start; the goal ends the episode
    ],
)
def test_states_that_no_episode_visits_are_kept_with_no_occupancy_at_all(name: str, never: set[int]) -> None:
    mdp = _mdp(name)
    visits = occupancy(mdp, uniform_policy(mdp)).sum(axis=1)
    assert set(np.flatnonzero(visits == 0.0)) == never


def test_taxi_reaches_its_400_documented_states_and_the_end() -> None:
    mdp = _mdp("taxi")
    visits = occupancy(mdp, uniform_policy(mdp)).sum(axis=1)
    assert np.count_nonzero(visits) == 401
    assert np.count_nonzero(mdp.initial) == 300


@pytest.mark.parametrize(("name", "steps"), [("frozenlake-4x4-deterministic", 6), ("frozenlake-8x8-deterministic", 14)])
def test_deterministic_lake_pays_one_after_the_shortest_path(name: str, steps: int) -> None:
    """The reward comes with the last step, so V(start) = discount^(steps - 1)."""
    assert state_value(_mdp(name), _optimal(name))[0] == pytest.approx(0.95 ** (steps - 1))


def test_cliff_costs_thirteen_steps() -> None:
    """Up, eleven to the right, down: 13 steps of -1."""
    value = state_value(_mdp("cliffwalking"), _optimal("cliffwalking"))
    assert value[36] == pytest.approx(-(1 - 0.95**13) / 0.05)
    assert _mdp("cliffwalking").reward.min() == -100.0


def test_taxi_delivers_across_the_top_wall_in_ten_steps() -> None:
    """State 1: taxi and passenger at R (0, 0), off to G (0, 4): pick up, 8 moves around a wall, drop off for 20."""
    value = state_value(_mdp("taxi"), _optimal("taxi"))
    assert value[1] == pytest.approx(-(1 - 0.95**9) / 0.05 + 20 * 0.95**9)


def test_slippery_lake_has_its_known_optimal_value() -> None:
    """Value iteration from the table itself, written out here, at discount .99."""
    table = gymnasium.make("FrozenLake-v1", map_name="4x4").unwrapped.P  # type: ignore[attr-defined]
    value = np.zeros(16)
    for _ in range(2000):
        value = np.array([max(_backup(table[s][a], value, 0.99) for a in range(4)) for s in range(16)])
    mdp = environment_mdp("frozenlake-4x4", discount=0.99)
    np.testing.assert_allclose(state_value(mdp, optimal_policy(mdp))[:16], value, atol=1e-8)
    assert value[0] == pytest.approx(0.542, abs=1e-3)


def _backup(outcomes: Any, value: np.ndarray, discount: float) -> float:
    return sum(p * (reward + discount * value[after] * (not done)) for p, after, reward, done in outcomes)


@pytest.mark.parametrize("name", ["frozenlake-4x4", "cliffwalking-slippery", "taxi"])
def test_return_agrees_with_a_simulation_in_gymnasium(name: str) -> None:
    """1000 episodes of a noisy optimal policy; the exact value lies within five standard errors of their mean."""
    mdp = _mdp(name)
    policy = 0.9 * _optimal(name) + 0.1 * uniform_policy(mdp)
    returns = _simulate(name, policy, mdp.discount, 1000)
    exact = float(mdp.initial @ state_value(mdp, policy))
    assert abs(returns.mean() - exact) < 5 * returns.std() / np.sqrt(len(returns)) + 1e-3
    assert returns.std() > 0.0


def _simulate(name: str, policy: Policy, discount: float, n_episodes: int) -> np.ndarray:
    """Discounted returns, [n_episodes], cut where discount^t < 1e-7."""
    environment_id, options = ENVIRONMENTS[name]
    known = environment_id if environment_id in gymnasium.registry else "Taxi-v3"  # before Gymnasium 1.3
    environment = gymnasium.make(known, **options).unwrapped
    generator = np.random.default_rng(0)
    horizon = int(np.log(1e-7) / np.log(discount))
    cumulative = policy.cumsum(axis=1)
    returns = np.zeros(n_episodes)
    for episode in range(n_episodes):
        state, _ = environment.reset(seed=0 if episode == 0 else None)
        points = generator.random(horizon)
        for step in range(horizon):
            action = min(int(np.searchsorted(cumulative[state], points[step], side="right")), policy.shape[1] - 1)
            state, reward, terminated, _, _ = environment.step(action)
            returns[episode] += discount**step * float(reward)
            if terminated:
                break
    return returns


def _table() -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
    """State 0: action 0 stays for 1, action 1 ends for 5 or leads to 1; state 1 ends for nothing."""
    return {
        0: {0: [(1.0, 0, 1.0, False)], 1: [(0.25, 1, 5.0, True), (0.75, 1, 1.0, False)]},
        1: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 0, 0.0, True)]},
    }


def test_table_worked_out_by_hand() -> None:
    mdp = mdp_from_table(_table(), np.array([1.0, 0.0]), 0.5, "toy")
    np.testing.assert_allclose(mdp.dynamics[0], [[1.0, 0.0, 0.0], [0.0, 0.75, 0.25]])
    np.testing.assert_allclose(mdp.dynamics[1], [[0.0, 0.0, 1.0]] * 2)
    np.testing.assert_allclose(mdp.reward, [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])  # .25 * 5 + .75 * 1
    np.testing.assert_array_equal(mdp.initial, [1.0, 0.0, 0.0])


@pytest.mark.parametrize("following", [2, 7, -1])
def test_a_table_that_leads_outside_itself_is_refused(following: int) -> None:
    table = _table()
    table[0][0] = [(1.0, following, 0.0, False)]
    with pytest.raises(InvalidDistributionError, match=f"leads to state {following}; it has 2 states"):
        mdp_from_table(table, np.array([1.0, 0.0]), 0.5, "toy")


def test_a_table_whose_probabilities_do_not_sum_to_one_is_refused() -> None:
    table = _table()
    table[1][0] = [(0.5, 1, 0.0, True)]
    with pytest.raises(InvalidDistributionError, match=r"toy\[1, 0\] sums to 0\.5"):
        mdp_from_table(table, np.array([1.0, 0.0]), 0.5, "toy")


def test_an_unknown_environment_is_answered_with_the_nearest_and_all_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cliffwalking'") as caught:
        environment_mdp("clifwalking")
    assert all(name in str(caught.value) for name in ENVIRONMENTS)
    assert "\n" not in str(caught.value)


def test_a_discount_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidDiscountError):
        environment_mdp("frozenlake-4x4", discount=1.0)


def test_missing_gymnasium_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingPackageError, match="pip install gymnasium") as caught:
        environment_mdp("taxi")
    assert isinstance(caught.value, AmplError)


RAGGED = {
    0: {0: [(1.0, 0, 0.0, False)]},
    1: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 0, 5.0, True)], 3: [(0.5, 0, 7.0, True), (0.5, 1, 0.0, True)]},
}


@pytest.mark.parametrize(
    ("order", "best"),
    [
        ((0, 1), 0.1 * 0.5 * 5.0),  # the first state stays where it is
        ((1, 0), 0.1 * (0.5 * 5.0 + 0.5 * 0.9 * 5.0)),  # the other leads to the one that earns 5
    ],
)
def test_action_sets_may_differ_and_a_missing_action_does_what_the_first_one_does(
    order: tuple[int, int], best: float
) -> None:
    table = {position: RAGGED[state] for position, state in enumerate(order)}
    mdp = mdp_from_table(table, np.array([0.5, 0.5]), 0.9, "ragged")
    assert mdp.n_actions == 4
    one, three = order.index(0), order.index(1)
    np.testing.assert_array_equal(mdp.reward[one], 0.0)
    np.testing.assert_array_equal(mdp.reward[three], [0.0, 5.0, 0.0, 3.5])
    for action in range(4):
        np.testing.assert_array_equal(mdp.dynamics[one, action], mdp.dynamics[one, 0])
    np.testing.assert_array_equal(mdp.dynamics[three, 2], mdp.dynamics[three, 0])
    assert expected_return(mdp, optimal_policy(mdp)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({0: RAGGED[0], 1: {}}, "has no action in state 1"),
        ({0: RAGGED[0], 2: RAGGED[1]}, "has 2 states, but no state 1; expected 0 to 1"),
        ({0: {"left": RAGGED[0][0]}, 1: RAGGED[1]}, "has an action 'left' in state 0"),
        ({0: {-1: RAGGED[0][0]}, 1: RAGGED[1]}, "has an action -1 in state 0"),
    ],
)
def test_tables_without_numbered_actions_are_refused(table: Any, message: str) -> None:
    with pytest.raises(InvalidShapeError, match=message):
        mdp_from_table(table, np.array([0.5, 0.5]), 0.9, "toy")


def test_an_earlier_version_of_an_environment_with_the_same_table_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    older = dict(gymnasium.registry)
    spec = older.pop("Taxi-v4", None) or older["Taxi-v3"]
    older["Taxi-v3"] = gymnasium.envs.registration.EnvSpec("Taxi-v3", entry_point=spec.entry_point)
    for module in (gymnasium, gymnasium.envs.registration):
        monkeypatch.setattr(module, "registry", older)
    np.testing.assert_array_equal(environment_mdp("taxi", 0.95).dynamics, _mdp("taxi").dynamics)


def test_an_environment_that_the_installed_version_lacks_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = {name: spec for name, spec in gymnasium.registry.items() if not name.startswith("CliffWalking")}
    for module in (gymnasium, gymnasium.envs.registration):
        monkeypatch.setattr(module, "registry", registry)
    with pytest.raises(MissingPackageError, match=r"has no CliffWalking-v1: pip install --upgrade gymnasium\."):
        environment_mdp("cliffwalking")


@pytest.mark.parametrize(
    "outcomes",
    [
        [],
        None,
        [(1.0, 0, 0.0)],
        [(1.0, 0, 0.0, False, {})],
        [(1.0, 0.5, 0.0, False)],
        [(1.0, 0, None, False)],
    ],
)
def test_outcomes_that_are_no_tuples_of_a_toy_text_table_are_refused(outcomes: Any) -> None:
    with pytest.raises(InvalidShapeError, match="for state 1 and action 1; expected one or more tuples"):
        mdp_from_table({0: RAGGED[0], 1: {0: RAGGED[0][0], 1: outcomes}}, np.array([0.5, 0.5]), 0.9, "x")


def test_a_table_without_states_or_with_other_start_states_is_refused() -> None:
    with pytest.raises(InvalidShapeError, match="has no state"):
        mdp_from_table({}, np.array([]), 0.9, "x")
    with pytest.raises(InvalidShapeError, match=r"initial of x has shape \(3,\); its table has 2 states"):
        mdp_from_table(RAGGED, np.ones(3) / 3, 0.9, "x")
