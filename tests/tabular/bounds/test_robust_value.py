"""The worst model is in the set and no other one is worse; the robust policy wins the game against it."""

from itertools import product

import numpy as np
from hypothesis import given
from scipy.optimize import linprog

from tabular.bounds.robust_value import robust_optimum, worst_model, worst_rows
from tabular.exact.occupancy import expected_return, state_value
from tabular.exact.policy import deterministic_policy
from tabular.mdps.generators import random_mdp, random_rows
from tests.strategies import Case, mdp_model_and_policies, seeds


@given(seeds())
def test_worst_rows_are_the_linear_programs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    row, value = random_rows((5,), generator, 0.5), generator.normal(size=5)
    radius = float(generator.uniform(0.0, 1.0))
    found = worst_rows(row[None, None], np.array([[radius]]), value)[0, 0]
    moved = np.hstack([np.eye(5), -np.eye(5)])  # q = row + up - down
    best = linprog(
        moved.T @ value,
        A_ub=np.vstack([np.r_[np.ones(5), np.zeros(5)], -moved]),
        b_ub=np.r_[radius, row],
        A_eq=[moved.sum(axis=0)],
        b_eq=[0.0],
    )
    assert abs(found @ value - (row @ value + best.fun)) < 1e-6
    assert np.abs(found - row).sum() / 2.0 <= radius + 1e-12


@given(mdp_model_and_policies())
def test_no_model_of_the_set_is_worse_at_any_state(case: Case) -> None:
    """The truth is in the set that is just large enough for it, and so is any mixture with the center."""
    truth, center = case.mdp.to_dense(), case.model.to_dense()
    radius = np.abs(truth.dynamics - center.dynamics).sum(axis=2) / 2.0
    worst = state_value(worst_model(case.model, radius, case.policy), case.policy)
    for share in (0.0, 0.5, 1.0):
        inside = case.model.with_dynamics((1.0 - share) * center.dynamics + share * truth.dynamics)
        value = state_value(inside, case.policy)
        assert (worst <= value + 1e-9 * (1.0 + np.abs(value))).all()


@given(seeds())
def test_no_deterministic_policy_has_a_larger_worst_return(seed: int) -> None:
    generator = np.random.default_rng(seed)
    model = random_mdp(3, 2, generator, concentration=0.3)
    radius = generator.uniform(0.0, 0.5, (3, 2))

    def worst_return(policy: np.ndarray) -> float:
        return expected_return(worst_model(model, radius, policy), policy)

    best = worst_return(robust_optimum(model, radius))
    for actions in product(range(2), repeat=3):
        assert worst_return(deterministic_policy(np.array(actions), 2)) <= best + 1e-9
