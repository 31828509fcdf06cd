"""Many episodes of one robot at once, equal step for step to Gymnasium's environment.

MuJoCo steps in parallel threads through `mujoco.rollout`. Handing it all episodes in one call would not do: it returns
no warm-start accelerations, from which the constraint solver of the next step begins, and without them trajectories
drift away from Gymnasium's. So every thread owns MuJoCo data, rolls out one episode for one action at a time (the
interpreter lock is free meanwhile), and keeps the warm start and the derived quantities that MuJoCo left behind.
Memory grows by a row of numbers an episode, not by a copy of MuJoCo's data.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from ampl.processes import available_cores
from continuous.environments.robot import Flags, Floats, Robot, Snapshot, Start
from continuous.environments.simulator import Step

_STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS.value
_CONTROL = mujoco.mjtState.mjSTATE_CTRL.value
_TIME = 1  # a full physics state is time, qpos, qvel


class BatchSimulator:
    """n episodes side by side; a `Simulator`.

    Args:
        robot: what to simulate.
        threads: how many step in parallel; None takes every core this process may use.
        endless: keep moving episodes that have terminated.

    Raises:
        InvalidArgumentError: threads < 1.
    """

    def __init__(self, robot: Robot, threads: int | None = None, *, endless: bool = False) -> None:
        threads = available_cores() if threads is None else threads
        check_at_least("threads", threads, 1)
        self.robot = robot
        self._endless = endless
        self._workers = [_Worker(robot) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._allocate(0)

    def __enter__(self) -> BatchSimulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def action_size(self) -> int:
        """A."""
        return self.robot.action_size

    @property
    def episode_limit(self) -> int:
        """Actions until an episode is cut."""
        return self.robot.episode_limit

    @property
    def running(self) -> Flags:
        """Which episodes have not terminated, [n]."""
        return self._running.copy()

    @property
    def snapshot(self) -> Snapshot:
        """A copy of the states as they are now."""
        return self._snapshot(np.arange(len(self._running)))

    def reset(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Starts one episode for each generator: a generator like the one Gymnasium makes of a seed starts it equally.

        Returns:
            First observations, [n, D].
        """
        return self.begin([self.robot.start(generator) for generator in generators])

    def begin(self, starts: Sequence[Start]) -> Floats:
        """Starts one episode from each given state.

        Returns:
            First observations, [n, D].

        Raises:
            InvalidShapeError: a state that does not fit the model.
        """
        check_at_least("number of episodes", len(starts), 1)
        self._allocate(len(starts))
        self._placement = np.array([start.placement for start in starts], dtype=np.float64)
        for row, start in enumerate(starts):
            self._begin(row, start)
        self._observations = self.robot.observe(self.snapshot)
        return self._observations.copy()

    def step(self, actions: Floats) -> Step:
        """Moves every episode that has not terminated by one action.

        Args:
            actions: [n, A], clipped to [-1, 1]; rows of finished episodes are ignored.

        Raises:
            InvalidShapeError: another shape.
            InvalidArgumentError: an action that is not finite.
        """
        robot, rows = self.robot, np.flatnonzero(self._running)
        actions = self._checked(actions, rows)
        self._control[rows] = robot.control(actions[rows])[:, None, :]  # the same input for every simulator step
        state = self._state[rows]  # [m, nstate]; a copy
        position, velocity = self._parts(state)
        before = self._snapshot(rows)
        robot.prepare(position, velocity)
        self._state[rows] = state
        self._advance(rows)
        after = self._snapshot(rows)
        rewards, terminated = np.zeros(len(self._running)), np.zeros(len(self._running), dtype=bool)
        self._observations[rows] = robot.observe(after)
        rewards[rows] = robot.reward(before, after, actions[rows])
        terminated[rows] = robot.terminated(after)
        if not self._endless:
            self._running &= ~terminated
        return Step(observations=self._observations.copy(), rewards=rewards, terminated=terminated)

    def _allocate(self, episodes: int) -> None:
        robot, model = self.robot, self.robot.model
        n_state = mujoco.mj_stateSize(model, _STATE)
        self._trace = np.zeros((episodes, robot.frame_skip, n_state))  # of the last action; its last row is the state
        self._state = self._trace[:, -1]
        self._warm_start = np.zeros((episodes, model.nv))
        self._control = np.zeros((episodes, robot.frame_skip, model.nu))
        self._readings = np.zeros((episodes, robot.readings_size))
        self._placement = np.zeros((episodes, 0))
        self._observations = np.zeros((episodes, robot.observation_size))
        self._running = np.ones(episodes, dtype=bool)
        arrays = (self._state, self._warm_start, self._control, self._trace)
        # mujoco.rollout wants batches: views of one row each, made once
        self._views = [tuple(array[row : row + 1] for array in arrays) for row in range(episodes)]

    def _begin(self, row: int, start: Start) -> None:
        """Puts an episode where it starts, as Gymnasium's `reset` does: a forward pass from cleared data."""
        worker, model = self._workers[0], self.robot.model
        if start.position.shape != (model.nq,) or start.velocity.shape != (model.nv,):
            raise InvalidShapeError(
                f"start {row} has qpos {list(start.position.shape)} and qvel {list(start.velocity.shape)}; "
                f"expected [{model.nq}] and [{model.nv}]."
            )
        worker.begin(start, self._readings[row])
        mujoco.mj_getState(worker.model, worker.data, self._state[row], _STATE)
        self._warm_start[row] = worker.data.qacc_warmstart

    def _advance(self, rows: Any) -> None:
        """Steps the given episodes, split evenly over the threads."""
        if self._pool is None:
            self._advance_part(self._workers[0], rows)
            return
        parts = np.array_split(rows, len(self._workers))
        list(self._pool.map(self._advance_part, self._workers, parts))  # a list, so that errors surface here

    def _advance_part(self, worker: _Worker, rows: Any) -> None:
        for row in rows.tolist():
            worker.advance(self._views[row], self._placement[row], self._readings[row])

    def _snapshot(self, rows: Any) -> Snapshot:
        position, velocity = self._parts(self._state[rows])
        return Snapshot(
            position=position, velocity=velocity, readings=self._readings[rows], placement=self._placement[rows]
        )

    def _parts(self, state: Floats) -> tuple[Floats, Floats]:
        """Views of positions and velocities."""
        first, last = _TIME + self.robot.model.nq, _TIME + self.robot.model.nq + self.robot.model.nv
        return state[:, _TIME:first], state[:, first:last]

    def _checked(self, actions: Floats, rows: Any) -> Floats:
        expected = (len(self._running), self.robot.action_size)
        if actions.shape != expected:
            raise InvalidShapeError(f"actions are {list(actions.shape)}; expected {list(expected)}.")
        bad = rows[~np.isfinite(actions[rows]).all(axis=1)]
        if len(bad):
            raise InvalidArgumentError(f"the action of episode {bad[0]} is not finite; the policy has diverged.")
        return np.clip(actions.astype(np.float64), -1.0, 1.0)


