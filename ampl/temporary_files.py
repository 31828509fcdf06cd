"""Temporary files beside their targets, and how those of a killed process are found and removed.

A temporary file of NAME is called `.NAME.xxxxxxxx`. It is locked as long as it is used, so one that nobody holds was
left by a process that was killed. Where files cannot be locked, nothing is removed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from ampl.file_lock import lock

LONGEST_NAME = 245  # bytes of a target's name: file systems allow 255, and ten are added here
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}", re.DOTALL)


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """An empty file in the folder of `target`; removed in the end unless it was renamed.  Raises OSError."""
    descriptor, path = _locked_file(target)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def remove_leftovers(folder: Path, targets: str) -> None:
    """Removes what killed processes left of temporary files.

    Args:
        folder: where to look; it may be missing.
        targets: a pattern of the names that the files were to have in the end ("*.json").
    """
    with suppress(OSError):  # what cannot be removed stays: it is only in the way of people
        for entry in list(os.scandir(folder)):
            match = _TEMPORARY.fullmatch(entry.name)
            if match and fnmatchcase(match[1], targets) and entry.is_file(follow_symlinks=False):
                _remove_unless_used(entry.path)


def _locked_file(target: Path) -> tuple[int | None, Path]:
    """A new file, and the descriptor that holds its lock, if there are locks."""
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask, as any new file
        except FileExistsError:
            continue
        is_ours = lock(descriptor)
        if is_ours and os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)
        if is_ours is None:
            return None, path
        # Another process took it for a leftover before it was locked: make another one.


def _remove_unless_used(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        if lock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)
