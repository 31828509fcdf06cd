"""Every mistake a user can make, one class each; the command line prints the message as one line and exits with code 2.

A message says what is wrong, where, what was expected and how to mend it.
"""

from __future__ import annotations

import copyreg
import operator
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_MOST_LETTERS = 300  # of what an error of someone else's code says
_MANY_NAMES = 24  # of more a message shows the nearest


class AmplError(Exception):
    """Base of all user errors: caught at the command line, never shown with a traceback."""


class InvalidShapeError(AmplError):
    """Two arrays disagree about the number of states, actions or rows."""


class InvalidDistributionError(AmplError):
    """Something that should be a probability distribution is negative, not finite, or does not sum to one."""


class InvalidDiscountError(AmplError):
    """A discount outside [0, 1)."""


class InvalidRewardError(AmplError):
    """A reward that is not finite or exceeds its stated bound."""


class InvalidArgumentError(AmplError):
    """A number or option outside its allowed range."""


class UncoveredPairsError(AmplError):
    """The policy visits state-action pairs that the behavior policy never visits: the weights do not exist."""


class AbsoluteContinuityError(AmplError):
    """A divergence is infinite because p puts mass where q has none."""


class NotConvergedError(AmplError):
    """A solver stopped before it met its tolerance."""


class InvalidFileError(AmplError):
    """A file that is missing, unreadable, or not of the expected format."""


class ForeignFileError(AmplError):
    """An output path is taken by a file or folder that this program did not write."""


class MissingPackageError(AmplError):
    """An optional package is needed and not installed."""


class BrokenEntryPointError(AmplError):
    """What an installed package announces cannot be imported, is not what it must be, or is announced by two."""


class ShadowedPackageError(AmplError):
    """A file of the user's has the name of a package of ours, or of one we need, and would be imported in its place."""


class ExistingRunError(AmplError):
    """A run directory is already taken: by a run that was not asked to resume, or by another configuration."""


class DivergedError(AmplError):
    """Every seed of a training run produced a metric that is not finite."""


class LostWorkerError(AmplError):
    """A worker process ended before its task did."""


class UnknownNameError(AmplError):
    """A name that is not in a registry; the message has the nearest match and the valid names.

    Of many names it has those that contain the one asked for, or else the nearest ten. Capitals make no difference.

    Args:
        kind: what it would name.
        name: it.
        valid: the names that there are.
        also: other forms of them, which may be the nearest.
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str], also: Iterable[str] = ()) -> None:
        name, names = str(name), sorted(valid)  # from Python, it may be anything
        lowered = {each.lower(): each for each in (*also, *names)}
        shown, more, cutoff = names, "", 0.4
        if len(names) > _MANY_NAMES:
            within = [each for each in names if name and name.lower() in each.lower()][:_MANY_NAMES]
            shown = within or sorted(get_close_matches(name, names, n=10, cutoff=0.0))
            cutoff = 0.8 if len(within) > 1 else cutoff  # of a whole family's name none is nearer than the others
            more = f" and {len(names) - len(shown)} others"
        near = get_close_matches(name.lower(), lowered, n=1, cutoff=cutoff)
        hint = f" Did you mean '{lowered[near[0]]}'?" if near else ""
        between = "; " if any("," in each for each in shown) else ", "
        super().__init__(f"unknown {kind} '{name}'.{hint} Valid: {between.join(shown)}{more}.")

    def __reduce__(self) -> Any:
        """For `pickle`, which would otherwise give the message to `__init__`."""
        return copyreg.__newobj__, (type(self), *self.args)  # type: ignore[attr-defined]


def check_fraction(name: str, value: float) -> None:
    """Raises InvalidArgumentError unless 0 <= value <= 1."""
    if not 0.0 <= value <= 1.0:
        raise InvalidArgumentError(f"{name} is {value!r}; expected a number in [0, 1].")


def check_at_least(name: str, value: float, least: float, hint: str = "") -> None:
    """Raises InvalidArgumentError unless value >= least (NaN fails, and what is no number)."""
    if not hasattr(value, "__float__") or not value >= least:
        raise InvalidArgumentError(f"{name} is {value!r}; expected at least {least:g}. {hint}".rstrip())


def check_positive(name: str, value: float, hint: str = "") -> None:
    """Raises InvalidArgumentError unless value > 0 (NaN fails)."""
    if not value > 0.0:
        raise InvalidArgumentError(f"{name} is {value!r}; expected more than 0. {hint}".rstrip())


def check_one_of(name: str, value: object, valid: Sequence[str]) -> None:
    """Raises InvalidArgumentError unless the value is one of these names."""
    if value not in valid:
        raise InvalidArgumentError(f"{name} is {value!r}; expected one of {', '.join(valid)}.")


def optional_counts(given: Mapping[str, Any]) -> dict[str, int | None]:
    """Counts of any integer type as Python's; InvalidArgumentError for what is neither None nor an integer."""
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__")):
            raise InvalidArgumentError(f"{name} is {value!r}; expected an integer, or None.")
    return {name: None if value is None else operator.index(value) for name, value in given.items()}


def error_words(error: BaseException) -> str:
    """An error of someone else's code for a message: its type, and the beginning of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_LETTERS]}"


def missing_file(path: Path, hint: str) -> InvalidFileError:
    """The error for a file that is not there, with how to get it."""
    return InvalidFileError(f"{path} does not exist. {hint}")
