"""Locks on files and folders that end with their process, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import filelock

from ampl.errors import ExistingRunError, InvalidFileError


def lock(descriptor: int) -> bool | None:
    """Takes the lock of an open file without waiting; it is held until the file is closed.

    Returns:
        True if it is ours now, False if another process holds it, None where platform or file system know no locks
        that leave the file usable.
    """
    try:
        return filelock.lock_descriptor(descriptor, blocking=False) if filelock.has_fcntl else None
    except OSError:
        return None


def is_held(path: Path) -> bool:
    """Whether another process holds the lock of a file; False where there is no such file, or no locks."""
    try:
        with path.open("rb+") as file:
            return lock(file.fileno()) is False
    except OSError:
        return False


class FolderLock:
    """Two processes never train into one folder: held from construction to `release`.

    Args:
        folder: made if it does not exist.
        name: of the file in it that is locked.

    Raises:
        ExistingRunError: another process holds it.
        InvalidFileError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, name: str = ".lock") -> None:
        self._path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        except OSError as error:
            raise InvalidFileError(f"cannot write {folder}: {error.strerror}. Choose another --out.") from error
        if lock(self._file.fileno()) is False:
            self.release()
            raise ExistingRunError(f"another process is training in {folder}. Wait for it, or choose another --out.")

    def check_still_there(self) -> None:
        """Raises InvalidFileError if the folder, or what was in it, was removed or moved since."""
        try:
            is_there = os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            is_there = False
        if not is_there:
            raise InvalidFileError(
                f"{self._path.parent} was removed or moved while it was trained in, so nothing more can be recorded. "
                "Put it back and add --resume, or train again."
            )

    def release(self) -> None:
        """Lets others hold it; the second call does nothing."""
        self._file.close()
