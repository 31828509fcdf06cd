"""A change of the whole process that threads make in blocks which may overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

BeforeT = TypeVar("BeforeT")


class SharedChange(Generic[BeforeT]):
    """Made when the first block is entered, and undone when the last one is left.

    Args:
        make: makes it, and returns what was before.
        undo: puts that back.
    """

    def __init__(self, make: Callable[[], BeforeT], undo: Callable[[BeforeT], None]) -> None:
        self._make, self._undo = make, undo
        self._lock, self._blocks = Lock(), 0
        self._before: BeforeT

    @contextmanager
    def made(self) -> Iterator[None]:
        """A block within which it holds."""
        with self._lock:
            if self._blocks == 0:
                self._before = self._make()
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if self._blocks == 0:
                    self._undo(self._before)
