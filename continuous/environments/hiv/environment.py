"""HIV treatment as a Gymnasium environment; the task is in `continuous.environments.hiv.treatment`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from ampl.errors import InvalidArgumentError
from continuous.environments.hiv.dynamics import Floats, advance, check_positive
from continuous.environments.hiv.treatment import (
    ACTION_SIZE,
    OBSERVATION_SIZE,
    HivConfig,
    action_to_efficacy,
    draw_start,
    observe,
    treatment_reward,
)


class HivEnvironment(gymnasium.Env[Floats, Any]):
    """A patient; each step sets the doses of two drugs for some days.

    Actions in [-1, 1]^2 become efficacies in [0, 0.7] x [0, 0.3]; -1 is no drug. Episodes never terminate and are cut
    after `config.horizon` steps. `info` has "state" (concentrations, [6]), "efficacy" of the last step ([2], 0 at the
    start) and "day". The dynamics have no noise: only the start state is random.

    Args:
        config: the task; `HivConfig()` if not given.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (gymnasium.Env declares it so)

    def __init__(self, config: HivConfig | None = None) -> None:
        self.config = config = config or HivConfig()
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32)
        self._state: Floats | None = None
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Starts an episode near `config.start`.

        Args:
            seed: of the environment's generator; None goes on with the one it has.
            options: {"state": [T1, T2, T1*, T2*, V, E]} starts there instead.

        Raises:
            InvalidArgumentError: another option, or a concentration that is not finite and > 0.
            InvalidShapeError: not six concentrations.
        """
        super().reset(seed=seed)
        if options:
            if set(options) != {"state"}:
                raise InvalidArgumentError(f"reset options are {sorted(options)}; expected 'state' alone, or none.")
            self._state = check_positive(options["state"], "reset option 'state'").copy()
        else:
            self._state = draw_start(self.config, self.np_random)
        self._steps = 0
        return observe(self._state, self.config.observation), self._info(np.zeros(ACTION_SIZE))

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """One decision, clipped to [-1, 1]; the reward is that of the state it leads to.

        Raises:
            InvalidShapeError: not two numbers.
            InvalidArgumentError: not finite, or the episode has not been started or has been cut.
            NotConvergedError: the integrator fails.
        """
        if self._state is None or self._steps >= self.config.horizon:
            raise InvalidArgumentError("step() outside an episode; call reset() first.")
        efficacy, config = action_to_efficacy(action), self.config
        self._state = advance(self._state, efficacy, config.step_days, config.parameters, config.integration)
        self._steps += 1
        reward = float(treatment_reward(self._state, efficacy, config))
        truncated = self._steps >= config.horizon
        return observe(self._state, config.observation), reward, False, truncated, self._info(efficacy)

    def _info(self, efficacy: Floats) -> dict[str, Any]:
        assert self._state is not None
        return {"state": self._state.copy(), "efficacy": efficacy, "day": self._steps * self.config.step_days}
