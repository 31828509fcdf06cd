"""Runs the jobs of a sweep, so many at a time; what ends one stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ampl.errors import AmplError
from ampl.interruption import GRACE_SECONDS, resumable
from ampl.sweeps.display import Display
from ampl.sweeps.job_state import Handle, JobState, Phase
from ampl.sweeps.plan import Job

_LOOK_SECONDS = 0.5


def run_jobs(states: Sequence[JobState], at_once: int, start: Callable[[Job], Handle], display: Display) -> None:
    """Runs every job that has not ended in an earlier session.

    Args:
        states: of the sweep's jobs; in the end, they say what has become of each.
        at_once: how many run at the same time, >= 1.
        start: begins one.
        display: shows where all of them stand.

    Raises:
        Interruption: a signal ended the sweep; its trainings have saved themselves, and the same command goes on.
    """
    for state in states:
        state.look()
    try:
        with resumable(), display.showing(states):
            while any(state.phase in (Phase.WAITING, Phase.RUNNING) for state in states):
                _step(states, at_once, start)
                display.update()
                time.sleep(_LOOK_SECONDS)
    finally:
        running = [state for state in states if state.handle is not None]
        _end_all([state.handle for state in running if state.handle is not None])
        for state in running:
            state.look()
            state.phase = Phase.INTERRUPTED


def _step(states: Sequence[JobState], at_once: int, start: Callable[[Job], Handle]) -> None:
    """Takes in what has ended, and starts what there is room for."""
    running = [state for state in states if state.phase is Phase.RUNNING]
    for state in running:
        assert state.handle is not None
        code = state.handle.poll()
        if code is None:
            state.look()
        else:
            state.end_with(code)
    room = at_once - sum(state.phase is Phase.RUNNING for state in states)
    for state in [state for state in states if state.phase is Phase.WAITING][: max(room, 0)]:
        try:
            state.before()
            state.begin(start(state.job))
        except (AmplError, OSError) as error:  # such as a folder that cannot be made
            state.phase, state.message = Phase.FAILED, str(error)


def _end_all(handles: Sequence[Handle]) -> None:
    """Asks trainings to save themselves, and waits until they have; ends those that do not."""
    for handle in handles:
        handle.end()
    deadline = time.monotonic() + GRACE_SECONDS + 5.0
    waiting = list(handles)
    while waiting and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = [handle for handle in waiting if handle.poll() is None]
    for handle in waiting:
        handle.kill()
