"""The return gap and its parts: against formulas, with policies and models that have them."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ampl.evaluation_schedule import EvaluationRequest
from continuous.algorithms.linear_gaussian_truth import TruthEvaluation
from continuous.algorithms.return_gap import ReturnGap
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.divergences import model_divergence
from continuous.linear_gaussian.mixtures import episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.tasks import LinearGaussianTask, find_linear_gaussian

PARTS = ("gap_optimization", "gap_dense", "gap_sparse")


class GaussianModel:
    """In place of a learned ensemble: linear dynamics where data are dense, others elsewhere; it pays 0.01 too much.

    Its rewards are rescaled, as AMPL's are: `in_task_units` takes them back.
    """

    config = SimpleNamespace(elites=5)

    def __init__(self, task: LinearGaussianTask, dense: LinearDynamics, sparse: LinearDynamics) -> None:
        self._gap, self._reward, self._dynamics = ReturnGap(task), task.mdp.reward, (dense, sparse)

    def state(self, index: int) -> dict[str, Floats]:
        return {"matrix": self._dynamics[0].matrix, "elsewhere": self._dynamics[1].matrix}

    def predict(
        self, state: torch.Tensor, action: torch.Tensor, noise: torch.Tensor, shift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = torch.cat((state, action), -1).double().numpy()
        drawn = noise[..., 1:].double().numpy()
        dense, sparse = (each.next_mean(pairs) + drawn @ np.sqrt(each.covariance) for each in self._dynamics)
        after = np.where(self._gap.is_dense(pairs)[..., None], dense, sparse)
        reward = torch.from_numpy(self._reward(pairs)) + 0.01 + noise[..., 0]
        return torch.from_numpy(after).float(), (reward + 3.0) / 2.0


def in_task_units(reward: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    return 2.0 * reward - 3.0 * steps


def measured(
    task: LinearGaussianTask,
    policy: AffineGaussianPolicy,
    dense: LinearDynamics,
    sparse: LinearDynamics | None = None,
    seeds: Sequence[int] = (0, 1),
) -> dict[str, Floats]:
    gap = ReturnGap(task)
    algorithm: Any = SimpleNamespace(
        seeds=seeds,
        learner=SimpleNamespace(discount=task.mdp.discount),
        in_reward_units=in_task_units,
        table=SimpleNamespace(rows=torch.zeros(1)),
        model=GaussianModel(task, dense, sparse or dense),
        best_action=lambda state, _: torch.from_numpy(policy.mean(state.double().numpy())).float(),
    )
    reached = occupancy(task.mdp, policy)
    pairs = np.stack([reached.sample(500, np.random.default_rng(seed)) for seed in seeds])
    divergence = np.full(len(seeds), model_divergence(reached, task.mdp.dynamics, dense))
    return {name.removeprefix("truth/"): column for name, column in gap(algorithm, pairs, divergence).items()}


def policies(task: LinearGaussianTask) -> tuple[AffineGaussianPolicy, LinearDynamics]:
    """A policy that is not the best, and a model that is not the truth."""
    truth = task.mdp.dynamics
    model = replace(truth, state_matrix=0.97 * truth.state_matrix, covariance=1.3 * truth.covariance)
    return replace(task.optimum, gain=0.6 * task.optimum.gain), model


@pytest.mark.parametrize("name", ["lqr-pointmass", "lqr-pointmass-bounded", "lqr-random-4-2-bounded"])
def test_returns_in_the_model_are_those_of_the_formulas_and_the_parts_add_up(name: str) -> None:
    task = find_linear_gaussian(name)
    policy, model = policies(task)
    model = replace(model, covariance=np.diag(np.diag(model.covariance)))  # as of a learned one
    found = measured(task, policy, model)

    def discounted(*arguments: Any) -> float:
        return expected_return(task.mdp, *arguments) / (1.0 - task.mdp.discount)

    exact = {
        "return_in_model": discounted(policy, model),
        "overestimation": discounted(policy, model) - discounted(policy),
        "return_gap": discounted(task.optimum) - discounted(policy),
        "gap_optimization": discounted(task.optimum, model) - discounted(policy, model),
    }
    for what, value in exact.items():
        assert (np.abs(found[what] - value) <= 6.0 * found[f"{what}_error"] + 1e-3 * abs(value)).all(), what
    np.testing.assert_allclose(sum(found[part] for part in PARTS), found["return_gap"], rtol=1e-9)
    both = found["overestimation_dense"] + found["overestimation_sparse"]
    np.testing.assert_allclose(both, found["overestimation"], rtol=1e-9)
    np.testing.assert_allclose(found["reward_overestimation"], 0.01 / (1.0 - task.mdp.discount))
    assert (found["gap_dense"] != 0.0).all()
    assert (found["return_gap"][0] != found["return_gap"][1]).any()


def test_an_error_is_charged_to_where_the_model_is_wrong() -> None:
    task = find_linear_gaussian("lqr-pointmass-bounded")
    policy, wrong = replace(task.optimum, offset=np.ones(1)), policies(task)[1]  # it leaves the data
    truth = task.mdp.dynamics
    for dense, sparse, none, some in ((wrong, truth, "sparse", "dense"), (truth, wrong, "dense", "sparse")):
        found = measured(task, policy, dense, sparse)
        np.testing.assert_allclose(found[f"gap_{none}"], 0.0, atol=1e-3)
        assert (np.abs(found[f"gap_{some}"]) > 0.02).all()
    right = measured(task, policy, truth)
    for name in ("overestimation", "gap_dense", "gap_sparse"):
        np.testing.assert_allclose(right[name], 0.0, atol=1e-3)
    np.testing.assert_allclose(right["gap_optimization"], right["return_gap"], atol=1e-3)


def test_theorem_1_speaks_of_bounded_rewards_and_its_sharp_form_holds() -> None:
    policy, model = policies(find_linear_gaussian("lqr-pointmass"))
    assert not any("theorem1" in name for name in measured(find_linear_gaussian("lqr-pointmass"), policy, model))
    task = find_linear_gaussian("lqr-pointmass-bounded")
    found, gamma = measured(task, policy, model), task.mdp.discount
    divergence = model_divergence(occupancy(task.mdp, policy), task.mdp.dynamics, model)
    np.testing.assert_allclose(found["theorem1_sharp_bound"], gamma * np.sqrt(2.0 * divergence / (1.0 - gamma)))
    np.testing.assert_allclose(found["theorem1_bound"], gamma * np.sqrt(2.0 * divergence) / (1.0 - gamma))
    gap = abs(expected_return(task.mdp, policy, model) - expected_return(task.mdp, policy))
    assert (np.abs(found["theorem1_gap"] - gap) <= 6.0 * found["theorem1_gap_error"]).all()
    assert (found["theorem1_slack"] < found["theorem1_sharp_bound"] / gap).all()
    assert (found["theorem1_slack"] > 1.0).all()


def test_the_dense_ellipsoid_holds_99_percent_of_the_data() -> None:
    task = find_linear_gaussian("lqr-random-4-2")
    drawn = episode_law(task.mdp, task.behavior, 100).sample(20_000, np.random.default_rng(0))
    assert ReturnGap(task).is_dense(drawn).mean() == pytest.approx(0.99, abs=0.004)


def test_a_seed_measures_the_same_alone_and_beside_others() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    together, alone = (measured(task, *policies(task), seeds=seeds) for seeds in ((0, 1), (1,)))
    assert all(together[name][1] == column[0] for name, column in alone.items())


def test_the_truth_is_left_out_for_a_seed_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = TruthEvaluation(
        find_linear_gaussian("lqr-pointmass"),
        evaluator=lambda *_: SimpleNamespace(starts=lambda *_: None),
        score=None,
        episode_limit=1,
    )
    columns = {
        "truth/return_gap": np.array([1.0, np.inf]),
        "truth/dense_share": np.array([0.5, 0.5]),
        "certificate/model_return": np.array([2.0, np.nan]),
        "exact_weights/error": np.array([np.nan, 3.0]),
    }
    monkeypatch.setattr(evaluation, "_certificates", lambda *_: columns)
    algorithm: Any = SimpleNamespace(
        seeds=(0, 1),
        settings=SimpleNamespace(evaluation_episodes=1),
        learner=SimpleNamespace(discount=0.9, is_sound=lambda: (True, True)),
        actor=lambda index: None,
        computing=nullcontext,
    )
    first, second = (each.certificates for each in evaluation.evaluations(algorithm, EvaluationRequest(epoch=1)))
    assert first == {"truth/return_gap": 1.0, "truth/dense_share": 0.5, "certificate/model_return": 2.0}
    assert list(second) == ["certificate/model_return", "exact_weights/error"]  # which stops the run, as it should
