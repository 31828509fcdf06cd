"""What a simulator does next from observations: the true transition T(s, a) of MOPO's ablation "true pen.".

Rows are independent: each puts the simulator into the state that its observation shows, takes one action and observes.
The warm start, from which the constraint solver begins each step of an episode, is no part of an observation and lost.
So an oracle agrees with an episode within the solver's tolerance: 1e-7 on 8,000 random steps of each robot, which was
Ant's largest difference; the others' was 3e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np

from ampl.errors import InvalidShapeError, check_at_least
from ampl.processes import available_cores
from ampl.shared_change import SharedChange
from continuous.environments.robot import Flags, Floats, Robot, Snapshot

LARGEST = 100.0  # m, rad, m/s, rad/s: several times what the robots reach
_BEFORE = 1.0  # s, the time before a step: where MuJoCo diverges it resets its data, and the clock falls behind


class Oracle:
    """True next observations of many independent pairs.

    Hopper and Walker2d observe velocities clipped to 10: from such an observation the joint moves at 10, slower than
    it may have moved. Terminal states are stepped from like all others.

    Args:
        robot: whose observations show its whole state.
        threads: how many step in parallel; None takes every core this process may use.

    Raises:
        InvalidArgumentError: threads < 1, or a robot whose observations leave out parts of its state.
    """

    def __init__(self, robot: Robot, threads: int | None = None) -> None:
        threads = available_cores() if threads is None else threads
        check_at_least("threads", threads, 1)
        robot.state_of(np.zeros((0, robot.observation_size)))  # no rows: asks only whether it can
        self.robot = robot
        self._data = [mujoco.MjData(robot.model) for _ in range(threads)]

    def next_observations(self, observations: Floats, actions: Floats) -> Floats:
        """One action from each observation.

        Args:
            observations: [N, D].
            actions: [N, A], clipped to [-1, 1].

        Returns:
            Next observations, float64 [N, D]. Rows of NaN where there is no answer: an observation or an action is not
            finite, an entry before or after the step exceeds `LARGEST`, or MuJoCo diverges.

        Raises:
            InvalidShapeError: another shape.
        """
        robot = self.robot
        expected = ((len(observations), robot.observation_size), (len(observations), robot.action_size))
        if (observations.shape, actions.shape) != expected:
            raise InvalidShapeError(
                f"observations are {list(observations.shape)} and actions {list(actions.shape)}; "
                f"expected {list(expected[0])} and {list(expected[1])}."
            )
        rows = np.flatnonzero(_plausible(observations) & np.isfinite(actions).all(axis=1))
        position, velocity = robot.state_of(observations[rows].astype(np.float64))
        robot.prepare(position, velocity)
        control = robot.control(np.clip(actions[rows].astype(np.float64), -1.0, 1.0))
        snapshot = Snapshot(
            position=position,
            velocity=velocity,
            readings=np.zeros((len(rows), robot.readings_size)),
            placement=np.zeros((len(rows), 0)),
        )
        sound = self._step(snapshot, control)
        found = robot.observe(snapshot)
        found[~(sound & _plausible(found))] = np.nan
        answers = np.full(observations.shape, np.nan)
        answers[rows] = found
        return answers

    def _step(self, snapshot: Snapshot, control: Floats) -> Flags:
        """Moves states in place, split evenly over the threads; returns which of them MuJoCo could move."""
        parts = np.array_split(np.arange(len(control)), len(self._data))
        with _without_warnings.made():
            if len(parts) == 1:
                return self._step_part(self._data[0], parts[0], snapshot, control)
            with ThreadPoolExecutor(len(parts)) as pool:
                return np.concatenate(
                    list(pool.map(lambda data, rows: self._step_part(data, rows, snapshot, control), self._data, parts))
                )

    def _step_part(self, data: Any, rows: Any, snapshot: Snapshot, control: Floats) -> Flags:
        robot, model = self.robot, self.robot.model
        position, velocity, inputs, warm_start = data.qpos, data.qvel, data.ctrl, data.qacc_warmstart
        sound = np.ones(len(rows), dtype=bool)
        for place, row in enumerate(rows.tolist()):
            position[:], velocity[:], inputs[:] = snapshot.position[row], snapshot.velocity[row], control[row]
            warm_start[:], data.time = 0.0, _BEFORE
            mujoco.mj_step(model, data, robot.frame_skip)  # the interpreter lock is free meanwhile
            robot.read(data, snapshot.readings[row])
            snapshot.position[row], snapshot.velocity[row] = position, velocity
            sound[place] = data.time > _BEFORE
        return sound


def _plausible(observations: Floats) -> Flags:
    return np.asarray((np.abs(observations) <= LARGEST).all(axis=1))  # false where not a number


def _silence() -> Callable[[str], None] | None:
    earlier: Callable[[str], None] | None = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    return earlier


_without_warnings = SharedChange(_silence, mujoco.set_mju_user_warning)
"""Steps that diverge are in the answers; MuJoCo's own handler would write each to a file in the current folder."""
