"""The regularized Lagrangian: which corner keeps which reading of the return (Yang et al., 2020), which does not."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

from ampl.errors import InvalidArgumentError, NotConvergedError
from tabular.exact.occupancy import expected_return
from tabular.mdps.generators import chain_mdp, random_mdp
from tabular.weights.estimators.lagrangian import RegularizedLagrangian, SaddlePoint, dualdice, gendice
from tabular.weights.estimators.minimax_weight_learning import MinimaxWeightLearning
from tabular.weights.estimators.moments import MultiMoment, random_test_functions
from tabular.weights.estimators.problem import EstimationProblem
from tests.strategies import Case, mdp_model_and_policies
from tests.tabular.weights.estimators.test_recovery import exact_problem

DUAL = {"dual_weight": 0.7}
PRIMAL = {"primal_weight": 0.7}
READINGS = ("dual_return", "primal_return", "lagrangian_return")
RIGHT = [
    ({**DUAL, "reward_weight": 1.0}, ("dual_return", "lagrangian_return")),
    (DUAL, ("dual_return", "lagrangian_return")),
    ({**DUAL, "dual_power": 3.0, "reward_weight": 1.0}, ("dual_return", "lagrangian_return")),
    ({**DUAL, "normalized": True}, ("dual_return", "lagrangian_return")),
    (PRIMAL, ("dual_return", "lagrangian_return")),
    ({**PRIMAL, "normalized": True}, ("dual_return", "lagrangian_return")),
    ({**PRIMAL, "positive": True}, ("dual_return", "lagrangian_return")),
    ({**PRIMAL, "positive": True, "normalized": True}, ("dual_return", "lagrangian_return")),
    ({**PRIMAL, "reward_weight": 1.0}, ("primal_return", "lagrangian_return")),
    ({**PRIMAL, "reward_weight": 1.0, "normalized": True}, ("primal_return", "lagrangian_return")),
    ({**PRIMAL, "reward_weight": 1.0, "positive": True}, ()),
    ({**PRIMAL, **DUAL, "reward_weight": 1.0}, ()),
]
"""Settings, and the readings that stay unbiased; the others are biased in the example below."""


def example() -> tuple[EstimationProblem, float]:
    """A random MDP with one pair that the policy never takes, so that w >= 0 can bind."""
    generator = np.random.default_rng(3)
    mdp = random_mdp(4, 2, generator, discount=0.8, concentration=0.5)
    policy = np.array([[0.0, 1.0], [0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    problem = EstimationProblem.from_mdp(mdp, policy, np.full((4, 2), 0.5))
    return problem, expected_return(mdp, policy)


@pytest.mark.parametrize(("settings", "unbiased"), RIGHT)
@given(case=mdp_model_and_policies())
def test_unbiased_readings_equal_the_return(settings: dict[str, float], unbiased: tuple[str, ...], case: Case) -> None:
    problem = exact_problem(case)
    saddle = RegularizedLagrangian(**settings).solve(problem)  # type: ignore[arg-type]
    for reading in unbiased:
        assert getattr(saddle, reading) == pytest.approx(expected_return(case.mdp, case.policy), abs=1e-4)


@pytest.mark.parametrize(("settings", "unbiased"), RIGHT)
def test_every_other_reading_is_biased_by_an_example(settings: dict[str, float], unbiased: tuple[str, ...]) -> None:
    problem, earned = example()
    saddle = RegularizedLagrangian(**settings).solve(problem)  # type: ignore[arg-type]
    for reading in READINGS:
        error = abs(getattr(saddle, reading) - earned)
        assert error < 1e-7 if reading in unbiased else error > 1e-3, reading


def test_saddle_point_cannot_be_improved_by_either_player() -> None:
    """No w raises the Lagrangian and no Q lowers it: checked against random moves."""
    problem, _ = example()
    family = RegularizedLagrangian(primal_weight=0.3, dual_weight=0.5, reward_weight=1.0)
    saddle = family.solve(problem)
    reward, generator = problem.reward[problem.support], np.random.default_rng(0)

    def lagrangian(weights: np.ndarray, critic: np.ndarray) -> float:
        value = problem.start @ critic + (problem.data * weights) @ (reward - problem.bellman @ critic)
        return float(value + problem.data @ (0.15 * critic**2 - 0.25 * weights**2))

    best = lagrangian(saddle.weights, saddle.critic)
    for move in 0.1 * generator.normal(size=(50, len(problem.data))):
        assert (
            lagrangian(saddle.weights + move, saddle.critic) < best < lagrangian(saddle.weights, saddle.critic + move)
        )


@pytest.mark.parametrize("normalized", [False, True])
def test_positive_saddle_point_meets_its_optimality_conditions(normalized: bool) -> None:
    """w >= 0, the gradient <= 0 and zero where w > 0, recomputed from the definitions."""
    problem, _ = example()
    family = RegularizedLagrangian(primal_weight=7.0, reward_weight=1.0, positive=True, normalized=normalized)
    saddle = family.solve(problem)
    gradient = problem.reward[problem.support] - problem.bellman @ saddle.critic - saddle.multiplier
    assert saddle.weights.min() == 0.0  # the constraint binds
    np.testing.assert_allclose(gradient[saddle.weights > 0.0], 0.0, atol=1e-9)
    assert gradient.max() < 1e-9
    np.testing.assert_allclose(problem.flow_residual(saddle.weights), -7.0 * problem.data * saddle.critic, atol=1e-9)
    if normalized:
        assert problem.data @ saddle.weights == pytest.approx(1.0)


def _best_power_weights(saddle: SaddlePoint, problem: EstimationProblem) -> np.ndarray:
    """What maximizes the Lagrangian at a critic when f2 = |w|^3 / 3 and alpha_R = 0: w |w| = -B Q."""
    slope = -(problem.bellman @ saddle.critic)
    return np.asarray(np.sign(slope) * np.sqrt(np.abs(slope)))


def test_dualdice_in_a_small_critic_class_solves_its_own_saddle_point() -> None:
    """Tabular weights: w = f'(Bellman residual), and the flow constraint holds against every critic function."""
    problem, _ = example()
    critic = random_test_functions(3, (4, 2), np.random.default_rng(1))
    saddle = dualdice(critic_functions=critic).solve(problem)
    np.testing.assert_allclose(saddle.weights, _best_power_weights(saddle, problem), atol=1e-5)
    np.testing.assert_allclose(critic[:, problem.support] @ problem.flow_residual(saddle.weights), 0.0, atol=1e-9)


