"""Evaluation: all episodes of all seeds at once, and what they earned.

Every seed has E episodes. Where they start depends on the seed, the name of the evaluation's random streams and the
episode's number only, so a seed's result is the same whatever is evaluated beside it. In training the epoch is in that
name: ten evaluations see a hundred starts. Under the plain name, "evaluation", all start alike. A policy always sees
all E rows, those of finished episodes with their last observation: its random numbers do not depend on which episodes
have ended. Returns are undiscounted; scores are on D4RL's scale, 0 to 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.errors import InvalidShapeError, check_at_least, check_fraction
from ampl.randomness import stream
from continuous.scores import normalize_score, normalize_spread
from continuous.simulators.robot import Flags, Floats
from continuous.simulators.simulator import Simulator
from continuous.tasks import Task

Policy: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""From observations [E, D], float32, and a generator on their device, to actions [E, A]."""

StackedPolicy: TypeAlias = Callable[[torch.Tensor, Sequence[torch.Generator]], torch.Tensor]
"""The same for K seeds at once: from observations [K, E, D] and one generator a seed, to actions [K, E, A]."""

COMMON = "evaluation"  # name of the random streams of evaluations that all start alike

Visitor: TypeAlias = Callable[[torch.Tensor, torch.Tensor, Flags], None]
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
        mean, spread = float(self.returns.mean()), float(self.returns.std())
        metrics = {
            "evaluation/return_mean": mean,
            "evaluation/return_spread": spread,
            "evaluation/length_steps": float(self.lengths.mean()),
        }
        if discounted:
            metrics["evaluation/discounted_return_mean"] = float(self.discounted_returns.mean())
        if task is not None and task.has_scores:
            metrics["evaluation/score_mean"] = normalize_score(task, mean)
            metrics["evaluation/score_spread"] = normalize_spread(task, spread)
        return metrics


class Evaluator:
    """Runs policies in one task; keeps the simulator between evaluations, and closes it.

    Args:
        simulator: of the task, from `simulators.registry.simulator_for`.
        episodes: E, for each seed.
        device: where the policies act.
        discount: gamma of `Evaluation.discounted_returns`.

    Raises:
        InvalidArgumentError: fewer than one episode, or a discount outside [0, 1].
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        episodes: int = 10,
        device: torch.device | str = "cpu",
        discount: float = 1.0,
    ) -> None:
        check_at_least("episodes", episodes, 1)
        check_fraction("discount", discount)
        self._simulator = simulator
        self._episodes, self._discount = episodes, discount
        self._device = torch.device(device)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the simulator's threads."""
        self._simulator.close()

    def evaluate(self, policies: Sequence[Policy], seeds: Sequence[int]) -> list[Evaluation]:
        """One policy for each seed.

        Returns:
            One evaluation a seed, in their order.

        Raises:
            InvalidShapeError: another number of policies than seeds, or actions of another shape.
            InvalidArgumentError: an action that is not finite.
        """
        if len(policies) != len(seeds):
            raise InvalidShapeError(f"{len(policies)} policies for {len(seeds)} seeds; expected one each.")
        return self.evaluate_stack(_side_by_side(policies), seeds)

    def starts(self, seeds: Sequence[int], name: str = COMMON) -> torch.Tensor:
        """Where the episodes start, [K, E, D]; `name` as for `evaluate_stack`."""
        return self._on_device(self._reset(seeds, name)).reshape(len(seeds), self._episodes, -1)

    @torch.no_grad()
    def evaluate_stack(
        self, policy: StackedPolicy, seeds: Sequence[int], visit: Visitor | None = None, name: str = COMMON
    ) -> list[Evaluation]:
        """One policy that acts for all seeds at once; otherwise like `evaluate`.

        Args:
            policy: of K seeds.
            seeds: K of them.
            visit: is told of every step before it is taken.
            name: of the random streams that start the episodes and that the policy draws from.
        """
        shape = (len(seeds), self._episodes)
        generators = [self._generator(seed, name) for seed in seeds]
        observations = self._reset(seeds, name)  # [K * E, D]
        returns, discounted = np.zeros(len(observations)), np.zeros(len(observations))
        lengths = np.zeros(len(observations), dtype=np.int64)
        discount = 1.0
        for _ in range(self._simulator.episode_limit):
            running = self._simulator.running
            if not running.any():
                break
            seen = self._on_device(observations).reshape(*shape, -1)
            actions = policy(seen, generators)
            if visit is not None:
                visit(seen, actions, running.reshape(shape))
            step = self._simulator.step(self._to_host(actions, shape))
            observations = step.observations
            returns += step.rewards
            discounted += discount * step.rewards
            lengths += running
            discount *= self._discount
        columns = (array.reshape(shape) for array in (returns, discounted, lengths, ~self._simulator.running))
        return [
            Evaluation(returns=returns, discounted_returns=discounted, lengths=lengths, terminated=terminated)
            for returns, discounted, lengths, terminated in zip(*columns, strict=True)
        ]

    def _reset(self, seeds: Sequence[int], name: str) -> Floats:
        generators = [stream(seed, f"{name}/start/{episode}") for seed in seeds for episode in range(self._episodes)]
        return self._simulator.reset(generators)

    def _generator(self, seed: int, name: str) -> torch.Generator:
        start = int(stream(seed, f"{name}/actions").integers(2**62))
        return torch.Generator(self._device).manual_seed(start)

    def _on_device(self, observations: Floats) -> torch.Tensor:
        return torch.from_numpy(observations.astype(np.float32)).to(self._device)

    def _to_host(self, actions: torch.Tensor, shape: tuple[int, int]) -> Floats:
        expected = (*shape, self._simulator.action_size)
        if actions.shape != expected:
            raise InvalidShapeError(f"the policy's actions are {list(actions.shape)}; expected {list(expected)}.")
        host: Any = actions.to("cpu", torch.float64).numpy()
        return host.reshape(-1, expected[-1])


def uniform_policy(action_size: int) -> Policy:
    """The policy whose return scores 0: every action uniform in [-1, 1]."""

    def act(observations: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        draws = torch.rand(len(observations), action_size, generator=generator, device=observations.device)
        return 2.0 * draws - 1.0

    return act


def _side_by_side(policies: Sequence[Policy]) -> StackedPolicy:
    def act(observations: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        rows = zip(policies, observations, generators, strict=True)
        return torch.stack([policy(row, generator) for policy, row, generator in rows])

    return act
