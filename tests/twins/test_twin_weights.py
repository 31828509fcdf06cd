"""The deep weight estimators on a finite problem, against the exact weights d_pi / d_b of the tabular wing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.finite_problem import FiniteProblem
from continuous.experiments import figure2_truth as experiments
from continuous.experiments.finite import TableCritic, TablePolicy, all_pairs, lookup_network, transition_table
from continuous.networks.streams import SeedStreams
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.estimator import EstimatorConfig, PowerOutput, WeightNetwork
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import CriticTest, QMoment, QMomentConfig
from continuous.weights.vpm import VPMConfig
from tabular.exact.occupancy import occupancy
from tabular.experiments.finite_problem import finite_problem
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.moments import indicator_conditions, q_moment, weights_error

SIZES = {"hidden": (32,), "batch_size": 500, "start_batch_size": 500}
FAVORABLE: dict[
    str, tuple[EstimatorConfig, int, float]
] = {  # settings, estimations one after another, error in L1(d_b)
    "VPM": (VPMConfig(steps=400, learning_rate=1e-2, normalization=0.1, **SIZES), 5, 0.06),
    "GenDICE": (GenDICEConfig(steps=2000, weights_learning_rate=1e-3, value_learning_rate=1e-2, **SIZES), 1, 0.08),
    "DualDICE": (DualDICEConfig(steps=2500, weights_learning_rate=1e-3, value_learning_rate=1e-3, **SIZES), 1, 0.2),
    "multi-moment": (MultiMomentConfig(steps=600, learning_rate=1e-2, weight_power=1.0, **SIZES), 1, 0.1),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(n_transitions: int = 20_000) -> FiniteProblem:
    return finite_problem(0, n_states=4, n_actions=2, n_transitions=n_transitions, n_policies=3, discount=0.8)


def mdp_of(problem: FiniteProblem) -> FiniteMDP:
    return FiniteMDP(problem.dynamics, problem.reward_table, problem.initial, problem.discount)


def estimated(problem: FiniteProblem, config: EstimatorConfig, estimations: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the last policy at every pair, [S, A]: of mean one over the data, and as the network gives them."""
    estimator = config.build(problem.n_states, problem.n_actions, (0,), None, "cpu", problem.discount)
    table, streams = transition_table(problem), SeedStreams((0,), "weights")
    for _ in range(estimations):
        rows = estimator.estimate(
            table, TablePolicy(problem.policies[-1]), TableCritic(problem.action_values[-1]), streams
        )
    with torch.no_grad():
        raw = estimator.network.of(*all_pairs(problem.n_states, problem.n_actions)).double()
    data = estimator.network.of_table(table).double()
    torch.testing.assert_close(rows.double(), data / data.mean(), rtol=1e-5, atol=0.0)
    raw = raw.view(*problem.behavior.shape)
    return (raw / data.mean()).numpy(), raw.numpy()


@pytest.mark.parametrize("name", FAVORABLE)
def test_in_favorable_settings_an_estimator_finds_the_exact_weights(name: str) -> None:
    """Within the error stated, mean |w - w*| under d_b, where w = 1 is off by 0.72."""
    problem = small()
    config, estimations, tolerance = FAVORABLE[name]
    weights, _ = estimated(problem, config, estimations)
    visits, exact = occupancy(mdp_of(problem), problem.behavior), problem.exact_weights[-1]
    assert weights_error(np.ones_like(exact), exact, visits)["l1"] > 0.7
    assert weights_error(weights, exact, visits)["l1"] < tolerance
    assert abs(np.vdot(visits * problem.reward_table, weights) - problem.expected_return[-1]) < tolerance


def test_the_exact_weights_close_equation_10_for_arbitrary_test_functions() -> None:
    """Up to the sampling of 400,000 rows; weights of one do not."""
    problem = small(400_000)
    table = transition_table(problem)
    config = QMomentConfig(**(SIZES | {"batch_size": 400_000, "start_batch_size": 400_000}))
    values = np.random.default_rng(0).normal(size=(5, 4, 2))
    residuals = {}
    for name, weights in (("exact", problem.exact_weights[-1]), ("flat", np.ones((4, 2)))):
        network = WeightNetwork(4, 2, PowerOutput(power=1.0), (8,), (0,))
        vars(network).update(vars(lookup_network(np.log(np.expm1(weights)), 1)))  # the inverse of softplus
        estimator = QMoment(config, network, None)
        estimator.discount = problem.discount
        for index, value in enumerate(values):
            draws = estimator.draws(table, TablePolicy(problem.policies[-1]), SeedStreams((0,), "batch"))
            (found, left), right = estimator.sides(draws, CriticTest(TableCritic(value)))
            residuals[name, index] = abs(float((found * left).mean() - right))
    assert max(residuals["exact", index] for index in range(5)) < 0.02
    assert max(residuals["flat", index] for index in range(5)) > 0.15


