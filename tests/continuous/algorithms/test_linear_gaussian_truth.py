"""What is measured as the truth on tasks lqr-...: against formulas, with a policy and a model that have them."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ampl.runs.metrics_table import MetricsTable
from continuous.algorithms.linear_gaussian_truth import PATHS, WEIGHT_COLUMNS, TruthEvaluation
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.dataset import fit_policy
from continuous.linear_gaussian.divergences import model_divergence
from continuous.linear_gaussian.mixtures import GaussianMixture, episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.linear_gaussian.weights import agreement, log_weights
from continuous.replay.buffers import TransitionTable


class GaussianModel:
    """Linear dynamics in place of a learned ensemble."""

    def __init__(self, dynamics: LinearDynamics) -> None:
        self._dynamics = dynamics

    def next_state_log_density(
        self, state: torch.Tensor, action: torch.Tensor, next_state: torch.Tensor
    ) -> torch.Tensor:
        deviation = next_state.double().numpy() - self._dynamics.next_mean(
            torch.cat((state, action), -1).double().numpy()
        )
        size = deviation.shape[-1]
        law = GaussianMixture(np.ones(1), np.zeros((1, size)), self._dynamics.covariance[None])
        return torch.from_numpy(law.log_density(deviation.reshape(-1, size))).view(deviation.shape[:2])


def measured(task: Any, policy: AffineGaussianPolicy, model: LinearDynamics) -> dict[str, Floats]:
    def best_action(state: torch.Tensor, streams: object) -> torch.Tensor:
        return torch.from_numpy(policy.mean(state.double().numpy())).float()

    algorithm: Any = SimpleNamespace(
        seeds=(0, 1),
        learner=SimpleNamespace(discount=task.mdp.discount),
        table=SimpleNamespace(rows=torch.zeros(1)),
        model=GaussianModel(model),
        best_action=best_action,
        computing=nullcontext,
    )
    evaluation = TruthEvaluation(task, evaluator=None, score=None, episode_limit=100)
    pairs, returns = evaluation._follow(algorithm, best_action)
    return {"return": returns, "divergence": evaluation._log_ratios(algorithm, pairs)}


@pytest.mark.parametrize("name", ["lqr-pointmass", "lqr-random-4-2-bounded"])
def test_returns_and_divergences_are_those_of_the_formulas(name: str) -> None:
    task = find_linear_gaussian(name)
    truth = task.mdp.dynamics
    model = replace(truth, state_matrix=0.98 * truth.state_matrix, covariance=1.3 * truth.covariance)
    found = measured(task, task.optimum, model)
    exact = {
        "return": expected_return(task.mdp, task.optimum) / (1.0 - task.mdp.discount),
        "divergence": model_divergence(occupancy(task.mdp, task.optimum), truth, model),
    }
    for what, samples in found.items():
        error = samples.std(-1, ddof=1) / np.sqrt(PATHS)
        tail = 1e-3 * abs(exact[what])  # of the return, after the paths end
        assert (np.abs(samples.mean(-1) - exact[what]) <= 6.0 * error + tail).all(), (
            what,
            samples.mean(-1),
            exact[what],
        )
    assert (found["return"][0] != found["return"][1]).any()


def test_the_true_model_is_apart_from_itself_by_nothing() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    np.testing.assert_allclose(measured(task, task.optimum, task.mdp.dynamics)["divergence"], 0.0, atol=1e-3)


def table_of(task: Any, episodes: int = 20) -> TransitionTable:
    """Some of the task's data."""
    rows = task.episodes()
    state, action, after = (
        torch.from_numpy(each[:episodes].reshape(-1, each.shape[-1])).float()
        for each in (rows.states[:, :-1], rows.actions, rows.states[:, 1:])
    )
    reward = torch.from_numpy(rows.rewards[:episodes].ravel()).float()
    end = torch.zeros(len(reward), dtype=torch.bool)
    return TransitionTable(
        state=state, action=action, reward=reward, next_state=after, terminal=end, start_state=state[::100]
    )


