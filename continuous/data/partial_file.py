"""A file that is being downloaded: its bytes so far in `NAME.part`, and in `NAME.part.json` which version they are of.

A version is an address, a full size, and the name that the server gave it: only a file that has all three can be
continued. Everything else is removed when its process is done with it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from ampl.errors import AmplError, InvalidFileError
from ampl.file_lock import lock
from ampl.files import move_to_new_name, read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Version:
    """What tells one version of a file from another."""

    url: str  # where it was found
    size: int  # bytes in all
    tag: str  # the server's name for it: a strong ETag, or the date of its last change


class PartialFile:
    """A file on its way, open for this process alone; made by `hold_partial`.

    Args:
        path: NAME.part.
        url: where its bytes come from.
        file: `path`, opened for appending without a buffer, and locked.
    """

    def __init__(self, path: Path, url: str, file: FileIO) -> None:
        self.path, self.url = path, url
        self._file = file
        self.version = self._noted()
        self.size = os.fstat(file.fileno()).st_size
        if self.version is None or not 0 < self.size <= self.version.size:
            self.restart(None)

    @property
    def begun(self) -> Version | None:
        """The version that this address can be asked for the rest of; None if it begins with the first byte."""
        return self.version if self.version is not None and self.version.url == self.url and self.size > 0 else None

    @property
    def complete(self) -> bool:
        """Whether all bytes that the server announced are here."""
        return self.begun is not None and self.size == self.begun.size

    def restart(self, version: Version | None) -> None:
        """Throws the bytes away; the next ones are those of `version`, or of one that cannot be continued (None).

        Raises:
            InvalidFileError: the note cannot be written.
        """
        self._file.truncate(0)
        self.size, self.version = 0, version
        self._note.unlink(missing_ok=True)
        if version is not None:
            self.flush()  # first the old bytes go, then the note of the new ones comes
            write_json(self._note, asdict(version))

    def append(self, block: bytes) -> None:
        """Adds bytes at the end.

        Raises:
            InvalidFileError: the disk does not take them.
        """
        rest = memoryview(block)
        try:
            while rest:
                written = self._file.write(rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise self._unwritable(error) from error

    def flush(self) -> None:
        """Sees to it that the bytes are on the disk.

        Raises:
            InvalidFileError: they do not get there.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def publish(self, target: Path) -> None:
        """Gives the file its final name.

        Raises:
            FileExistsError: something has that name; it stays.
        """
        move_to_new_name(self.path, target)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the file, if it still has this name, and its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def _noted(self) -> Version | None:
        """The version that is partly here, as the note says; None without a note."""
        try:
            note = read_json(self._note)
        except AmplError:
            return None
        kinds = {"url": str, "size": int, "tag": str}
        if not isinstance(note, dict) or any(not isinstance(note.get(key), kind) for key, kind in kinds.items()):
            return None
        return Version(url=note["url"], size=note["size"], tag=note["tag"])

    def _unwritable(self, error: OSError) -> InvalidFileError:
        return InvalidFileError(f"cannot write {self.path}: {error.strerror}.")


@contextmanager
def hold_partial(path: Path, url: str) -> Iterator[PartialFile]:
    """The partial file, held by this process while the block runs; afterwards it is kept only if it can be continued.

    What another address gave is kept, too, until this one gives its first byte.

    Args:
        path: NAME.part, made if it does not exist.
        url: where its bytes come from.

    Raises:
        InvalidFileError: another process holds it, or it cannot be written.
    """
    with _open_locked(path) as file:
        partial = PartialFile(path, url, file)
        try:
            yield partial
        finally:
            if partial.version is None or partial.size == 0:
                partial.remove()


def _open_locked(path: Path) -> FileIO:
    while True:
        try:
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                raise InvalidFileError(f"cannot write {path}: it is not a regular file. Remove it.")
            file = path.open("ab", buffering=0)
        except OSError as error:
            raise InvalidFileError(f"cannot write {path}: {error.strerror}.") from error
        if lock(file.fileno()) is False:
            file.close()
            raise InvalidFileError(f"another process is downloading {path.stem}; wait for it.")
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                return file
        except FileNotFoundError:
            pass
        file.close()  # the process that held it has given it its final name, or removed it
