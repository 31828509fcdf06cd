"""A task without MuJoCo and PyTorch: ten points on a line, scored by how far actions lead towards zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError
from continuous.environments.simulator import Step
from continuous.evaluation.evaluator import Evaluation, Evaluator


class LineSimulator:
    """Two steps from each of ten points on a line, whatever the generators say; an action is paid for leading to zero.

    The point moves, so that the second action is another one than the first.
    """

    action_size = 1
    episode_limit = 2

    def __init__(self) -> None:
        self._state = np.zeros((0, 2))

    @property
    def running(self) -> NDArray[np.bool_]:
        return np.ones(len(self._state), dtype=bool)

    def reset(self, generators: Sequence[np.random.Generator]) -> NDArray[np.float64]:
        first = np.tile(np.linspace(-1.0, 1.0, 10), -(-len(generators) // 10))[: len(generators)]
        self._state = np.stack((first, first), axis=1)
        return self._state.copy()

    def step(self, actions: NDArray[np.float64]) -> Step:
        if not np.isfinite(actions).all():
            raise InvalidArgumentError("an action is not finite.")
        rewards = -(self._state[:, :1] * actions).mean(axis=1)
        self._state = self._state / 2.0
        return Step(observations=self._state.copy(), rewards=rewards, terminated=~self.running)

    def close(self) -> None:
        pass


def line_evaluator(episodes: int, discount: float = 1.0) -> Evaluator:
    return Evaluator(LineSimulator(), episodes=episodes, discount=discount)


def line_score(evaluation: Evaluation) -> Mapping[str, float]:
    return {"evaluation/score_mean": float(evaluation.returns.mean())}
