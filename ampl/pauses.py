"""Places in the middle of long work where it can be saved, and where it can end.

with at_pauses(save):       # in the driver
    work()

pause()                     # in the work, wherever its state is whole; without a driver it does nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_action: ContextVar[Callable[[], None] | None] = ContextVar("action_at_pauses", default=None)


@contextmanager
def at_pauses(action: Callable[[], None]) -> Iterator[None]:
    """Inside, every pause calls `action`, which may end the work by an exception."""
    token = _action.set(action)
    try:
        yield
    finally:
        _action.reset(token)


def pause() -> None:
    """Lets the driver save the work here, or end it."""
    if action := _action.get():
        action()
