"""Many episodes of any Gymnasium environment, moved together, in processes of their own where there are several.

Each episode has an environment of its own, which is kept for the next. It starts by a seed from its own generator,
so what is measured does not depend on the number of processes. A process gets the actions of its episodes in one
message for each step, and one message with what they led to comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from weakref import finalize

import numpy as np

from ampl.error_places import located_words
from ampl.errors import InvalidArgumentError, InvalidShapeError, LostWorkerError
from ampl.processes import available_cores, worker_pool
from continuous.environments.own import own_environment
from continuous.environments.robot import Flags, Floats
from continuous.environments.simulator import Step
from continuous.tasks.registry import Task

Result = TypeVar("Result")


class GymnasiumSimulator:
    """n episodes side by side; a `continuous.environments.simulator.Simulator`.

    Args:
        task: on data of the user's own.
        processes: that step environments, >= 1, this one among them if it is the only one; None: one a core.

    Raises:
        InvalidArgumentError: the environment cannot be made.
        LostWorkerError: it ended its process; this and what it raises itself come from `reset` and `step`, too.
    """

    def __init__(self, task: Task, processes: int | None = None) -> None:
        self._task = task
        self._processes = available_cores() if processes is None else processes
        self._stack = ExitStack()
        finalize(self, self._stack.close)  # simulators that are kept are never closed otherwise
        self._lanes: list[_Lane] = []
        self._open_lanes()
        self._running = np.zeros(0, dtype=np.bool_)
        self._rows: list[Any] = []  # of each lane
        self._observations = np.zeros((0, task.observation_size))

    @property
    def action_size(self) -> int:
        """A."""
        return self._task.action_size

    @property
    def episode_limit(self) -> int:
        """Actions until an episode is cut."""
        return self._task.episode_limit

    @property
    def running(self) -> Flags:
        """Which episodes have not ended, [n]; an environment may also cut one by itself."""
        return self._running.copy()

    def reset(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Starts one episode for each generator; first observations, [n, D]."""
        seeds = np.array([int(generator.integers(2**31)) for generator in generators])
        self._open_lanes()
        self._rows = np.array_split(np.arange(len(seeds)), len(self._lanes))
        self._running = np.ones(len(seeds), dtype=np.bool_)
        with self._whole():
            waiting = [lane.ask(_Episodes.reset, seeds[rows]) for lane, rows in self._busy()]
            self._observations = np.concatenate([answer() for answer in waiting])
        return self._observations.copy()

    def step(self, actions: Floats) -> Step:
        """Moves every episode that has not ended by one action, [n, A] in [-1, 1].

        Raises:
            InvalidShapeError: another shape.
            InvalidArgumentError: an action that is not finite.
        """
        expected = (len(self._running), self.action_size)
        if actions.shape != expected:
            raise InvalidShapeError(f"actions are {list(actions.shape)}; expected {list(expected)}.")
        bad = np.flatnonzero(self._running & ~np.isfinite(actions).all(axis=1))
        if len(bad):
            raise InvalidArgumentError(f"the action of episode {bad[0]} is not finite; the policy has diverged.")
        busy = [(lane, rows) for lane, rows in self._busy() if self._running[rows].any()]
        with self._whole():
            waiting = [lane.ask(_Episodes.step, actions[rows], self._running[rows]) for lane, rows in busy]
            answers = [answer() for answer in waiting]
        rewards, terminated = np.zeros(len(actions)), np.zeros(len(actions), dtype=np.bool_)
        for (_, rows), (observations, paid, ended_by_itself, ended) in zip(busy, answers, strict=True):
            rewards[rows], terminated[rows] = paid, ended_by_itself
            moved = self._running[rows]
            self._observations[rows[moved]] = observations[moved]
            self._running[rows] &= ~ended
        return Step(observations=self._observations.copy(), rewards=rewards, terminated=terminated)

    def close(self) -> None:
        """Ends the processes."""
        self._stack.close()

    def _open_lanes(self) -> None:
        """Processes with an environment each, unless there are some."""
        if self._lanes:
            return
        count = self._processes
        with self._whole():
            pools = [self._stack.enter_context(worker_pool(1)) for _ in range(count)] if count > 1 else [None]
            self._lanes = [_Lane(self._task, pool) for pool in pools if pool is not None or pools[0] is None]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """If a process ends inside, all are ended, and the next reset opens new ones."""
        try:
            yield
        except BrokenProcessPool as error:
            self._lanes = []
            self._stack.close()
            raise LostWorkerError(
                f"a process that steps the environment of {self._task.name} has ended: killed, out of memory, or by "
                "the environment's own code. Mend it, or train without evaluation (--env none)."
            ) from error

    def _busy(self) -> list[tuple[_Lane, Any]]:
        """The lanes that have episodes, and which."""
        return [(lane, rows) for lane, rows in zip(self._lanes, self._rows, strict=True) if len(rows)]


