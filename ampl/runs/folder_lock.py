"""A lock on a folder, so that two processes never train into one run directory; it ends with its process."""

from __future__ import annotations

import os
from pathlib import Path

from ampl.errors import ExistingRunError, InvalidFileError
from ampl.file_lock import lock

_NAME = ".lock"


class FolderLock:
    """Held from construction to `release`; the folder is made if it does not exist.

    Raises:
        ExistingRunError: another process holds it.
        InvalidFileError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InvalidFileError(f"cannot write {folder}: {error.strerror}. Choose another --out.") from error
        if lock(self._descriptor) is False:  # None: a platform or a file system that knows no locks
            self.release()
            raise ExistingRunError(f"another process is training in {folder}. Wait for it, or choose another --out.")

    def check_still_there(self) -> None:
        """Raises InvalidFileError if the folder, or what was in it, was removed or moved since."""
        try:
            is_there = os.path.samestat(os.stat(self._folder / _NAME), os.fstat(self._descriptor))
        except OSError:
            is_there = False
        if not is_there:
            raise InvalidFileError(
                f"{self._folder} was removed or moved while it was trained in, so nothing more can be recorded. "
                "Put it back and add --resume, or train again."
            )

    def release(self) -> None:
        """Lets others hold it; the second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
