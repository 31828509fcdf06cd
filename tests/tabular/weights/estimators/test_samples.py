"""On samples: tabular estimators coincide with the plug-in, errors fall as n^-1/2, uncovered mass is reported."""

import re
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from ampl.errors import (
    AmplError,
    InvalidArgumentError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidRewardError,
    InvalidShapeError,
    UncoveredPairsError,
)
from tabular.exact.dataset import TransitionDataset, sample_dataset
from tabular.exact.policy import random_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Policy
from tabular.weights.estimators.problem import EstimationProblem, PlugIn
from tabular.weights.estimators.registry import ESTIMATORS, build_estimator
from tabular.weights.operator import exact_weights

COINCIDING = ("T iteration", "multi-moment", "VPM", "GenDICE", "DualDICE", "minimax weights")
CONSISTENT = ("plug-in", *COINCIDING)


def setting() -> tuple[FiniteMDP, Policy, Policy]:
    generator = np.random.default_rng(0)
    mdp = random_mdp(6, 2, generator, discount=0.8)
    return mdp, random_policy(6, 2, generator), np.full((6, 2), 0.5)


def sampled(size: int, seed: int) -> EstimationProblem:
    mdp, policy, behavior = setting()
    dataset = sample_dataset(mdp, behavior, size, np.random.default_rng(seed))
    return EstimationProblem.from_dataset(dataset, mdp.reward, policy, mdp.discount)


@pytest.mark.parametrize("name", COINCIDING)
def test_tabular_estimators_coincide_with_the_plug_in_on_covered_samples(name: str) -> None:
    """The empirical MDP is an MDP like any other, and its weights are what each of them finds."""
    problem = sampled(2000, 1)
    assert problem.support.all()
    plug_in = PlugIn().estimate(problem)
    estimate = build_estimator(name).estimate(problem)
    np.testing.assert_allclose(estimate.weights, plug_in.weights, atol=1e-6)


@pytest.mark.parametrize("name", ["Q-moment (AMPL)", "Lagrangian, both regularized"])
def test_the_other_estimators_do_not(name: str) -> None:
    problem = sampled(2000, 1)
    assert np.abs(build_estimator(name).estimate(problem).weights - PlugIn().estimate(problem).weights).max() > 5e-3


