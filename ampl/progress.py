"""The one progress display: bars on a terminal, otherwise a line every 30 seconds with step, rate and time left.

    with progress("claims", total=20) as bar:
        for claim in claims:
            check(claim)
            bar.advance()

Everything goes to standard error. Without a terminal, work that ends within three seconds says nothing. A display
inside another is a part of it: a bar below the outer one as long as it lasts, or the end of the outer one's line.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from ampl.errors import check_at_least
from ampl.printing import print_note, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_SECONDS = 3.0  # before the first line
LINE_SECONDS = 30.0  # between two lines


class Bar(Protocol):
    """What the body of `with progress(...)` gets."""

    def advance(self, steps: int = 1) -> None:
        """Counts steps as done."""

    def show(self, note: str) -> None:
        """Says from now on how the work goes: a few words with the latest numbers, in place of the rate."""


class _Display(Protocol):
    def bar(self, label: str, total: int | None) -> AbstractContextManager[Bar]:
        """The display of some work, inside of those that are open."""


_display: ContextVar[_Display | None] = ContextVar("progress_display", default=None)


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Bar]:
    """Shows how far the body has come.

    Args:
        label: what is being done, a word or two.
        total: number of steps, >= 0; None if it is not known before the end.

    Raises:
        InvalidArgumentError: total is negative.
    """
    label = printable(label)
    if total is not None:
        check_at_least(f"total of '{label}'", total, 0)
    with _current_display() as display, display.bar(label, total) as bar:
        yield bar


@contextmanager
def _current_display() -> Iterator[_Display]:
    """The display that is open, or a new one."""
    current = _display.get()
    if current is not None:
        yield current
        return
    alone = threading.current_thread() is threading.main_thread()  # bars of several threads would overwrite each other
    with _terminal() if alone and sys.stderr.isatty() else nullcontext(_Lines()) as display:
        token = _display.set(display)
        try:
            yield display
        finally:
            _display.reset(token)


class _Lines:
    """Without a terminal: a line now and then, by whichever bar advances first when it is time."""

    def __init__(self) -> None:
        self.next_line = time.monotonic() + QUIET_SECONDS
        self._bars: list[_LineBar] = []

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Bar]:
        bar = _LineBar(self, label, total)
        self._bars.append(bar)
        try:
            yield bar
        finally:
            self._bars.pop()
        if not self._bars:
            bar.finish()

    def write(self) -> None:
        """A line about all open bars, with the time left of the innermost."""
        *outer, inner = self._bars
        print_note(" > ".join([*(bar.count() for bar in outer), inner.text()]))
        self.next_line = time.monotonic() + LINE_SECONDS


class _LineBar:
    def __init__(self, display: _Lines, label: str, total: int | None) -> None:
        self._display, self._label, self._total = display, label, total
        self._start = time.monotonic()
        self._done = 0
        self._note = ""

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if time.monotonic() >= self._display.next_line:
            self._display.write()

    def show(self, note: str) -> None:
        self._note = note

    def count(self) -> str:
        """How far it is: "epochs: 3/50"."""
        return f"{self._label}: {self._done}" + ("" if self._total is None else f"/{self._total}")

    def text(self) -> str:
        """Everything: "epochs: 3/50, 0.2/s, 3 min 55 s left"."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = self._done / seconds
        if self._total is None:
            end = f"{duration(seconds)} so far"
        elif self._done >= self._total:
            end = f"done in {duration(seconds)}"
        elif self._done:
            end = f"{duration((self._total - self._done) / rate)} left"
        else:
            end = "time left unknown"
        return f"{self.count()}, {self._note or f'{rate:.3g}/s'}, {end}"

    def finish(self) -> None:
        """The last line, of work that was not short."""
        if time.monotonic() - self._start >= QUIET_SECONDS:
            print_note(self.text())


class _Terminal:
    """On a terminal: a bar for each work that is open, the inner ones below."""

    def __init__(self, display: Progress) -> None:
        self._display = display

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Bar]:
        depth = len(self._display.tasks)
        task = self._display.add_task("  " * depth + label, total=total, note="")
        try:
            yield _TerminalBar(self._display, task)
        finally:
            self._display.remove_task(task)


class _TerminalBar:
    def __init__(self, display: Progress, task: TaskID) -> None:
        self._display, self._task = display, task

    def advance(self, steps: int = 1) -> None:
        self._display.advance(self._task, steps)

    def show(self, note: str) -> None:
        self._display.update(self._task, note=note)


@contextmanager
def _terminal() -> Iterator[_Display]:
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class WithNotes(Progress):
        """The bars, and below them what was to be shown, each cut to a line."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            for task in self.tasks:
                if note := task.fields["note"]:
                    yield Text(printable(note), no_wrap=True, overflow="ellipsis")

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with WithNotes(*columns, *times, console=Console(stderr=True), transient=True) as display:
        yield _Terminal(display)


def duration(seconds: float) -> str:
    """Seconds as "12 s", "3 min 05 s" or "2 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
