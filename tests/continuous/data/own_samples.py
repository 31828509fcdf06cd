"""Small datasets of environments that are not D4RL's, collected by random actions, and an environment of a user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, flatten

from ampl.own_data import GivenData
from continuous.data.own_problem import open_own
from tests.continuous.data.d4rl_samples import write_plain


class Slide(gymnasium.Env[Any, Any]):
    """A point on a line, pushed by one of two actions; past 1 it falls. It has Dict observations, and no time limit."""

    observation_space = Dict({"velocity": Box(-9.0, 9.0, (1,)), "place": Box(-9.0, 9.0, (1,))})
    action_space = Box(np.array([-3.0, 0.0], np.float32), np.array([1.0, 4.0], np.float32))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.velocity = self.np_random.uniform(-0.5, 0.5, 2)
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.velocity += 0.1 * (action[0] + 1.0)
        self.place += 0.1 * self.velocity
        return self._seen(), float(action[1]), abs(self.place) > 1.0, False, {}

    def _seen(self) -> dict[str, Any]:
        return {name: np.array([getattr(self, name)], np.float32) for name in ("velocity", "place")}


class Painted(Slide):
    """Observes pictures."""

    observation_space = Box(0, 255, (8, 8, 3), np.uint8)  # type: ignore[assignment]


class Counted(Slide):
    """Observes a number."""

    observation_space = Discrete(5)  # type: ignore[assignment]


def fallen(states: Any, actions: Any, next_states: Any) -> Any:
    """The rule of `Slide`, whose flat observations are place and velocity."""
    return abs(next_states[:, 0]) > 1.0


def of_actions(states: Any, actions: Any, next_states: Any) -> Any:
    """A rule that depends on all three, and on the units of actions."""
    return (states[:, 0] > 0.0) & (actions[:, 1] > 2.0) & (next_states[:, 1] > 0.0)


def column(states: Any, actions: Any, next_states: Any) -> Any:
    """No rule: it gives more than a flag a row."""
    return next_states > 0.0


def beyond(states: Any, actions: Any, next_states: Any) -> Any:
    """No rule of `Slide` or a pendulum: it looks at a number that they do not observe."""
    return next_states[:, 26] > 0.0


def fallen_state(state: Any) -> Any:
    """No rule: it takes the next state alone."""
    return state[:, 0] > 1.0


def collected(environment: Any, rows: int, limit: int = 1000) -> dict[str, Any]:
    """So many steps of random actions, by the keys of a file."""
    environment.action_space.seed(0)
    space = environment.observation_space
    names = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
    found: dict[str, list[Any]] = {name: [] for name in names}
    observation, steps = environment.reset(seed=0)[0], 0
    for _ in range(rows):
        action = environment.action_space.sample()
        following, reward, terminated, truncated, _ = environment.step(action)
        steps += 1
        cut = not terminated and (truncated or steps == limit)
        row = (flatten(space, observation), action, reward, terminated, cut, flatten(space, following))
        for name, value in zip(names, row, strict=True):
            found[name].append(value)
        observation = following
        if terminated or cut:
            observation, steps = environment.reset()[0], 0
    return {
        name: np.array(values, np.bool_ if name in ("terminals", "timeouts") else np.float32)
        for name, values in found.items()
    }


def pendulum_file(path: Path, rows: int = 450, **changes: Any) -> Path:
    """Pendulum-v1, whose actions lie in [-2, 2]; columns can be changed, and None leaves one out."""
    arrays = collected(gymnasium.make("Pendulum-v1"), rows) | changes
    return write_plain(path, {name: array for name, array in arrays.items() if array is not None})


def slide_file(path: Path, rows: int = 400, limit: int = 30, **changes: Any) -> Path:
    """`Slide`, where most episodes end by a fall; columns can be changed."""
    return write_plain(path, collected(Slide(), rows, limit) | changes)


def opened(data: Path | str, env: Any, **more: Any) -> Any:
    """The task on data in an environment."""
    return open_own(GivenData(data=str(data), env=env, **more), "mine")
