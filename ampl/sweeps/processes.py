"""Trainings as processes of this machine, one thread each."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

from ampl.processes import THREAD_VARIABLES, available_cores
from ampl.sweeps.plan import Job


def free_cores() -> int:
    """Cores that this process may use and that nobody has used in the last minute, at least one."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, available_cores() - round(load))


class TrainingProcess:
    """A process of `ampl train` that writes into the job's log; a `Handle`.

    It has a session of its own: Ctrl-C in the terminal reaches the sweep alone, which ends its trainings once. Where
    the sweep is killed, Linux asks it to save itself and stop.
    """

    def __init__(self, job: Job) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ampl", *job.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
                start_new_session=True,
                preexec_fn=_ending_with_parent() if sys.platform == "linux" else None,
            )

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Asks it to save itself and stop."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def _ending_with_parent() -> Callable[[], object]:
    """What a process calls before it becomes a training: prctl(PR_SET_PDEATHSIG, SIGTERM), see prctl(2)."""
    library = ctypes.CDLL(None)  # here, for little may be done between fork and exec
    return lambda: library.prctl(1, signal.SIGTERM)
