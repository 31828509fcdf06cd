"""Where the jobs of a sweep stand: a live table on a terminal, otherwise a line whenever one ends, and now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ampl.printing import literal_console, print_note
from ampl.progress import LINE_SECONDS, duration
from ampl.sweeps.job_state import JobState, Phase

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_ENDED = (Phase.FINISHED, Phase.DIVERGED, Phase.FAILED)
_OTHER_LINES = 8  # of a terminal that are not rows of the table


class Display:
    """Shows the states that it is given, on standard error."""

    def __init__(self) -> None:
        self._states: Sequence[JobState] = ()
        self._live: Live | None = None
        self._told: set[int] = set()
        self._last_line = time.monotonic()

    @contextmanager
    def showing(self, states: Sequence[JobState]) -> Iterator[None]:
        """Inside, `update` shows these."""
        self._states = states
        self._told = {index for index, state in enumerate(states) if state.phase in _ENDED}
        if self._told:
            print_note(f"sweep: {len(self._told)} of {len(states)} jobs have ended before")
        if not sys.stderr.isatty():
            yield
            return
        from rich.live import Live

        with Live(console=literal_console(stderr=True), transient=True, auto_refresh=False) as self._live:
            yield
        self._live = None

    def update(self) -> None:
        """Shows where they stand now."""
        if self._live is not None:
            height = self._live.console.height - _OTHER_LINES
            self._live.update(states_table(_nearest(self._states, height), summary(self._states)), refresh=True)
            return
        for index, state in enumerate(self._states):
            if state.phase in _ENDED and index not in self._told:
                self._told.add(index)
                print_note(f"sweep: {in_words(state)}")
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            running = [in_words(state) for state in self._states if state.phase is Phase.RUNNING]
            print_note("; ".join([f"sweep: {summary(self._states)}", *running]))


def summary(states: Sequence[JobState]) -> str:
    """How many are in each phase: "3 finished, 2 running, 5 waiting"."""
    counts = Counter(state.phase for state in states)
    return ", ".join(
        f"{counts[phase]} {phase}"
        for phase in (*_ENDED, Phase.RUNNING, Phase.INTERRUPTED, Phase.WAITING)
        if counts[phase]
    )


def states_table(states: Sequence[JobState], title: str) -> Table:
    """One row a job; columns that no job fills are left out."""
    from rich.table import Table

    rows = [row(state) for state in states]
    names = ("job", "state", "epoch", "score or return", "time left", "what went wrong")
    kept = [index for index in range(len(names)) if index == 0 or any(cells[index] for cells in rows)]
    table = Table(title=title, title_justify="left")
    for index in kept:
        table.add_column(names[index], justify="right" if 2 <= index <= 4 else "left")
    for cells in rows:
        table.add_row(*(cells[index] for index in kept))
    return table


def in_words(state: JobState) -> str:
    """A line about a job: "mopo on lqr-pointmass, main, seed 0: running, epoch 3/20, score or return 84.2"."""
    name, phase, epoch, score, left, message = row(state)
    named = (("", phase), ("epoch ", epoch), ("score or return ", score), ("time left ", left), ("", message))
    return f"{name}: {', '.join(f'{what}{value}' for what, value in named if value)}"


def row(state: JobState) -> tuple[str, str, str, str, str, str]:
    """The job's name, phase, epoch, score (a return where there are no scores), time left and what went wrong."""
    left = state.seconds_left
    return (
        state.job.name,
        state.phase.value,
        f"{state.epoch}/{state.job.epochs}" if state.epoch else "",
        "" if state.score is None else f"{state.score:.4g}",
        "" if left is None else duration(left),
        state.message,
    )


def _nearest(states: Sequence[JobState], count: int) -> list[JobState]:
    """As many as there is room for: what runs and what went wrong first, then what waits; in their own order."""
    order = (Phase.RUNNING, Phase.FAILED, Phase.DIVERGED, Phase.WAITING, Phase.FINISHED)
    chosen = sorted(range(len(states)), key=lambda index: order.index(states[index].phase))[: max(count, 1)]
    return [states[index] for index in sorted(chosen)]
