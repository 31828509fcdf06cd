"""Streams one file over HTTP into a partial file, and goes on from where an earlier attempt stopped.

A partial file `NAME.part` has a note `NAME.part.json` beside it: the address it came from, its full size, and the tag
by which the server names that version of the file. Another version is never appended to it.
"""

from __future__ import annotations

import http.client
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ampl.errors import AmplError, InvalidFileError
from ampl.files import read_json, write_json

_BLOCK = 1 << 18  # most bytes read at a time
_NEVER = frozenset({400, 401, 403, 404, 405, 410, 451})  # answers that another attempt will not change


class TransferError(Exception):
    """An attempt that failed, and may succeed if it is made again."""


class UnreachableError(Exception):
    """There is no way to the server: no network, or no such host."""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """A file on its way."""

    path: Path  # NAME.part
    url: str

    @property
    def note(self) -> Path:
        """The file with the address, the size and the tag."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that are already here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def tag(self) -> str | None:
        """The server's name for the version that is partly here; None if it cannot be continued."""
        tag = self._noted().get("tag")
        return tag if isinstance(tag, str) else None

    @property
    def complete(self) -> bool:
        """Whether all bytes that the server announced are here."""
        return self.size > 0 and self._noted().get("size") == self.size

    def _noted(self) -> dict[str, Any]:
        try:
            note = read_json(self.note)
        except AmplError:
            return {}
        return note if isinstance(note, dict) and note.get("url") == self.url else {}

    def remove(self) -> None:
        """Removes the file and its note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the server said before the bytes."""

    start: int  # where its first byte belongs
    total: int | None  # bytes of the whole file, if it said so
    tag: str | None  # ETag or date of this version


def transfer(partial: Partial, timeout: float, watch: Callable[[int, int | None], None]) -> None:
    """One attempt to complete the partial file; what has arrived stays for the next one.

    Args:
        partial: where the bytes go.
        timeout: seconds of silence that end the attempt.
        watch: called with the bytes that are here and the bytes in all (None: not said) as they arrive.

    Raises:
        TransferError: broken off, stalled, shorter than announced, or the server is in trouble.
        UnreachableError: no connection at all.
        InvalidFileError: the server does not have the file, or the disk does not take it.
    """
    with _request(partial, timeout) as response:
        answer = _read_answer(response, partial)
        with _open_locked(partial) as file:
            if answer.start == 0:
                file.truncate(0)
                write_json(partial.note, {"url": partial.url, "size": answer.total, "tag": answer.tag})
            elif partial.size != answer.start:
                raise TransferError("the partial file changed on the way")
            _copy(response, file, answer, watch)
    if answer.total is not None and partial.size != answer.total:
        raise TransferError(f"the server announced {answer.total} bytes and sent {partial.size}")


@contextmanager
def _request(partial: Partial, timeout: float) -> Iterator[http.client.HTTPResponse]:
    request = urllib.request.Request(partial.url, headers={"Accept-Encoding": "identity"})
    tag = partial.tag()
    if partial.size and tag is not None:
        request.add_header("Range", f"bytes={partial.size}-")
        request.add_header("If-Range", tag)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            yield response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _NEVER:
            raise InvalidFileError(f"{partial.url} answers {error.code} {error.reason}.") from error
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # what we have is no beginning of theirs
            partial.remove()
        raise TransferError(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError) and not isinstance(error.reason, socket.gaierror):
            raise TransferError("no answer in time") from error
        host = urllib.parse.urlsplit(partial.url).hostname
        raise UnreachableError(f"cannot reach {host} ({getattr(error.reason, 'strerror', error.reason)})") from error
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise TransferError(f"the connection broke off ({type(error).__name__})") from error


def _read_answer(response: http.client.HTTPResponse, partial: Partial) -> _Answer:
    tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
    tag = None if tag and tag.startswith("W/") else tag  # a weak tag does not promise equal bytes
    if response.status == http.client.OK:
        return _Answer(start=0, total=_number(response.headers.get("Content-Length")), tag=tag)
    if response.status == http.client.PARTIAL_CONTENT:
        span, _, total = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        if _number(span.partition("-")[0]) == partial.size:
            return _Answer(start=partial.size, total=_number(total), tag=tag)
        partial.remove()
    raise TransferError(f"the server answers {response.status} with bytes that were not asked for")


@contextmanager
def _open_locked(partial: Partial) -> Iterator[BinaryIO]:
    """The partial file opened for appending, by one process at a time."""
    try:
        file = partial.path.open("ab")
    except OSError as error:
        raise InvalidFileError(f"cannot write {partial.path}: {error.strerror}.") from error
    with file:
        if not _lock(file):
            raise InvalidFileError(f"another process is downloading {partial.path.stem}; wait for it.")
        yield file
        file.flush()
        os.fsync(file.fileno())


def _lock(file: BinaryIO) -> bool:
    """Whether the file is ours now; platforms and file systems without locks grant it always."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def _copy(
    response: http.client.HTTPResponse, file: BinaryIO, answer: _Answer, watch: Callable[[int, int | None], None]
) -> None:
    here = answer.start
    watch(here, answer.total)
    while block := response.read1(_BLOCK):  # not read: after a stall it would lose what came before
        try:
            file.write(block)
        except OSError as error:
            raise InvalidFileError(f"cannot write {file.name}: {error.strerror}.") from error
        here += len(block)
        watch(here, answer.total)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
