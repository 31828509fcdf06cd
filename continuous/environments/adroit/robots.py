"""The four Adroit tasks in batched numpy, with D4RL's rewards, limits and terminations.

Rewards are written from D4RL's formulas, not taken from gymnasium-robotics, whose "-v1" rewards of door, hammer and
relocate have the palm's distance with the wrong sign. Positions of bodies and sites are those MuJoCo last computed,
one simulator step behind the joint positions, as in both originals. Source: D4RL 1.1, its Adroit environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from continuous.environments.adroit.hand import OBJECT_JOINTS, Adroit, points
from continuous.environments.robot import Flags, Floats, Snapshot
from continuous.tasks import termination

_TINY = 4.0 * float(np.finfo(np.float64).eps)


class Pen(Adroit):
    """Turn a pen in the hand to a target orientation; the episode ends when it drops.  Placement: a quaternion."""

    observation_size = 45
    bodies = ("Object",)
    sites = ("eps_ball", "object_top", "object_bottom", "target_top", "target_bottom")
    placement_parts: Mapping[str, int] = {"desired_orien": 4}

    def __init__(self) -> None:
        super().__init__("pen")
        self._target = self.model.body("target").id
        data, readings = mujoco.MjData(self.model), np.zeros(self.readings_size)
        mujoco.mj_forward(self.model, data)
        self.read(data, readings)
        _, _, top, bottom, target_top, target_bottom = points(readings)
        self._pen_length = float(np.linalg.norm(top - bottom))
        self._target_length = float(np.linalg.norm(target_top - target_bottom))

    def draw_placement(self, generator: np.random.Generator) -> Floats:
        """Roll and pitch of the target uniform in [-1, 1] rad."""
        roll, pitch = generator.uniform(-1.0, 1.0), generator.uniform(-1.0, 1.0)
        (sin_roll, cos_roll), (sin_pitch, cos_pitch) = ((np.sin(half), np.cos(half)) for half in (roll / 2, pitch / 2))
        return np.array([cos_pitch * cos_roll, cos_pitch * sin_roll, sin_pitch * cos_roll, sin_pitch * sin_roll])

    def place(self, model: Any, placement: Floats) -> None:
        """Turns the target."""
        model.body_quat[self._target] = placement

    def observe(self, snapshot: Snapshot) -> Floats:
        """Hand 24, pen position 24:27, velocity 27:33, direction 33:36, target's 36:39, errors 39:42 and 42:45."""
        pen, desired, top, bottom, target_top, target_bottom = points(snapshot.readings)
        direction = (top - bottom) / self._pen_length
        target = (target_top - target_bottom) / self._target_length
        hand, velocity = snapshot.position[:, :-OBJECT_JOINTS], snapshot.velocity[:, -OBJECT_JOINTS:]
        parts = [hand, pen, velocity, direction, target, pen - desired, direction - target]
        return np.concatenate(parts, axis=1)

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Alignment minus distance; +10 when close and roughly aligned, +50 more when well; -5 when dropped."""
        observations = self.observe(after)
        distance = np.linalg.norm(observations[:, 39:42], axis=1)
        alignment = (observations[:, 33:36] * observations[:, 36:39]).sum(axis=1)
        close = distance < 0.075
        bonus = 10.0 * (close & (alignment > 0.9)) + 50.0 * (close & (alignment > 0.95))
        return alignment - distance + bonus - 5.0 * self.terminated(after)

    def terminated(self, snapshot: Snapshot) -> Flags:
        """The rule of `termination.pen`."""
        return np.asarray(termination.pen(self.observe(snapshot)))


class Door(Adroit):
    """Undo the latch and swing a door open.  Placement: position of the door frame."""

    observation_size = 39
    sites = ("S_handle", "S_grasp")
    placement_parts: Mapping[str, int] = {"door_body_pos": 3}

    def __init__(self) -> None:
        super().__init__("door")
        self._frame = self.model.body("frame").id
        self._hinge = int(self.model.joint("door_hinge").qposadr[0])

    def draw_placement(self, generator: np.random.Generator) -> Floats:
        """Uniform in a box."""
        return np.array([generator.uniform(*bounds) for bounds in ((-0.3, -0.2), (0.25, 0.35), (0.252, 0.35))])

    def place(self, model: Any, placement: Floats) -> None:
        """Moves the frame."""
        model.body_pos[self._frame] = placement

    def observe(self, snapshot: Snapshot) -> Floats:
        """Hand 27, latch 27, hinge 28, palm 29:32, handle 32:35, palm minus handle 35:38, whether it is open 38."""
        handle, palm = points(snapshot.readings)
        position, hinge = snapshot.position, snapshot.position[:, self._hinge, None]
        is_open = np.where(hinge > 1.0, 1.0, -1.0)
        parts = [position[:, 1:-2], position[:, -1:], hinge, palm, handle, palm - handle, is_open]
        return np.concatenate(parts, axis=1)

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Costs for distance, closedness and speed; +2, +8 and +10 for a hinge past 0.2, 1.0 and 1.35 rad."""
        handle, palm = points(after.readings)
        hinge = after.position[:, self._hinge]
        cost = 0.1 * np.linalg.norm(palm - handle, axis=1) + 0.1 * np.square(hinge - 1.57)
        cost += 1e-5 * np.square(after.velocity).sum(axis=1)
        return 2.0 * (hinge > 0.2) + 8.0 * (hinge > 1.0) + 10.0 * (hinge > 1.35) - cost


