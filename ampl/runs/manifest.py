"""Where a result comes from: versions of the packages, the commit, the device, the data and the command.

And what it has cost so far, in time and memory.
"""

from __future__ import annotations

import platform
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from ampl.command_line.program import program
from ampl.entry_points import DISTRIBUTION
from ampl.errors import InvalidFileError
from ampl.files import read_json

_GIT_SECONDS = 10  # a git that hangs (a network drive) must not hold up a run
NO_COUNTS: Mapping[str, Any] = {"wall_time_seconds": 0.0, "peak_memory_mib": 0}


def describe_session(device: str, dataset_sha256: str | None) -> dict[str, Any]:
    """What stands in manifest.json about this process, as JSON values.

    Args:
        device: "cpu", or the name of the GPU.
        dataset_sha256: checksum of the dataset file; None where the data is not a file.
    """
    return {
        "versions": versions(),
        "git": git_state(),
        "platform": platform.platform(),
        "device": device,
        "dataset_sha256": dataset_sha256,
        "command": _command(),
    }


def recorded_counts(path: Path) -> dict[str, Any]:
    """A manifest whose counts, those of `NO_COUNTS`, can be gone on with.  Raises InvalidFileError."""
    hint = "Remove it to go on without it."
    found = read_json(path, hint)
    counts = dict(NO_COUNTS) | (found if isinstance(found, dict) else {})
    numbers = all(isinstance(counts[name], int | float) for name in NO_COUNTS)
    if not isinstance(found, dict) or not numbers or not isinstance(found.get("sessions", []), list | int):
        raise InvalidFileError(f"{path} is not the manifest of a run. {hint}")
    return counts


def recorded_sessions(manifest: Any) -> list[dict[str, Any]]:
    """How each session that trained the run did so, oldest first; empty where a manifest does not say it.

    Each has "first_epoch", "git" and "device", and "threads" and "precision" where they are the algorithm's to choose.
    A manifest of before 28 November 2026 counts its sessions and keeps threads and precision under "arithmetic".
    """
    found = manifest if isinstance(manifest, dict) else {}
    sessions = found.get("sessions")
    sessions = sessions if isinstance(sessions, list) else found.get("arithmetic")
    return [each for each in sessions if isinstance(each, dict)] if isinstance(sessions, list) else []


def peak_memory_mib() -> int:
    """The most memory that this process has had so far; all stacked seeds are one process."""
    units = 2**20 if sys.platform == "darwin" else 2**10  # bytes, or KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units)


def _command() -> str:
    """The command line of this process, without the folder of the program."""
    first, *more = program()
    return shlex.join([Path(first).name, *more, *sys.argv[1:]])


def versions() -> dict[str, str]:
    """Versions of Python, of this project and of every installed package that it depends on."""
    found = {"python": platform.python_version()}
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        required = []
    for requirement in [DISTRIBUTION, *required]:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and whether it has changes; None if it is not a checkout."""
    source = Path(__file__)
    if _git("ls-files", "--error-unmatch", source.name) is None:
        return None
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain")
    return None if commit is None else {"commit": commit, "dirty": bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