def test_misspecified_classes_make_the_estimators_differ() -> None:
    problem, _ = example()
    critic = random_test_functions(3, (4, 2), np.random.default_rng(1))
    weights = random_test_functions(5, (4, 2), np.random.default_rng(2))
    found = [
        gendice(weights).estimate(problem).weights,
        MinimaxWeightLearning(weight_functions=weights).estimate(problem).weights,
        dualdice(1.5, weights, critic).estimate(problem).weights,
        dualdice(2.0, weights, critic).estimate(problem).weights,
    ]
    assert min(np.abs(a - b).max() for a, b in combinations(found, 2)) > 1e-3


def test_with_few_critic_functions_gendice_is_the_nearest_solution_of_their_moments() -> None:
    """What no critic function sees stays at its value of least norm, without a trace of rounding."""
    problem, _ = example()
    critic = random_test_functions(3, (4, 2), np.random.default_rng(1))
    nearest = MultiMoment(test_functions=critic).estimate(problem).weights
    np.testing.assert_allclose(gendice(critic_functions=critic).estimate(problem).weights, nearest, atol=1e-9)
    np.testing.assert_allclose(dualdice(2.0, critic_functions=critic).estimate(problem).weights, nearest, atol=1e-9)


def test_more_critic_functions_than_weights_can_obey_have_no_saddle_point() -> None:
    problem, _ = example()
    few = random_test_functions(2, (4, 2), np.random.default_rng(0))
    for estimator in (dualdice(1.5, few), dualdice(2.0, few)):
        with pytest.raises(NotConvergedError, match="no saddle point"):
            estimator.estimate(problem)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="dual_power"):
        RegularizedLagrangian(primal_weight=1.0, dual_power=3.0)
    with pytest.raises(InvalidArgumentError, match="positive=True"):
        RegularizedLagrangian(dual_weight=1.0, positive=True)
    with pytest.raises(InvalidArgumentError, match="primal_weight"):
        RegularizedLagrangian(primal_weight=-1.0)
    with pytest.raises(InvalidArgumentError, match="power"):
        dualdice(1.0)


def test_gendice_on_a_chain_equals_the_exact_weights_where_data_are_rare() -> None:
    mdp = chain_mdp(5, discount=0.95, slip=0.1)
    right = np.tile([0.05, 0.95], (5, 1))
    problem = EstimationProblem.from_mdp(mdp, right, np.tile([0.6, 0.4], (5, 1)))
    exact = problem.flow_solution / problem.data
    np.testing.assert_allclose(gendice().estimate(problem).weights[problem.support], exact, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e9])
@pytest.mark.parametrize(
    "settings",
    [
        {**DUAL, "critic_functions": random_test_functions(3, (4, 2), np.random.default_rng(0))},
        {**DUAL, "critic_functions": random_test_functions(3, (4, 2), np.random.default_rng(0)), "dual_power": 3.0},
        {**PRIMAL, "positive": True, "normalized": True},
        {**PRIMAL, **DUAL},
    ],
)
def test_the_unit_of_the_critic_does_not_change_the_weights(settings: dict[str, object], unit: float) -> None:
    problem, _ = example()
    plain = RegularizedLagrangian(reward_weight=1.0, **settings).solve(problem)  # type: ignore[arg-type]
    scaled = {**settings, "reward_weight": unit}
    if "dual_weight" in settings:
        scaled["dual_weight"] = DUAL["dual_weight"] * unit
    if "primal_weight" in settings:
        scaled["primal_weight"] = PRIMAL["primal_weight"] / unit
    saddle = RegularizedLagrangian(**scaled).solve(problem)  # type: ignore[arg-type]
    np.testing.assert_allclose(saddle.weights, plain.weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(saddle.critic / unit, plain.critic, rtol=1e-6, atol=1e-9)
    assert saddle.multiplier / unit == pytest.approx(plain.multiplier, abs=1e-9)
