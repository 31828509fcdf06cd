"""D4RL's maze2d task as a Gymnasium environment.

An episode never terminates: reaching the goal pays on every step that the ball stays there, and the time limit of the
registered ids truncates. The reward is that of the state after the step; the velocity limit acts before it, so reported
speeds can exceed it a little. Source: D4RL 1.1, maze2d.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.environments.maze2d.layouts import Layout, find_layout
from continuous.environments.maze2d.point_mass import PointMass, draw_start
from continuous.environments.maze2d.rendering import MazeView
from continuous.environments.maze2d.rewards import GOAL_RADIUS, Reward

Observation = NDArray[np.float64]


class Maze2DEnvironment(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A force-driven ball that should go to the goal and stay.

    Observations are x, y and their velocities, [4]; actions the forces along x and y as fractions of the largest, [2].
    `info["success"]` says whether the ball is within reach of the goal.

    Args:
        layout: name of the map: "umaze", "eval-large", ...
        reward: "sparse" or "dense".
        render_mode: "rgb_array" (pictures from `render`) or None; "human" of `gymnasium.make` shows them in a window.

    Raises:
        UnknownNameError: no such map.
        InvalidArgumentError: no such reward or render mode.
    """

    metadata = {  # noqa: RUF012  (gymnasium.Env declares it so)
        "render_modes": ["rgb_array"],
        "render_fps": 100,  # a step lasts 0.01 s
    }

    def __init__(
        self, layout: str = "umaze", reward: Reward | str = Reward.SPARSE, render_mode: str | None = None
    ) -> None:
        if reward not in list(Reward):
            raise InvalidArgumentError(f"reward is {reward!r}; expected one of {', '.join(Reward)}.")
        if render_mode not in (None, "rgb_array"):
            raise InvalidArgumentError(f"render_mode is {render_mode!r}; expected 'rgb_array'.")
        self.layout = find_layout(layout)
        self.reward = Reward(reward)
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._ball = PointMass(self.layout)
        self._view = MazeView(self.layout)

    @property
    def goal(self) -> Observation:
        """Where to go, [2]; the same in every episode."""
        return np.array(self.layout.goal, dtype=np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode near a random free cell.

        Args:
            seed: of the environment's generator; None goes on with the one it has.
            options: {"state": [x, y, velocity_x, velocity_y]} starts there instead.

        Raises:
            InvalidArgumentError: another option, or a state that is not four finite numbers outside the walls.
        """
        super().reset(seed=seed)
        self._ball.place(_chosen_state(options, self.layout) if options else draw_start(self.layout, self.np_random))
        observation = np.array(self._ball.state)
        return observation, self._info(observation)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One action of 0.01 s, clipped to [-1, 1].

        Raises:
            InvalidShapeError: not two numbers.
            InvalidArgumentError: not finite.
        """
        forces = np.asarray(action, dtype=np.float64)
        if forces.shape != (2,):
            raise InvalidShapeError(f"action has shape {list(forces.shape)}; expected [2].")
        if not np.isfinite(forces).all():
            raise InvalidArgumentError(f"action is {forces.tolist()}; expected finite numbers.")
        observation = np.array(self._ball.step(*np.clip(forces, -1.0, 1.0).tolist()))
        reward = float(self.reward.at(observation[:2], self.layout.goal))
        return observation, reward, False, False, self._info(observation)

    def render(self) -> NDArray[np.uint8] | None:
        """The maze from above, [height, width, 3], in mode "rgb_array", otherwise None."""
        return self._view.draw(*self._ball.state[:2]) if self.render_mode == "rgb_array" else None

    def _info(self, observation: Observation) -> dict[str, Any]:
        distance = np.linalg.norm(observation[:2] - self.goal)
        return {"success": bool(distance <= GOAL_RADIUS)}


def _chosen_state(options: dict[str, Any], layout: Layout) -> Observation:
    if set(options) != {"state"}:
        raise InvalidArgumentError(f"reset options are {sorted(options)}; expected 'state' alone, or none.")
    state = np.asarray(options["state"], dtype=np.float64)
    if state.shape != (4,) or not np.isfinite(state).all():
        raise InvalidArgumentError("reset option 'state' must be four finite numbers: x, y and their velocities.")
    cell = layout.cell_at(*state[:2].tolist())
    if cell not in layout.free_cells:
        raise InvalidArgumentError(
            f"reset option 'state' lies in the wall of cell {cell} of {layout.name}; the middle of a free cell (i, j) "
            "is at (i - 0.2, j - 0.2)."
        )
    return state
