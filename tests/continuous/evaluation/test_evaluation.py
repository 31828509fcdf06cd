"""Evaluation: seeds apart, draws reproducible, scores on D4RL's scale, equal to a loop over single episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidShapeError
from ampl.processes import available_cores
from ampl.randomness import stream
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.robots import Hopper
from continuous.environments.maze2d.simulator import Maze2D
from continuous.environments.registry import environment_for, simulator_maker
from continuous.evaluation.evaluator import Evaluation, Evaluator, Policy, uniform_policy
from continuous.tasks.find import find_task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def noisy_policy(seed: int) -> Policy:
    """A small random network plus noise."""
    weights = np.random.default_rng(seed).standard_normal((11, 3), dtype=np.float32)

    def act(observations: NDArray[np.float32], generator: np.random.Generator) -> NDArray[Any]:
        assert observations.dtype == np.float32
        return np.tanh(observations @ weights) + 0.3 * generator.normal(size=(len(observations), 3))

    return act


def test_a_seeds_result_does_not_depend_on_its_neighbors() -> None:
    policies = [noisy_policy(seed) for seed in range(3)]
    with Evaluator(BatchSimulator(Hopper(), 2), episodes=4) as evaluator:
        together = evaluator.evaluate(policies, [5, 6, 7])
        alone = evaluator.evaluate([policies[1]], [6])[0]
    np.testing.assert_array_equal(together[1].returns, alone.returns)
    np.testing.assert_array_equal(together[1].lengths, alone.lengths)
    assert len({float(evaluation.returns.sum()) for evaluation in together}) == 3


def test_the_same_seed_gives_the_same_bytes_and_other_seeds_other_episodes() -> None:
    results = []
    for seed in (0, 0, 1):
        with Evaluator(BatchSimulator(Hopper()), episodes=5) as evaluator:
            results.append(evaluator.evaluate([noisy_policy(0)], [seed])[0].returns.tobytes())
    assert results[0] == results[1] != results[2]


def test_a_batch_of_episodes_equals_a_loop_over_single_ones() -> None:
    """The policy is deterministic, so that the loop needs no shared draws."""
    weights = np.random.default_rng(3).standard_normal((11, 3), dtype=np.float32)
    with Evaluator(BatchSimulator(Hopper()), episodes=6) as evaluator:
        evaluation = evaluator.evaluate([lambda o, _: np.tanh(o @ weights)], [2], "evaluation/epoch 7")[0]
    environment = environment_for(find_task("hopper-medium-v2"))
    for episode in range(6):
        environment.reset(seed=0)
        environment.unwrapped.np_random = stream(2, f"evaluation/epoch 7/start/{episode}")
        observation, _ = environment.reset()
        total, length, ended = 0.0, 0, False
        while not ended:
            action = np.tanh(observation.astype(np.float32)[None] @ weights)[0].astype(np.float64)
            observation, reward, terminated, truncated, _ = environment.step(action)
            total, length, ended = total + reward, length + 1, terminated or truncated
        assert evaluation.returns[episode] == pytest.approx(total, abs=1e-3)  # float32 policies, one row or six
        assert evaluation.lengths[episode] == length
        assert evaluation.terminated[episode] == terminated


def test_episodes_are_cut_at_the_tasks_limit() -> None:
    with Evaluator(BatchSimulator(Maze2D("umaze", "dense")), episodes=2) as evaluator:
        evaluation = evaluator.evaluate([uniform_policy(2)], [0])[0]
    assert evaluation.lengths.tolist() == [300, 300]
    assert not evaluation.terminated.any()


def test_scores_are_scaled_and_spreads_never_shifted() -> None:
    """Facts, section 3: score = 100 (return - min) / (max - min); a spread is scaled by 1 / (max - min) only."""
    task = find_task("hopper-medium-v2")
    evaluation = Evaluation(
        returns=np.array([1607.01384, 3234.3]),
        discounted_returns=np.zeros(2),
        lengths=np.array([800, 1000]),
        terminated=np.array([True, False]),
    )
    metrics = evaluation.metrics(task)
    assert metrics["evaluation/score_mean"] == pytest.approx((50.0 + 100.0) / 2, abs=1e-3)
    assert metrics["evaluation/score_spread"] == pytest.approx(25.0, abs=1e-3)
    assert metrics["evaluation/return_mean"] == pytest.approx((1607.01384 + 3234.3) / 2)
    assert metrics["evaluation/length_steps"] == 900.0
    for task_without_scores in (None, find_task("halfcheetah-jump")):
        found = evaluation.metrics(task_without_scores)
        assert found == {name: value for name, value in metrics.items() if "score" not in name}


def test_each_name_of_the_random_streams_has_starts_and_draws_of_its_own() -> None:
    with Evaluator(BatchSimulator(Hopper(), 1), episodes=3) as evaluator:
        starts = {name: evaluator.starts([0, 1], name) for name in ("evaluation", "evaluation/epoch 1")}
        found = [evaluator.evaluate([noisy_policy(0)], [0], name)[0].returns for name in starts]
        again = evaluator.evaluate([noisy_policy(0)], [0])[0].returns
    assert all(each.shape == (2, 3, 11) and each.dtype == np.float32 for each in starts.values())
    rows = np.concatenate([each.reshape(-1, 11) for each in starts.values()])
    assert len(np.unique(rows, axis=0)) == 12
    np.testing.assert_array_equal(found[0], again)
    assert not np.array_equal(found[0], found[1])


def test_wrong_policies_are_named() -> None:
    with Evaluator(BatchSimulator(Hopper()), episodes=2) as evaluator:
        with pytest.raises(InvalidShapeError, match="1 policies for 2 seeds"):
            evaluator.evaluate([noisy_policy(0)], [0, 1])
        with pytest.raises(InvalidShapeError, match=r"\[2, 4\]; expected \[2, 3\]"):
            evaluator.evaluate([uniform_policy(4)], [0])
        with pytest.raises(InvalidArgumentError, match="not finite"):
            evaluator.evaluate([lambda o, _: np.full((2, 3), np.nan)], [0])
    with pytest.raises(InvalidArgumentError, match="episodes"):
        Evaluator(BatchSimulator(Hopper()), episodes=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mean", "error"),
    [("halfcheetah-random-v2", -286.5, 8.1), ("hopper-random-v2", 18.9, 0.6), ("walker2d-random-v2", 2.7, 0.2)],
)
def test_random_policies_earn_what_the_facts_measured(name: str, mean: float, error: float) -> None:
    """Facts, section 3: returns of a uniform random policy on the v4 environments, with standard errors."""
    task = find_task(name)
    with Evaluator(simulator_maker(task, available_cores())(), episodes=400) as evaluator:
        returns = evaluator.evaluate([uniform_policy(task.action_size)], [0])[0].returns
    own_error = returns.std() / np.sqrt(len(returns))
    assert abs(returns.mean() - mean) < 3.0 * np.hypot(error, own_error)
