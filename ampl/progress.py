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
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ampl.errors import check_at_least
from ampl.printing import print_note, printable

QUIET_SECONDS = 3.0  # before the first line
LINE_SECONDS = 30.0  # between two lines

_open_display: ContextVar[_Display | None] = ContextVar("progress_display", default=None)


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Bar]:
    """Shows how far the body has come.

    Args:
        label: what is being done, a word or two.
        total: number of steps, >= 0; None if it is not known before the end.

    Raises:
        InvalidArgumentError: total is negative.
    """
    if total is not None:
        check_at_least(f"total of '{label}'", total, 0)
    display = _open_display.get()
    with _Display() if display is None else nullcontext(display) as display:
        token = _open_display.set(display)
        try:
            with display.bar(printable(label), total) as bar:
                yield bar
        finally:
            _open_display.reset(token)


class Bar:
    """What the body of `with progress(...)` gets."""

    def __init__(self, display: _Display, task: TaskID) -> None:
        self._display, self._task = display, task

    def advance(self, steps: int = 1) -> None:
        """Counts steps as done."""
        self._display.advance(self._task, steps)
        self._display.write_line_if_due()

    def show(self, note: str) -> None:
        """Says from now on how the work goes: a few words with the latest numbers, in place of the rate."""
        self._display.update(self._task, note=printable(note))


class _Display(Progress):
    """Rich's display with a line for each note; without a terminal it is disabled, and writes plain lines instead."""

    def __init__(self) -> None:
        alone = threading.current_thread() is threading.main_thread()  # bars of several threads overwrite each other
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), MofNCompleteColumn())
        super().__init__(
            *(*columns, TimeElapsedColumn(), TimeRemainingColumn()),
            console=Console(stderr=True),
            transient=True,
            disable=not (alone and sys.stderr.isatty()),
            get_time=lambda: time.monotonic(),
        )
        self._next_line, self._said = time.monotonic() + QUIET_SECONDS, ""

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Bar]:
        """A bar below those that are open, for as long as the body runs."""
        indent = "" if self.disable else "  " * len(self.tasks)
        number = self.add_task(indent + label, total=total, note="")
        try:
            yield Bar(self, number)
            *outer, task = self.tasks
            if self.disable and not outer and _seconds(task) >= QUIET_SECONDS and self._said != _count(task):
                print_note(_text(task))
        finally:
            self.remove_task(number)

    def write_line_if_due(self) -> None:
        """A line about all open bars, with the time left of the innermost."""
        if self.disable and time.monotonic() >= self._next_line:
            *outer, inner = self.tasks
            print_note(" > ".join([*map(_count, outer), _text(inner)]))
            self._said = "" if outer else _count(inner)
            self._next_line = time.monotonic() + LINE_SECONDS

    def stop(self) -> None:
        """Removes the bars; a disabled display of Rich before 15 would write an empty line here."""
        if not self.disable:
            super().stop()

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bars, and below them what was to be shown, each cut to a line."""
        yield from super().get_renderables()
        for task in self.tasks:
            if note := task.fields["note"]:
                yield Text(note, no_wrap=True, overflow="ellipsis")


def _count(task: Task) -> str:
    """How far it is: "epochs: 3/50"."""
    return f"{task.description}: {task.completed}" + ("" if task.total is None else f"/{task.total}")


def _text(task: Task) -> str:
    """Everything: "epochs: 3/50, 0.2/s, 3 min 55 s left"."""
    rate = task.completed / _seconds(task)
    if task.total is None:
        end = f"{duration(_seconds(task))} so far"
    elif task.completed >= task.total:
        end = f"done in {duration(_seconds(task))}"
    elif task.completed:
        end = f"{duration((task.total - task.completed) / rate)} left"
    else:
        end = "time left unknown"
    return f"{_count(task)}, {task.fields['note'] or f'{rate:.3g}/s'}, {end}"


def _seconds(task: Task) -> float:
    return max(task.elapsed or 0.0, 1e-9)


def duration(seconds: float) -> str:
    """Seconds as "12 s", "3 min 05 s" or "2 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
