"""Evaluation: all episodes of all seeds at once, and what they earned.

Every seed has E episodes. Where they start depends on the seed, the name of the evaluation's random streams and the
episode's number only, so a seed's result is the same whatever is evaluated beside it. In training the epoch is in that
name: ten evaluations see a hundred starts. Under the plain name, "evaluation", all start alike. A policy always sees
all E rows, those of finished episodes with their last observation: its random numbers do not depend on which episodes
have ended. Returns are undiscounted; scores are on D4RL's scale, 0 to 100. Policies are functions of numpy arrays and
their products are computed on one thread, so that an evaluation gives the same bytes in every process; nothing here
imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.blas_threads import one_blas_thread
from ampl.errors import InvalidShapeError, check_at_least, check_fraction
from ampl.randomness import stream
from ampl.runs.headline import SCORE
from ampl.statistics import spread
from continuous.environments.registry import kept_simulator
from continuous.environments.robot import Flags, Floats
from continuous.environments.simulator import Simulator
from continuous.tasks.registry import Task
from continuous.tasks.scores import normalize_score, normalize_spread

Policy: TypeAlias = Callable[[NDArray[np.float32], np.random.Generator], NDArray[Any]]
"""From observations [E, D] and a generator to actions [E, A]."""

COMMON = "evaluation"  # name of the random streams of evaluations that all start alike

Visitor: TypeAlias = Callable[[NDArray[np.float32], NDArray[Any], Flags], None]
"""Gets observations [K, E, D], actions [K, E, A] and which episodes are running, [K, E]."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the policy of one seed earned in E episodes."""

    returns: Floats  # sums of rewards, [E], in the task's reward units
    discounted_returns: Floats  # the same with the evaluator's discount, [E]
    lengths: NDArray[np.int64]  # actions until the episode terminated or was cut, [E]
    terminated: Flags  # whether the episode ended by itself, [E]

    def metrics(self, task: Task | None, *, discounted: bool = False) -> Mapping[str, float]:
        """Means and spreads over the episodes; the spread is their standard deviation (divisor E).

        Args:
            task: whose scale the scores are on; None, or a task without reference returns, leaves them out.
            discounted: whether the mean discounted return is among them.
        """
        mean, deviation = float(self.returns.mean()), spread(self.returns)
        metrics = {
            "evaluation/return_mean": mean,
            "evaluation/return_spread": deviation,
            "evaluation/length_steps": float(self.lengths.mean()),
        }
        if discounted:
            metrics["evaluation/discounted_return_mean"] = float(self.discounted_returns.mean())
        if task is not None and task.has_scores:
            metrics[SCORE] = normalize_score(task, mean)
            metrics["evaluation/score_spread"] = normalize_spread(task, deviation)
        return metrics


class Evaluator:
    """Runs policies in one task.

    Args:
        simulator: of the task (`continuous.environments.registry`); closed with the evaluator in a `with` statement.
        episodes: E, for each seed.
        discount: gamma of `Evaluation.discounted_returns`.

    Raises:
        InvalidArgumentError: fewer than one episode, or a discount outside [0, 1].
    """

    def __init__(self, simulator: Simulator, *, episodes: int = 10, discount: float = 1.0) -> None:
        check_at_least("episodes", episodes, 1)
        check_fraction("discount", discount)
        self._simulator = simulator
        self._episodes, self._discount = episodes, discount

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self._simulator.close()

    def starts(self, seeds: Sequence[int], name: str = COMMON) -> NDArray[np.float32]:
        """Where the episodes start, [K, E, D]; `name` as for `evaluate`."""
        return self._reset(seeds, name).astype(np.float32).reshape(len(seeds), self._episodes, -1)

    def evaluate(
        self, policies: Sequence[Policy], seeds: Sequence[int], name: str = COMMON, visit: Visitor | None = None
    ) -> list[Evaluation]:
        """One policy for each seed.

        Args:
            policies: K of them.
            seeds: K of them.
            name: of the random streams that start the episodes and that the policies draw from.
            visit: is told of every step before it is taken.

        Returns:
            One evaluation a seed, in their order.

        Raises:
            InvalidShapeError: another number of policies than seeds, or actions of another shape.
            InvalidArgumentError: an action that is not finite.
        """
        if len(policies) != len(seeds):
            raise InvalidShapeError(f"{len(policies)} policies for {len(seeds)} seeds; expected one each.")
        shape = (len(seeds), self._episodes)
        generators = [stream(seed, f"{name}/actions") for seed in seeds]
        observations = self._reset(seeds, name)  # [K * E, D]
        returns, discounted = np.zeros(len(observations)), np.zeros(len(observations))
        lengths = np.zeros(len(observations), dtype=np.int64)
        terminated = np.zeros(len(observations), dtype=np.bool_)
        discount = 1.0
        for _ in range(self._simulator.episode_limit):
            running = self._simulator.running
            if not running.any():
                break
            seen = observations.astype(np.float32).reshape(*shape, -1)
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # a policy may have diverged
                actions = [policy(rows, each) for policy, rows, each in zip(policies, seen, generators, strict=True)]
            acting = self._stacked(actions)
            if visit is not None:
                visit(seen, acting, running.reshape(shape))
            step = self._simulator.step(acting.reshape(len(observations), -1))
            observations = step.observations
            returns += step.rewards
            discounted += discount * step.rewards
            lengths += running
            terminated |= step.terminated
            discount *= self._discount
        columns = (array.reshape(shape) for array in (returns, discounted, lengths, terminated))
        return [
            Evaluation(returns=returns, discounted_returns=discounted, lengths=lengths, terminated=terminated)
            for returns, discounted, lengths, terminated in zip(*columns, strict=True)
        ]

    def _reset(self, seeds: Sequence[int], name: str) -> Floats:
        generators = [stream(seed, f"{name}/start/{episode}") for seed in seeds for episode in range(self._episodes)]
        return self._simulator.reset(generators)

    def _stacked(self, actions: Sequence[NDArray[Any]]) -> Floats:
        """The actions of K policies, [K, E, A].  Raises InvalidShapeError."""
        expected = (self._episodes, self._simulator.action_size)
        for found in actions:
            if found.shape != expected:
                raise InvalidShapeError(f"a policy's actions are {list(found.shape)}; expected {list(expected)}.")
        return np.stack(actions).astype(np.float64)


def task_evaluator(task: Task, threads: int | None, episodes: int, discount: float = 1.0) -> Evaluator:
    """An evaluator with the simulator that this process keeps for the task; not to be closed."""
    return Evaluator(kept_simulator(task, threads), episodes=episodes, discount=discount)


def uniform_policy(action_size: int) -> Policy:
    """The policy whose return scores 0: every action uniform in [-1, 1]."""

    def act(observations: NDArray[np.float32], generator: np.random.Generator) -> NDArray[Any]:
        return generator.uniform(-1.0, 1.0, size=(len(observations), action_size))

    return act
