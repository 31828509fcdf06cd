"""A lock on a folder, so that two processes never train into one run directory; it ends with its process."""

from __future__ import annotations

import os
from pathlib import Path

from ampl.errors import ExistingRunError, InvalidFileError


class FolderLock:
    """Held from construction to `release`; the folder is made if it does not exist.

    Raises:
        ExistingRunError: another process holds it.
        InvalidFileError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InvalidFileError(f"cannot write {folder}: {error.strerror}. Choose another --out.") from error
        if not _lock(self._descriptor):
            os.close(self._descriptor)
            raise ExistingRunError(f"another process is training in {folder}. Wait for it, or choose another --out.")

    def release(self) -> None:
        """Lets others hold it; the second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _lock(descriptor: int) -> bool:
    """Whether the lock is ours now; file systems and platforms that know no locks grant it always."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