class _Episodes:
    """The episodes of one process."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._environments = [own_environment(task)]  # the first at once, so that what is wrong is said early

    def reset(self, seeds: Any) -> Floats:
        """First observations, [n, D]."""
        while len(self._environments) < len(seeds):
            self._environments.append(own_environment(self._task))
        observations = np.zeros((len(seeds), self._task.observation_size))
        for row, seed in enumerate(seeds.tolist()):
            with self._blaming("reset"):
                observations[row] = self._environments[row].reset(seed=seed)[0]
        self._check_finite("observation", observations)
        return observations

    def step(self, actions: Floats, running: Flags) -> tuple[Floats, Floats, Flags, Flags]:
        """Observations, rewards, which terminated and which ended in any way; zeros where not running."""
        observations = np.zeros((len(actions), self._task.observation_size))
        rewards, flags = np.zeros(len(actions)), np.zeros((2, len(actions)), dtype=np.bool_)
        for row in np.flatnonzero(running).tolist():
            with self._blaming("step"):
                observations[row], reward, terminated, truncated, _ = self._environments[row].step(actions[row])
                rewards[row], flags[:, row] = float(reward), (terminated, terminated or truncated)
        self._check_finite("observation", observations)
        self._check_finite("reward", rewards)
        return observations, rewards, flags[0], flags[1]

    @contextmanager
    def _blaming(self, method: str) -> Iterator[None]:
        """Errors of the environment's own code in one line, which says whose they are."""
        try:
            yield
        except (Exception, SystemExit) as error:  # whatever the environment's own code raises
            raise InvalidArgumentError(
                f"the environment of {self._task.name} fails in {method} ({located_words(error)}). Mend it, or train "
                "without evaluation (--env none)."
            ) from error

    def _check_finite(self, what: str, values: Floats) -> None:
        if not np.isfinite(values).all():
            raise InvalidArgumentError(
                f"the environment of {self._task.name} returned {'an' if what[0] == 'o' else 'a'} {what} that is not "
                "finite: mend it, or see whether the policy has diverged."
            )


class _Lane:
    """Episodes in this process, or in that of a pool with one worker."""

    def __init__(self, task: Task, pool: Executor | None) -> None:
        self._pool = pool
        self._episodes = _Episodes(task) if pool is None else None
        if pool is not None:
            pool.submit(_open, task).result()

    def ask(self, method: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
        """Begins one of the methods of `_Episodes`; what is returned waits for its result."""
        if self._pool is not None:
            return self._pool.submit(_call, method, *arguments).result
        result = method(self._episodes, *arguments)
        return lambda: result


_here: list[_Episodes] = []  # in a worker: its own


def _open(task: Task) -> None:
    _here[:] = [_Episodes(task)]


def _call(method: Callable[..., Result], *arguments: Any) -> Result:
    return method(_here[0], *arguments)
