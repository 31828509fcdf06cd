"""Many patients of the HIV task at once, equal step for step to `HivEnvironment`.

Patients are integrated one after the other. Those in the same state with the same drugs are integrated once: in MOPO's
task, where every episode starts alike, ten episodes of a deterministic policy cost as much as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.environments.hiv.dynamics import Floats, advance
from continuous.environments.hiv.treatment import (
    ACTION_SIZE,
    OBSERVATION_SIZE,
    HivConfig,
    clipped_efficacy,
    draw_start,
    observe,
    treatment_reward,
)
from continuous.environments.robot import Flags
from continuous.environments.simulator import Step


class TreatmentSimulator:
    """n patients side by side; a `continuous.environments.simulator.Simulator`.

    Args:
        config: the task.
    """

    action_size = ACTION_SIZE

    def __init__(self, config: HivConfig | None = None) -> None:
        self.config = HivConfig.mopo() if config is None else config
        self._states: Floats = np.zeros((0, OBSERVATION_SIZE))

    @property
    def episode_limit(self) -> int:
        """Steps until an episode is cut."""
        return self.config.horizon

    @property
    def running(self) -> Flags:
        """All of them, [n]: no episode terminates."""
        return np.ones(len(self._states), dtype=bool)

    def reset(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Starts one episode for each generator, as `HivEnvironment.reset` does; first observations, [n, 6]."""
        starts = [draw_start(self.config, generator) for generator in generators]
        self._states = np.array(starts).reshape(-1, OBSERVATION_SIZE)
        return observe(self._states, self.config.observation)

    def step(self, actions: Floats) -> Step:
        """Moves every episode by one action.

        Args:
            actions: [n, 2], clipped to [-1, 1].

        Raises:
            InvalidShapeError: another shape.
            InvalidArgumentError: an action that is not finite.
            NotConvergedError: the integrator fails.
        """
        expected, config = (len(self._states), ACTION_SIZE), self.config
        if actions.shape != expected:
            raise InvalidShapeError(f"actions are {list(actions.shape)}; expected {list(expected)}.")
        bad = np.flatnonzero(~np.isfinite(actions).all(axis=1))
        if len(bad):
            raise InvalidArgumentError(f"the action of episode {bad[0]} is not finite; the policy has diverged.")
        efficacies = clipped_efficacy(actions.astype(np.float64))
        integrated: dict[bytes, Floats] = {}  # state and efficacies before the step to the state after it
        for row, efficacy in enumerate(efficacies):
            before = self._states[row].tobytes() + efficacy.tobytes()
            if before not in integrated:
                integrated[before] = advance(
                    self._states[row], efficacy, config.step_days, config.parameters, config.integration
                )
            self._states[row] = integrated[before]
        return Step(
            observations=observe(self._states, config.observation),
            rewards=treatment_reward(self._states, efficacies, config),
            terminated=np.zeros(len(actions), dtype=bool),
        )

    def close(self) -> None:
        """Nothing to end: there are no threads."""