class _Worker:
    """What one thread owns: a model (robots write placements into it) and MuJoCo's data."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.model = copy.copy(robot.model)
        self.data = mujoco.MjData(self.model)
        self._rollout = rollout.Rollout(nthread=0)  # on the calling thread
        self._sensors = np.zeros((1, robot.frame_skip, self.model.nsensordata))

    def begin(self, start: Start, readings: Floats) -> None:
        """A forward pass at the start of an episode."""
        mujoco.mj_resetData(self.model, self.data)
        self.robot.place(self.model, start.placement)
        self.data.qpos[:], self.data.qvel[:] = start.position, start.velocity
        mujoco.mj_forward(self.model, self.data)
        self.robot.read(self.data, readings)

    def advance(self, views: tuple[Floats, ...], placement: Floats, readings: Floats) -> None:
        """One action of one episode; `views` are its state, warm start, control and trace, [1, ...] each."""
        state, warm_start, control, trace = views
        robot = self.robot
        robot.place(self.model, placement)
        self._rollout.rollout(
            [self.model],
            [self.data],
            state,
            control,
            control_spec=_CONTROL,
            skip_checks=True,
            nstep=robot.frame_skip,
            initial_warmstart=warm_start,
            state=trace,
            sensordata=self._sensors,
        )
        warm_start[0] = self.data.qacc_warmstart
        robot.read(self.data, readings)
