"""Where an error of someone else's code was raised, for messages of one line."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

from ampl.errors import error_words

_HERE = Path(__file__).parents[1]
_OURS = tuple(f"{_HERE / package}{os.sep}" for package in ("ampl", "tabular", "continuous", "figures"))


def located_words(error: BaseException) -> str:
    """The error's type, the beginning of what it says, and the file and line where it was raised, where one is known.

    That is the innermost line of code that is neither Python's, nor ours, nor an installed package's; where there is
    none, the innermost of an installed package.

    Args:
        error: as it was caught, by the function that calls this one.
    """
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is who caught it
    ranked = [(_rank(frame.filename), index) for index, frame in enumerate(frames)]
    rank, index = max(ranked, default=(0, 0))
    if rank == 0 or isinstance(error, SyntaxError):  # which says itself where it is
        return error_words(error)
    return f"{error_words(error)}; {frames[index].filename}, line {frames[index].lineno}"


def _rank(filename: str) -> int:
    """2 for a user's own file, 1 for an installed package's, 0 for others and for code without a file."""
    if not os.path.isfile(filename) or filename.startswith(_OURS):
        return 0
    if filename.startswith((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))):
        return 1
    return 0 if filename.startswith(sysconfig.get_path("stdlib")) else 2
