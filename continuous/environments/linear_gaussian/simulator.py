"""Many episodes of a linear-Gaussian problem at once: one matrix product a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.environments.robot import Flags, Floats
from continuous.environments.simulator import Step
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, LinearGaussianTask


class LinearGaussianSimulator:
    """n episodes side by side; a `continuous.environments.simulator.Simulator`. No episode terminates.

    Args:
        task: the problem.
    """

    def __init__(self, task: LinearGaussianTask) -> None:
        self._mdp = task.mdp
        self._start = square_root(task.mdp.initial_covariance)
        self._noise = square_root(task.mdp.dynamics.covariance)
        self._states: Floats = np.zeros((0, task.mdp.dynamics.state_size))
        self._generators: Sequence[np.random.Generator] = ()

    @property
    def action_size(self) -> int:
        """A."""
        return self._mdp.dynamics.action_size

    @property
    def episode_limit(self) -> int:
        """Steps until an episode is cut."""
        return EPISODE_LENGTH

    @property
    def running(self) -> Flags:
        """All of them, [n]."""
        return np.ones(len(self._states), dtype=bool)

    def reset(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Starts one episode for each generator, which its noise comes from too; first observations, [n, D]."""
        self._generators = tuple(generators)
        self._states = self._mdp.initial_mean + self._draw() @ self._start.T
        return self._states.copy()

    def step(self, actions: Floats) -> Step:
        """Moves every episode by one action, [n, A], of any size.

        Raises:
            InvalidShapeError: another shape.
            InvalidArgumentError: an action that is not finite.
        """
        expected = (len(self._states), self.action_size)
        if actions.shape != expected:
            raise InvalidShapeError(f"actions are {list(actions.shape)}; expected {list(expected)}.")
        bad = np.flatnonzero(~np.isfinite(actions).all(axis=1))
        if len(bad):
            raise InvalidArgumentError(f"the action of episode {bad[0]} is not finite; the policy has diverged.")
        pairs = np.hstack((self._states, actions.astype(np.float64)))
        self._states = self._mdp.dynamics.next_mean(pairs) + self._draw() @ self._noise.T
        return Step(
            observations=self._states.copy(),
            rewards=self._mdp.reward(pairs),
            terminated=np.zeros(len(actions), dtype=bool),
        )

    def close(self) -> None:
        """Nothing to end: there are no threads."""

    def _draw(self) -> Floats:
        """Standard normal numbers of every episode's own generator, [n, D]."""
        size = self._mdp.dynamics.state_size
        return np.array([generator.standard_normal(size) for generator in self._generators]).reshape(-1, size)
