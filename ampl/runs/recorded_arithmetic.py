"""How runs were computed, as their manifests record it, so that they go on in the same way."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ampl.arithmetic import DEFAULT, Arithmetic, Precision
from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.files import read_json
from ampl.runs.manifest import recorded_sessions

logger = logging.getLogger(__name__)

_HINT = "Remove it to go on without it."


def choose_arithmetic(threads: int | None, precision: Precision | None, runs: Sequence[Path] = ()) -> Arithmetic:
    """What is asked for; where nothing is, what the runs were computed with so far; else the default.

    Args:
        threads: None: not asked for.
        precision: likewise.
        runs: directories of runs that go on; those that record nothing of it, or hold no run, do not count.

    Raises:
        InvalidArgumentError: a number of threads that cannot be, or runs that differ while an option is left open.
        InvalidFileError: a manifest that cannot be read.
    """
    before = _distinct(recorded_arithmetic(run) for run in runs)
    if len(before) > 1 and (threads is None or precision is None):
        raise InvalidArgumentError(
            f"the runs to be resumed were computed with {_listed(before)}; say --threads and --precision, or resume "
            "each alone."
        )
    return (before[0] if before else DEFAULT).changed(threads, precision)


def tell_arithmetic(before: Iterable[Arithmetic | None], now: Arithmetic | None) -> None:
    """Says in a line that runs go on as they were computed, if that is not the default, and warns if they do not."""
    known = _distinct(before)
    if not known or now is None or known == [DEFAULT] == [now]:
        return
    if known == [now]:
        logger.info("goes on with %s, as recorded.", now)
    else:
        logger.warning("computed with %s so far, from now on with %s: the last bits will differ.", _listed(known), now)


def recorded_arithmetic(run: Path) -> Arithmetic | None:
    """What the last session of a run was computed with; None where no manifest says it.

    Raises:
        InvalidFileError: a manifest that cannot be read.
    """
    path = run / "manifest.json"
    return last_arithmetic(read_json(path, _HINT), path) if path.exists() else None


def last_arithmetic(manifest: Any, path: Path) -> Arithmetic | None:
    """The same from what stands in a manifest, whose path is for the message.  Raises InvalidFileError."""
    names = list(asdict(DEFAULT))
    sessions = [each for each in recorded_sessions(manifest) if any(name in each for name in names)]
    if not sessions:
        return None
    try:
        return Arithmetic(**{name: sessions[-1][name] for name in names})
    except (InvalidArgumentError, KeyError, TypeError) as error:
        raise InvalidFileError(f"{path}: its threads and precision cannot be used ({error}). {_HINT}") from error


def _distinct(found: Iterable[Arithmetic | None]) -> list[Arithmetic]:
    return list(dict.fromkeys(one for one in found if one is not None))


def _listed(found: Iterable[Arithmetic]) -> str:
    return " / ".join(map(str, found))
