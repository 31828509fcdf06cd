"""Whether a training may record its steps on a GPU and replay them: an option of the training, heeded by its wing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_allowed: ContextVar[bool] = ContextVar("step_recording_allowed", default=True)


@contextmanager
def step_recording(allowed: bool) -> Iterator[None]:
    """Inside, in this thread, steps may be recorded or may not; outside they may."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def step_recording_allowed() -> bool:
    """Whether they may."""
    return _allowed.get()
