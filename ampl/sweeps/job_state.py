"""What has become of a job, as its run directory and its process say."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ampl.errors import AmplError
from ampl.files import read_json
from ampl.runs.given_models import model_run
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import EPOCH, read_metrics
from ampl.runs.run_directory import Result, Status, read_result
from ampl.runs.run_identity import asked_alike
from ampl.sweeps.plan import Job

_SCORES = (SCORE, "evaluation/return_mean", "return")
_ERROR = "ampl: error: "  # how the line begins that a training ends with


class Phase(StrEnum):
    """Of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # with the sweep; the same command goes on
    FINISHED = "finished"
    DIVERGED = "diverged"  # a metric was not finite; the training itself stopped
    FAILED = "failed"


class Handle(Protocol):
    """A training under way, on this machine or elsewhere."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def end(self) -> None:
        """Asks it to save itself and stop."""

    def kill(self) -> None:
        """Ends it at once."""


@dataclass
class JobState:
    """One job from waiting to its end.

    Attributes:
        job: which.
        phase: where it stands.
        handle: of its process while it runs.
        epoch, score: of the last recorded row; no score where there was no evaluation yet.
        message: what went wrong.
    """

    job: Job
    phase: Phase = Phase.WAITING
    handle: Handle | None = None
    epoch: int = 0
    score: float | None = None
    message: str = ""
    _started: float = 0.0
    _first_epoch: int = 0
    _log_start: int = 0  # bytes of earlier sessions

    def look(self) -> None:
        """Reads how far the run has come, and whether it has ended in an earlier session."""
        if (self.job.path / "metrics.csv").exists():
            try:
                table = read_metrics(self.job.path / "metrics.csv")
            except AmplError:  # while its first row is written
                return
            self.epoch = int(table[EPOCH][-1]) if len(table[EPOCH]) else 0
            measured = (table[name][table[name] == table[name]] for name in _SCORES if name in table)  # without nan
            self.score = next((float(column[-1]) for column in measured if len(column)), None)
        if self.handle is None and self.phase is Phase.WAITING and self._asked_alike():
            found = self._result()
            if found is not None and found.status is Status.FINISHED and self.epoch >= self.job.epochs:
                self.phase = Phase.FINISHED

    def begin(self, handle: Handle) -> None:
        """A process has started on it."""
        self.handle, self.phase = handle, Phase.RUNNING
        self._started, self._first_epoch = time.monotonic(), self.epoch

    def before(self) -> None:
        """Its process is about to start: what is in its log is of earlier ones."""
        self._log_start = self.job.log.stat().st_size if self.job.log.exists() else 0

    def end_with(self, code: int) -> None:
        """The process has ended."""
        self.handle = None
        self.look()
        self._result()
        if self.phase is not Phase.RUNNING:
            return
        if code == 0:
            self.phase = Phase.FINISHED
            return
        killed = f"its process was ended by signal {-code}" if code < 0 else ""
        why = killed or self._last_words() or f"its process ended with code {code}"
        self.phase, self.message = Phase.FAILED, why

    @property
    def seconds_left(self) -> float | None:
        """At the pace since its process started; None before the first epoch of that."""
        done = self.epoch - self._first_epoch
        if self.phase is not Phase.RUNNING or done <= 0:
            return None
        return (self.job.epochs - self.epoch) * (time.monotonic() - self._started) / done

    def _asked_alike(self) -> bool:
        """Whether the run is what the sweep's file asks for today; where it is not, its process says what differs."""
        try:
            config = read_json(self.job.path / "config.json", "")
            model = None if self.job.model_from is None else model_run(self.job.model_from, self.job.seed)
        except AmplError:
            return False
        return asked_alike(config, self.job.scale, self.job.problem, model)

    def _result(self) -> Result | None:
        """What its run left; the job has diverged if the run says so, and failed if nobody can read it."""
        try:
            found = read_result(self.job.path)
        except AmplError as error:
            self.phase, self.message = Phase.FAILED, str(error)
            return None
        if found is not None and found.status is Status.STOPPED:
            self.phase, self.message = Phase.DIVERGED, found.message
        return found

    def _last_words(self) -> str:
        """The last error in this process's part of the log; without one its last line, as of a traceback."""
        try:
            lines = self.job.log.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        except OSError:
            return ""
        errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
        return next(reversed(errors or [line.strip() for line in lines if line.strip()]), "")
