"""Standard output and standard error while a command runs: what is printed is never the reason for a traceback.

Characters that the encoding does not have are printed as escapes. A standard error that takes nothing (closed, full, a
terminal that is gone) costs its messages, never the work; a standard output that takes nothing is an OSError.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


@contextmanager
def standard_streams() -> Iterator[None]:
    """Inside it `sys.stdout` and `sys.stderr` are as the module says; afterwards they are what they were."""
    _open_descriptors()
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = before[0] or _Closed()
    sys.stderr = _Unfailing(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            _drop_unwritten(stream)


def flush_output() -> None:
    """Writes what has been printed.  Raises OSError, which says where it could not be written to."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(f"cannot write to standard output: {error.strerror}") from error


def _open_descriptors() -> None:
    """Puts the null device where a standard stream is closed: no file that is opened later may take its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _drop_unwritten(stream: IO[str] | None) -> None:
    """Points a stream that cannot be written to nowhere: the interpreter would complain at its exit otherwise."""
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class _Closed(io.TextIOBase):
    """In the place of a standard output that was closed when the program began."""

    def write(self, text: str) -> int:
        raise OSError("standard output is closed")


class _Unfailing(io.TextIOBase):
    """Passes on what it can to a stream; None takes nothing."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if self._stream is not None:
            with suppress(OSError, ValueError):  # ValueError: it is closed
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        return 2 if self._stream is None else self._stream.fileno()