@pytest.mark.parametrize("name", CONSISTENT)
def test_errors_fall_as_the_root_of_the_sample_size(name: str) -> None:
    mdp, policy, behavior = setting()
    exact, sizes = exact_weights(mdp, policy, behavior), (500, 5000, 50_000)
    errors = [
        np.mean(
            [np.abs(build_estimator(name).estimate(sampled(size, seed)).weights - exact).mean() for seed in range(8)]
        )
        for size in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.65 < slope < -0.35


def test_q_moment_keeps_its_error_and_gets_the_return_right() -> None:
    """Its return is the plug-in's exactly, as its equation says; its weights stay near one."""
    mdp, policy, behavior = setting()
    exact, problem = exact_weights(mdp, policy, behavior), sampled(50_000, 0)
    estimate, plug_in = build_estimator("Q-moment (AMPL)").estimate(problem), PlugIn().estimate(problem)
    assert estimate.expected_return == pytest.approx(plug_in.expected_return, abs=1e-9)
    assert np.abs(estimate.weights - exact).mean() > 5 * np.abs(plug_in.weights - exact).mean()


def _dataset(state: list[int], action: list[int], next_state: list[int], start: int) -> TransitionDataset:
    count = len(state)
    zeros = np.zeros(count, dtype=np.int64)
    return TransitionDataset(
        state=np.array(state),
        action=np.array(action),
        reward=np.zeros(count),
        next_state=np.array(next_state),
        next_action=zeros,
        start_state=np.full(count, start),
        n_states=2,
        n_actions=2,
    )


def test_mass_at_pairs_without_data_is_reported() -> None:
    # Only (0, 0) has data, it stays; pi takes it half of the time, discount 1/2:
    # mass = (1/2)(1/2) / (1 - (1/2)(1/2)) = 1/3, so 2/3 are lost and the weight is normalized to one.
    dataset = _dataset([0, 0], [0, 0], [0, 0], start=0)
    problem = EstimationProblem.from_dataset(dataset, np.ones((2, 2)), np.full((2, 2), 0.5), 0.5)
    estimate = PlugIn().estimate(problem)
    assert estimate.uncovered == pytest.approx(2 / 3)
    assert estimate.mean == pytest.approx(1 / 3)
    np.testing.assert_allclose(estimate.weights, [[1.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_few_data_give_an_estimate_or_a_typed_error(name: str) -> None:
    """Ten transitions on twelve pairs: weights are zero without data and have mean one."""
    problem = sampled(10, 5)
    assert 0.0 < problem.uncovered < 1.0
    try:
        estimate = build_estimator(name).estimate(problem)
    except AmplError:
        return
    assert (estimate.weights[~problem.support] == 0.0).all()
    assert np.vdot(problem.mass, estimate.weights) == pytest.approx(1.0)


def test_a_policy_that_starts_without_data_has_no_weights() -> None:
    dataset = _dataset([0], [0], [0], start=1)
    problem = EstimationProblem.from_dataset(dataset, np.ones((2, 2)), np.full((2, 2), 0.5), 0.5)
    with pytest.raises(UncoveredPairsError, match="starts at no pair"):
        PlugIn().estimate(problem)


def test_tables_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidShapeError, match=r"\(2, 2\)"):
        EstimationProblem.from_dataset(_dataset([0], [0], [0], 0), np.ones((3, 2)), np.full((2, 2), 0.5), 0.5)


def test_a_policy_or_discount_that_is_none_is_refused() -> None:
    mdp, policy, behavior = setting()
    dataset = sample_dataset(mdp, behavior, 50, np.random.default_rng(0))
    for wrong_policy, discount, expected in (
        (policy * 2.0, 0.8, InvalidDistributionError),
        (policy, 1.0, InvalidDiscountError),
        (policy, -0.1, InvalidDiscountError),
        (policy, "0.8", InvalidArgumentError),
    ):
        with pytest.raises(expected):
            EstimationProblem.from_dataset(dataset, mdp.reward, wrong_policy, discount)  # type: ignore[arg-type]
    from_lists = EstimationProblem.from_dataset(dataset, mdp.reward.tolist(), policy.tolist(), 0.8)
    np.testing.assert_array_equal(
        from_lists.start, EstimationProblem.from_dataset(dataset, mdp.reward, policy, 0.8).start
    )


@pytest.mark.parametrize(
    ("changes", "expected", "message"),
    [
        ({"mass": [[0.5, 0.5], [1.0, 0.0]]}, InvalidDistributionError, "mass sums to 2"),
        ({"mass": [[1.5, -0.5], [0.0, 0.0]]}, InvalidDistributionError, "mass has the entry -0.5"),
        ({"mass": [0.5, 0.5]}, InvalidShapeError, "mass has shape (2,)"),
        ({"initial": [1.0, 1.0]}, InvalidDistributionError, "initial sums to 2"),
        ({"initial": [1.0]}, InvalidShapeError, "initial has shape (1,)"),
        ({"reward": [[1.0, np.inf], [0.0, 0.0]]}, InvalidRewardError, "not finite"),
        ({"reward": [["a", "b"], ["c", "d"]]}, InvalidArgumentError, "reward is not an array of real numbers"),
        ({"policy": np.ones((2, 2))}, InvalidDistributionError, "policy[0] sums to 2"),
        ({"policy": np.ones((3, 2))}, InvalidShapeError, "policy has shape (3, 2)"),
        ({"dynamics": np.full((4, 2), 0.5)}, InvalidShapeError, "dynamics has shape (4, 2)"),
        ({"dynamics": sparse.csr_array((2, 2))}, InvalidShapeError, "dynamics has shape (2, 2)"),
        ({"discount": 1.0}, InvalidDiscountError, "discount is 1.0"),
    ],
)
def test_a_problem_made_by_hand_is_checked(changes: dict[str, Any], expected: type[AmplError], message: str) -> None:
    half = np.full((2, 2), 0.5)
    given = {"mass": half / 2.0, "dynamics": np.full((2, 2, 2), 0.5), "initial": [0.5, 0.5], "reward": half.tolist()}
    given |= {"policy": half, "discount": 0.5}
    assert PlugIn().estimate(EstimationProblem(**given)).expected_return == pytest.approx(0.5)
    with pytest.raises(expected, match=re.escape(message)):
        EstimationProblem(**(given | changes))
