"""The one progress display: a bar on a terminal, otherwise a line every 30 seconds with step, rate and time left.

    with progress("claims", total=20) as bar:
        for claim in claims:
            check(claim)
            bar.advance()

Everything goes to standard error. Without a terminal, work that ends within three seconds says nothing. A display
inside another stays silent: the outer one speaks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from ampl.errors import check_at_least

QUIET_SECONDS = 3.0  # before the first line
LINE_SECONDS = 30.0  # between two lines

_active: ContextVar[bool] = ContextVar("progress_active", default=False)


class Bar(Protocol):
    """What the body of `with progress(...)` gets."""

    def advance(self, steps: int = 1) -> None:
        """Counts steps as done."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Bar]:
    """Shows how far the body has come.

    Args:
        label: what is being done, a word or two.
        total: number of steps, >= 0.

    Raises:
        InvalidArgumentError: total is negative.
    """
    check_at_least(f"total of '{label}'", total, 0)
    if _active.get():
        yield _Silent()
        return
    token = _active.set(True)
    try:
        with _rich_bar(label, total) if sys.stderr.isatty() else _lines(label, total) as bar:
            yield bar
    finally:
        _active.reset(token)


class _Silent:
    def advance(self, steps: int = 1) -> None:
        """Says nothing."""


class _Lines:
    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._start = time.monotonic()
        self._next_line = self._start + QUIET_SECONDS
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if time.monotonic() >= self._next_line:
            self.write()
            self._next_line = time.monotonic() + LINE_SECONDS

    def finish(self) -> None:
        if time.monotonic() - self._start >= QUIET_SECONDS:
            self.write()

    def write(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = self._done / seconds
        if self._done >= self._total:
            end = f"done in {_duration(seconds)}"
        elif self._done:
            end = f"{_duration((self._total - self._done) / rate)} left"
        else:
            end = "time left unknown"
        print(f"{self._label}: {self._done}/{self._total}, {rate:.3g}/s, {end}", file=sys.stderr, flush=True)


@contextmanager
def _lines(label: str, total: int) -> Iterator[Bar]:
    lines = _Lines(label, total)
    yield lines
    lines.finish()


class _RichBar:
    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def advance(self, steps: int = 1) -> None:
        self._advance(steps)


@contextmanager
def _rich_bar(label: str, total: int) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as display:
        task = display.add_task(label, total=total)
        yield _RichBar(lambda steps: display.advance(task, steps))


def _duration(seconds: float) -> str:
    """Seconds as "12 s", "3 min 05 s" or "2 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