def test_the_q_moment_is_closed_by_scale_alone_and_its_weights_stay_far_from_the_truth() -> None:
    """One equation, so one number is found: the mean becomes J(pi) / J(pi_b), which normalization takes away again."""
    problem = small()
    mdp, policy, exact = mdp_of(problem), problem.policies[-1], problem.exact_weights[-1]
    visits = occupancy(mdp, problem.behavior)
    config = QMomentConfig(steps=800, learning_rate=1e-3, target_rate=0.5, **SIZES)
    weights, raw = estimated(problem, config)
    condition = q_moment(mdp, policy, visits, problem.action_values[-1])
    assert abs(condition.residual(np.ones_like(exact))[0]) > 0.25
    assert abs(condition.residual(raw)[0]) < 0.02
    assert abs(condition.residual(weights)[0]) > 0.25
    flat = weights_error(np.ones_like(exact), exact, visits)["l1"]
    assert min(weights_error(each, exact, visits)["l1"] for each in (weights, raw)) > 0.9 * flat
    assert np.vdot(visits, raw) == pytest.approx(problem.expected_return[-1] / problem.expected_return[0], rel=0.05)


def test_many_moments_close_every_condition_far_better_than_one() -> None:
    problem = small()
    mdp, visits = mdp_of(problem), occupancy(mdp_of(problem), problem.behavior)
    conditions = indicator_conditions(mdp, problem.policies[-1], visits)
    one, _ = estimated(problem, QMomentConfig(steps=800, learning_rate=1e-3, target_rate=0.5, **SIZES))
    many, _ = estimated(problem, FAVORABLE["multi-moment"][0])
    assert 10.0 * np.abs(conditions.residual(many)).max() < np.abs(conditions.residual(one)).max()


def test_the_record_has_the_stated_shapes_and_errors_and_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = experiments.scaled_estimators
    short = {name: replace(config, steps=5) for name, config in full(0.9).items()}
    monkeypatch.setattr(experiments, "scaled_estimators", lambda discount: short)
    monkeypatch.setattr(experiments, "find_finite_problem_provider", lambda: finite_problem)
    monkeypatch.setattr(experiments, "RETRAININGS", 2)
    for name in ("first", "second"):
        experiments.figure2_truth(tmp_path / f"{name}.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as record:
        assert record["estimator"].tolist() == list(full(0.9))
        assert record["log_weights"].shape == (5, 2, 2000)
        assert record["true_log_weights"].shape == (2, 2000)
        assert np.abs(record["true_log_weights"][0]).max() < 1e-12  # the first policy is the behavior policy
        for name in ("error_l1", "return_error", "scale"):
            assert record[name].shape == (5, 2)
        shown = np.abs(np.exp(record["log_weights"]) - np.exp(record["true_log_weights"])).mean(axis=-1)
        np.testing.assert_allclose(shown, record["error_l1"], rtol=0.1, atol=0.01)
        problem = finite_problem(experiments.SEED, n_policies=2)
        gain = problem.expected_return[1] - problem.expected_return[0]
        assert record["return_error"][0, 1] == pytest.approx(gain, rel=0.1)  # hardly trained: still almost flat


def test_scaled_settings_keep_what_ampl_s_estimator_can_reach() -> None:
    """Steps times rate, and time constants 1 / (rate (1 - discount)) of its fixed-point iteration, as published."""
    scaled, published = experiments.scaled_estimators(0.9)["Q-moment (AMPL)"], QMomentConfig()
    assert isinstance(scaled, QMomentConfig)
    assert scaled.steps * scaled.learning_rate == pytest.approx(published.steps * published.learning_rate)
    passed = [each.steps * each.target_rate * (1.0 - discount) for each, discount in ((scaled, 0.9), (published, 0.99))]
    assert passed[0] == pytest.approx(passed[1])
    assert experiments.scaled_estimators(0.9)["VPM"].steps == VPMConfig().steps