def test_the_exact_weights_have_no_error_and_equal_weights_have_that_of_being_one() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    table, evaluation = table_of(task), TruthEvaluation(task, evaluator=None, score=None, episode_limit=100)
    policy = replace(task.optimum, covariance=0.02 * np.eye(1))
    visited = occupancy(task.mdp, policy).sample(PATHS, np.random.default_rng(0))[None]
    fitted = fit_policy(visited[0, :, :2], visited[0, :, 2:])
    pairs = torch.cat((table.state, table.action), dim=-1).double().numpy()
    data = episode_law(task.mdp, task.behavior, 100)
    exact = np.exp(log_weights(occupancy(task.mdp, fitted), data, pairs))
    found = evaluation._against_exact_weights(table, visited, exact[None])
    assert found["exact_weights/error"] == pytest.approx(0.0, abs=1e-12)
    assert found["exact_weights/rank_correlation"] == pytest.approx(1.0)
    assert found["exact_weights/estimate_effective_share"] == found["exact_weights/effective_share"]
    assert 0.01 < found["exact_weights/effective_share"] < 0.9
    ones = evaluation._against_exact_weights(table, visited, 1.0 + 1e-9 * np.arange(len(exact))[None])
    assert ones["exact_weights/error"] == pytest.approx(np.abs(1.0 - exact).mean(), rel=1e-4)
    assert ones["exact_weights/estimate_effective_share"] == pytest.approx(1.0)
    beside = np.stack((exact, np.full_like(exact, np.nan)))
    both = evaluation._against_exact_weights(table, np.concatenate((visited, visited)), beside)
    for name, (of_one, of_other) in both.items():  # a seed without weights leaves the others' alone
        assert of_one == found[name]
        assert np.isnan(of_other)


def test_an_affine_policy_has_the_exact_weights_of_the_formula_and_one_that_pushes_away_has_none() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    policies = (replace(task.optimum, covariance=0.02 * np.eye(1)), replace(task.optimum, gain=np.full((1, 2), 5.0)))
    generator = np.random.default_rng(0)

    def act(state: torch.Tensor, streams: object) -> torch.Tensor:
        actions = [policy.act(rows.double().numpy(), generator) for policy, rows in zip(policies, state, strict=True)]
        return torch.from_numpy(np.stack(actions).clip(-1e3, 1e3)).float()

    algorithm: Any = SimpleNamespace(
        seeds=(0, 1),
        learner=SimpleNamespace(discount=task.mdp.discount, policy=SimpleNamespace(act=act)),
        table=table_of(task),
        computing=nullcontext,
    )
    evaluation = TruthEvaluation(task, evaluator=None, score=None, episode_limit=100)
    (found, none) = evaluation.exact_weights(algorithm)
    assert none is None
    pairs = torch.cat((algorithm.table.state, algorithm.table.action), dim=-1).double().numpy()
    data = episode_law(task.mdp, task.behavior, 100)
    exact = np.exp(log_weights(occupancy(task.mdp, policies[0]), data, pairs))
    assert found is not None
    near = agreement(found, exact)  # not the same, as the policy is fitted to draws of it
    assert near.rank_correlation > 0.98
    assert near.error < 0.15 * np.abs(1.0 - exact).mean()


def test_a_policy_without_an_occupancy_has_no_columns_of_weights() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    evaluation = TruthEvaluation(task, evaluator=None, score=None, episode_limit=100)
    states = np.random.default_rng(0).standard_normal((PATHS, 2))
    pushing = np.hstack((states, 5.0 * states.sum(1, keepdims=True)))[None]  # away from the origin
    found = evaluation._against_exact_weights(table_of(task), pushing, np.ones((1, 2000)))
    assert np.isnan(list(found.values())).all()  # which evaluations leave out


def test_epochs_with_and_without_exact_weights_go_into_one_table(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.append(1, {"truth/discounted_return": 1.0})
    table.append(2, {"truth/discounted_return": 1.0} | dict.fromkeys(WEIGHT_COLUMNS, 0.5))
    table.append(3, {"truth/discounted_return": 1.0})
