"""The ball in its maze: a MuJoCo model made from a map, and one simulated ball with plain numbers in and out.

The ball slides on two joints without gravity; walls push it back without friction. Position (a, b) lies at (a + 1.2,
b + 1.2) in the model's world, so that the middle of cell (i, j) is at (i - 0.2, j - 0.2). Source: D4RL 1.1, maze2d.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import mujoco
import numpy as np
from numpy.typing import NDArray

from continuous.environments.maze2d.layouts import Layout

State: TypeAlias = tuple[float, float, float, float]
"""x, y in meters and their velocities in meters a second: also the observation."""

SPEED_LIMIT = 5.0  # m/s along each axis, enforced before each step: a reported speed can be higher
START_SPREAD = 0.1  # half-width in meters around the cell's point, and standard deviation in m/s
_CONTACT_MARGIN = 0.002  # meters, of a contact between two geoms

_BODY = """
<mujoco model="point maze">
  <compiler inertiafromgeom="true" angle="radian"/>
  <option timestep="0.01" gravity="0 0 0" iterations="20" integrator="Euler"/>
  <default>
    <joint damping="1" limited="false"/>
    <geom friction=".5 .1 .1" density="1000" margin="{margin}" condim="1" contype="2" conaffinity="1"/>
  </default>
  <worldbody>
    <geom name="ground" type="plane" size="40 40 .25" pos="0 0 -0.1" contype="1" conaffinity="0"/>
    <body name="ball" pos="1.2 1.2 0">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom name="ball" type="sphere" size="0.1" contype="1" conaffinity="1"/>
    </body>
{walls}
  </worldbody>
  <actuator>
    <motor joint="x" gear="100" ctrllimited="true" ctrlrange="-1 1"/>
    <motor joint="y" gear="100" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
"""
_WALL = '    <geom name="wall {i} {j}" type="box" size=".5 .5 .2" pos="{x} {y} 0"/>'


def model_xml(layout: Layout, mujoco_version: str = mujoco.__version__) -> str:
    """The MuJoCo model of a maze.

    Args:
        layout: the map.
        mujoco_version: decides the margin of a geom. From 3.5.0 on the margin of a contact is the sum of those of its
            two geoms, before it was the larger one.
    """
    major, minor = (int(part) for part in mujoco_version.split(".")[:2])
    margin = _CONTACT_MARGIN / 2 if (major, minor) >= (3, 5) else _CONTACT_MARGIN
    walls = "\n".join(_WALL.format(i=i, j=j, x=i + 1, y=j + 1) for i, j in sorted(layout.wall_cells))
    return _BODY.format(margin=margin, walls=walls)


def make_model(layout: Layout) -> Any:
    """The compiled `mujoco.MjModel` of a maze."""
    return mujoco.MjModel.from_xml_string(model_xml(layout))


def draw_start(layout: Layout, generator: np.random.Generator) -> NDArray[np.float64]:
    """Where an evaluation episode starts: near a uniform free cell, the goal's included, at a small velocity, [4]."""
    cell = layout.free_cells[generator.integers(len(layout.free_cells))]
    position = np.array(cell) + generator.uniform(-START_SPREAD, START_SPREAD, size=2)
    return np.concatenate([position, START_SPREAD * generator.standard_normal(2)])


class PointMass:
    """One ball. Reads and writes MuJoCo's memory directly: about 3 microseconds a step.

    Args:
        layout: the map it rolls in.
    """

    def __init__(self, layout: Layout) -> None:
        self.model = make_model(layout)
        self.data: Any = mujoco.MjData(self.model)
        self._position, self._velocity, self._control = self.data.qpos, self.data.qvel, self.data.ctrl
        self._mj_step = mujoco.mj_step

    @property
    def state(self) -> State:
        """The state as it is now."""
        x, y = self._position.tolist()
        velocity_x, velocity_y = self._velocity.tolist()
        return x, y, velocity_x, velocity_y

    def place(self, state: NDArray[np.float64] | State) -> None:
        """Puts the ball somewhere, [4], and clears everything MuJoCo remembers of earlier steps."""
        mujoco.mj_resetData(self.model, self.data)
        self._position[:] = state[:2]
        self._velocity[:] = state[2:]
        mujoco.mj_forward(self.model, self.data)

    def step(self, action_x: float, action_y: float) -> State:
        """One action of 0.01 s, entries in [-1, 1]; velocities beyond the speed limit are cut down to it first."""
        velocity_x, velocity_y = self._velocity.tolist()
        if not -SPEED_LIMIT <= velocity_x <= SPEED_LIMIT:
            self._velocity[0] = SPEED_LIMIT if velocity_x > 0.0 else -SPEED_LIMIT
        if not -SPEED_LIMIT <= velocity_y <= SPEED_LIMIT:
            self._velocity[1] = SPEED_LIMIT if velocity_y > 0.0 else -SPEED_LIMIT
        self._control[0] = action_x
        self._control[1] = action_y
        self._mj_step(self.model, self.data)
        return self.state
