"""What is measured as the truth on tasks lqr-...: against formulas, with a policy and a model that have them."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from continuous.algorithms.linear_gaussian_truth import PATHS, TruthEvaluation
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.divergences import model_divergence
from continuous.linear_gaussian.mixtures import GaussianMixture, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.tasks import find_linear_gaussian


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
    pairs, returns = evaluation._follow(algorithm)
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