class Hammer(Adroit):
    """Drive a nail into a board with a hammer.  Placement: position of the board."""

    observation_size = 46
    bodies = ("Object",)
    sites = ("S_grasp", "tool", "S_target", "nail_goal")
    placement_parts: Mapping[str, int] = {"board_pos": 3}

    def __init__(self) -> None:
        super().__init__("hammer")
        self._positions = self.readings_size
        self.readings_size += 5  # the hammer's quaternion, and the force on the nail
        self._board = self.model.body("nail_board").id
        self._nail_sensor = int(self.model.sensor("S_nail").adr[0])

    def draw_placement(self, generator: np.random.Generator) -> Floats:
        """Height uniform in [0.1, 0.25] m."""
        x, y, _ = self.model.body_pos[self._board]
        return np.array([x, y, generator.uniform(0.1, 0.25)])

    def place(self, model: Any, placement: Floats) -> None:
        """Moves the board."""
        model.body_pos[self._board] = placement

    def read(self, data: Any, readings: Floats) -> None:
        """Positions, then the hammer's quaternion and the force on the nail."""
        body = self._bodies[0]
        readings[:3], readings[3 : self._positions] = data.xpos[body], data.site_xpos[self._sites].ravel()
        readings[self._positions : -1] = data.xquat[body]
        readings[-1] = data.sensordata[self._nail_sensor]

    def observe(self, snapshot: Snapshot) -> Floats:
        """Hand 27, hammer velocity 27:33 (clipped), palm 33:36, hammer 36:39, angles 39:42, nail 42:45, force 45."""
        hammer, palm, _, nail, _ = points(snapshot.readings[:, : self._positions])
        velocity = np.clip(snapshot.velocity[:, -OBJECT_JOINTS:], -1.0, 1.0)
        angles = _euler_angles(snapshot.readings[:, self._positions : -1])
        force = np.clip(snapshot.readings[:, -1:], -1.0, 1.0)
        parts = [snapshot.position[:, :-OBJECT_JOINTS], velocity, palm, hammer, angles, nail, force]
        return np.concatenate(parts, axis=1)

    def infos(self, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
        """The shared ones and the nail's position."""
        nail = points(snapshot.readings[:, : self._positions])[3]
        return super().infos(snapshot) | {"target_pos": nail}

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Costs for distances and speed; +2 for a lifted hammer; +25 and +75 for a nail within 20 and 10 mm."""
        hammer, palm, head, nail, goal = points(after.readings[:, : self._positions])
        depth = np.linalg.norm(nail - goal, axis=1)
        cost = 0.1 * np.linalg.norm(palm - hammer, axis=1) + np.linalg.norm(head - nail, axis=1)
        cost += 10.0 * depth + 0.01 * np.linalg.norm(after.velocity, axis=1)
        lifted = (hammer[:, 2] > 0.04) & (head[:, 2] > 0.04)
        return 2.0 * lifted + 25.0 * (depth < 0.02) + 75.0 * (depth < 0.01) - cost


class Relocate(Adroit):
    """Carry a ball to a target.  Placement: where the ball's body and the target are, three coordinates each."""

    observation_size = 39
    bodies = ("Object",)
    sites = ("S_grasp", "target")
    placement_parts: Mapping[str, int] = {"obj_pos": 3, "target_pos": 3}

    def __init__(self) -> None:
        super().__init__("relocate")
        self._ball = self._bodies[0]
        self._target = self._sites[1]

    def draw_placement(self, generator: np.random.Generator) -> Floats:
        """Ball on the table, target above it, uniform in boxes."""
        bounds = ((-0.15, 0.15), (-0.15, 0.3), (-0.2, 0.2), (-0.2, 0.2), (0.15, 0.35))
        ball_x, ball_y, *target = (generator.uniform(*bound) for bound in bounds)
        return np.array([ball_x, ball_y, self.model.body_pos[self._ball, 2], *target])

    def place(self, model: Any, placement: Floats) -> None:
        """Moves ball and target."""
        model.body_pos[self._ball], model.site_pos[self._target] = placement[:3], placement[3:]

    def observe(self, snapshot: Snapshot) -> Floats:
        """Hand 30, palm minus ball 30:33, palm minus target 33:36, ball minus target 36:39."""
        ball, palm, target = points(snapshot.readings)
        parts = [snapshot.position[:, :-OBJECT_JOINTS], palm - ball, palm - target, ball - target]
        return np.concatenate(parts, axis=1)

    def infos(self, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
        """The shared ones, the hand's joints and the palm; the ball is where it is, not where it started."""
        ball, palm, _ = points(snapshot.readings)
        hand = snapshot.position[:, :-OBJECT_JOINTS]
        return super().infos(snapshot) | {"hand_qpos": hand, "obj_pos": ball, "palm_pos": palm}

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Cost for the palm's distance; once lifted, a bonus that falls with distances; +10, +20 near the target."""
        ball, palm, target = points(after.readings)
        distance = np.linalg.norm(ball - target, axis=1)
        carry = 1.0 - 0.5 * np.linalg.norm(palm - target, axis=1) - 0.5 * distance
        reach = -0.1 * np.linalg.norm(palm - ball, axis=1)
        return reach + (ball[:, 2] > 0.04) * carry + 10.0 * (distance < 0.1) + 20.0 * (distance < 0.05)


ROBOTS: dict[str, type[Any]] = {"pen": Pen, "door": Door, "hammer": Hammer, "relocate": Relocate}


def make_robot(name: str) -> Adroit:
    """One of the four, by D4RL's name."""
    return ROBOTS[name]()


def _euler_angles(quaternion: Floats) -> Floats:
    """Roll, pitch and yaw [n, 3] of unit quaternions [n, 4], as the originals' rotation helpers define them."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    xx, yy = 1.0 - 2.0 * (y * y + z * z), 1.0 - 2.0 * (x * x + z * z)  # entries of the rotation matrix
    zz, xy = 1.0 - 2.0 * (x * x + y * y), 2.0 * (x * y - w * z)
    xz, yz, yx = 2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 2.0 * (x * y + w * z)
    cos_pitch = np.hypot(zz, yz)
    regular = cos_pitch > _TINY  # else roll and yaw turn about one axis: all of it is called yaw
    roll = np.where(regular, np.arctan2(-yz, zz), 0.0)
    yaw = np.where(regular, np.arctan2(-xy, xx), np.arctan2(yx, yy))
    return np.stack([roll, np.arctan2(xz, cos_pitch), yaw], axis=1)
