"""How Ctrl-C and SIGTERM end a command: alike, with one line; a training saves itself first.

Schedulers (Slurm, Kubernetes, systemd) end a job by SIGTERM and kill it some time later, mostly after thirty seconds.
"""

from __future__ import annotations

import copyreg
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

GRACE_SECONDS = 20  # between the first signal and the end of a training that comes to no place to save itself
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ALARM = getattr(signal, "SIGALRM", None)  # ends the grace; a system without it waits for a second signal
_requested: int | None = None  # the first signal, while `saving_first` waits for a place to stop at

Handler = Callable[[int, FrameType | None], Any]


class Interruption(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; also a KeyboardInterrupt, so that whatever cleans up after one does so after both.

    Attributes:
        number: of the signal.
        resume_with: options with which the same command goes on where this one ended; None: it cannot go on.
    """

    def __init__(self, number: int = signal.SIGINT, *, resume_with: Sequence[str] | None = None) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.resume_with = resume_with

    def __reduce__(self) -> Any:
        """For `pickle`, which would otherwise give the signal's name to `__init__`."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.number

    @classmethod
    def of(cls, interrupt: KeyboardInterrupt) -> Interruption:
        """A KeyboardInterrupt of any origin as an Interruption."""
        return interrupt if isinstance(interrupt, Interruption) else cls()


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM raise `Interruption`."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interruption(number)

    with _handlers(end, _SIGNALS):
        yield


@contextmanager
def saving_first() -> Iterator[None]:
    """Inside, the first signal only asks to stop (`stop_requested`); another Ctrl-C, or the end of the grace, ends it.

    Another SIGTERM does not, where there is an alarm: a scheduler may send one to every process of a job, and a sweep
    among them sends its trainings one more.

    The work inside looks between its steps whether it is asked to, and then saves itself and calls `stop_if_requested`.
    Signals come to the main thread: in any other one this stops what is inside when the main thread is asked to stop.

    Raises:
        Interruption: there was a signal.
    """
    global _requested
    if threading.current_thread() is not threading.main_thread():
        yield
        stop_if_requested()
        return

    def end(number: int, frame: FrameType | None) -> None:
        stop_if_requested()

    def ask(number: int, frame: FrameType | None) -> None:
        global _requested
        if number == signal.SIGINT or _ALARM is None:
            stop_if_requested()
        if stop_requested():
            return
        _requested = number
        grace.enter_context(_alarm(end))
        if number == signal.SIGINT and sys.stderr.isatty():
            note = f"\nampl: stops where it can go on later, in {GRACE_SECONDS} s at the latest; Ctrl-C again: now.\n"
            os.write(2, note.encode())  # not by print, which the signal may have interrupted

    try:
        with ExitStack() as grace, _handlers(ask, _SIGNALS):
            yield
            stop_if_requested()
    finally:
        _requested = None


@contextmanager
def resumable(*options: str) -> Iterator[None]:
    """Whatever interrupts the inside is marked as such: the same command goes on, with these options."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interruption(Interruption.of(interrupt).number, resume_with=options) from None


def stop_requested() -> bool:
    """Whether a signal has asked the work inside `saving_first` to save itself and stop."""
    return _requested is not None


def stop_if_requested() -> None:
    """Ends the work inside `saving_first` if a signal has asked for it.  Raises Interruption."""
    if _requested is not None:
        raise Interruption(_requested)


@contextmanager
def _alarm(end: Handler) -> Iterator[None]:
    """Inside, `end` is called when the grace is over; an alarm that was set before is set again afterwards."""
    if _ALARM is None:
        yield
        return
    seconds, interval = signal.getitimer(signal.ITIMER_REAL)
    start = time.monotonic()
    try:
        with _handlers(end, (_ALARM,)):
            signal.alarm(GRACE_SECONDS)
            try:
                yield
            finally:
                signal.alarm(0)
    finally:
        if seconds > 0.0:
            left = max(seconds - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, interval)


@contextmanager
def _handlers(handler: Handler, numbers: Sequence[int]) -> Iterator[None]:
    """Inside, these signals are handled so; one that is ignored, as under nohup, stays so.

    Only the main thread handles signals: in any other one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in handled}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
