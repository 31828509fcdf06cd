"""One sweep at a time in a folder, or the parts of one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from ampl.errors import ExistingRunError
from ampl.file_lock import FolderLock, is_held
from ampl.sweeps.plan import Job

_PATIENCE = 2.0  # seconds in which a part that has just begun says of which sweep it is


def lock_sweep(folder: Path, part: int, parts: int, plan: Sequence[Job]) -> FolderLock:
    """A lock on a part of a sweep, which says of which sweep it is.

    Args:
        folder: of all runs.
        part: 1 to `parts`.
        parts: into how many the sweep is divided.
        plan: all its jobs.

    Raises:
        ExistingRunError: the part is under way already, or another sweep is.
        InvalidFileError: the folder cannot be written to.
    """
    words = "\n".join(" ".join(job.arguments) for job in plan)
    name, mark = f".sweep-{part}-of-{parts}.lock", hashlib.sha256(f"{parts} {words}".encode()).hexdigest()
    lock = FolderLock(folder, name)
    try:
        (folder / name).write_text(mark)
        for other in sorted(folder.glob(".sweep-*-of-*.lock")):
            if other.name != name and _is_of_another(other, mark):
                raise ExistingRunError(
                    f"another sweep is under way in {folder}. Wait for it, or choose another --out; parts of one sweep "
                    "have the same file and the same N in --worker I/N."
                )
    except BaseException:
        lock.release()
        raise
    return lock


def _is_of_another(path: Path, mark: str) -> bool:
    """Whether a lock is held by a part of another sweep; one that has just begun may not have said so yet."""
    deadline = time.monotonic() + _PATIENCE
    while different := path.read_text() != mark and is_held(path):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return different
