"""How a run is computed where that shows in the last bits: never by the machine's load, recorded, taken up again.

The same seed gives the same bytes on the same type of processor with the same number of threads and the same precision.
Another number of threads adds in another order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.files import read_json

logger = logging.getLogger(__name__)

Precision = Literal["highest", "high", "medium"]  # of float32 products, in PyTorch's words
_HINT = "Remove it to go on without it."
MOST_THREADS = 1024  # with more the libraries crash


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """What the bytes of a run depend on, besides its seed and the type of its processor.

    Attributes:
        threads: that share a product on a CPU, 1 to `MOST_THREADS`. One by default: products are small, and processes
            beside each other gain more from cores than threads do.
        precision: "highest" is plain float32. "high" is TF32 on a GPU: ten bits of a factor's fraction instead of 23.
            "medium" may be bfloat16, with seven; on a CPU it is computed by oneDNN, in plain float32 where the
            processor has no bfloat16. `ampl bench` says what it is worth on a machine.

    Raises:
        InvalidArgumentError: another number or name; in the words of the command line.
    """

    threads: int = 1
    precision: Precision = "highest"

    def __post_init__(self) -> None:
        """Checks both."""
        if not (isinstance(self.threads, int) and 1 <= self.threads <= MOST_THREADS):
            raise InvalidArgumentError(f"--threads is {self.threads}; expected 1 to {MOST_THREADS}, one a core.")
        if self.precision not in get_args(Precision):
            names = ", ".join(get_args(Precision))
            raise InvalidArgumentError(f"--precision is {self.precision!r}; expected one of {names}.")

    def changed(self, threads: int | None, precision: Precision | None) -> Arithmetic:
        """The same with what is not None instead.  Raises InvalidArgumentError."""
        return Arithmetic(
            threads=self.threads if threads is None else threads,
            precision=self.precision if precision is None else precision,
        )

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads} and precision '{self.precision}'"


DEFAULT = Arithmetic()


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
    sessions = recorded_sessions(manifest)
    if not sessions:
        return None
    try:
        return Arithmetic(**{name: sessions[-1][name] for name in asdict(DEFAULT)})
    except (InvalidArgumentError, KeyError, TypeError) as error:
        raise InvalidFileError(f"{path}: 'arithmetic' cannot be used ({error}). {_HINT}") from error


def recorded_sessions(manifest: Any) -> list[dict[str, Any]]:
    """How each session was computed, as a manifest has it; empty where it does not say it."""
    sessions = manifest.get("arithmetic", []) if isinstance(manifest, dict) else []
    return [session for session in sessions if isinstance(session, dict)] if isinstance(sessions, list) else []


def _distinct(found: Iterable[Arithmetic | None]) -> list[Arithmetic]:
    return list(dict.fromkeys(one for one in found if one is not None))


def _listed(found: Iterable[Arithmetic]) -> str:
    return " / ".join(map(str, found))
