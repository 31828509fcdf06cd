"""One episode of a linear-Gaussian problem as a Gymnasium environment, by the batched simulator."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from ampl.errors import InvalidArgumentError
from continuous.environments.linear_gaussian.simulator import LinearGaussianSimulator
from continuous.environments.robot import Floats
from continuous.linear_gaussian.tasks import LinearGaussianTask


class LinearGaussianEnvironment(gymnasium.Env[Floats, Any]):
    """Episodes never terminate and are cut after 100 steps.

    Args:
        task: the problem.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (gymnasium.Env declares it so)

    def __init__(self, task: LinearGaussianTask) -> None:
        dynamics = task.mdp.dynamics
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (dynamics.state_size,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (dynamics.action_size,), np.float32)
        self._simulator = LinearGaussianSimulator(task)
        self._left = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: of the environment's generator; None goes on with the one it has.
            options: none.
        """
        super().reset(seed=seed)
        self._left = self._simulator.episode_limit
        return self._simulator.reset([self.np_random])[0], {}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """One step, with the reward of the state and action it starts from.

        Raises:
            InvalidShapeError: an action of another size.
            InvalidArgumentError: not finite, or the episode has not been started or has been cut.
        """
        if self._left == 0:
            raise InvalidArgumentError("step() outside an episode; call reset() first.")
        self._left -= 1
        moved = self._simulator.step(np.asarray(action, dtype=np.float64).reshape(1, -1))
        return moved.observations[0], float(moved.rewards[0]), False, self._left == 0, {}
