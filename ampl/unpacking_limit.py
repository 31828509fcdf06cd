"""How much a compressed file may unpack to: a file of a few kilobytes can ask for all memory there is."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ampl.errors import InvalidArgumentError, InvalidFileError

VARIABLE = "AMPL_UNPACK_LIMIT_GB"
_DEFAULT_GB = 2.0


def check_unpacked_size(path: Path, n_bytes: int) -> None:
    """Checks, before memory is taken, that what is to be read of a file is no more than its reader allows.

    Args:
        path: the file.
        n_bytes: what its arrays take in memory, as its headers say.

    Raises:
        InvalidFileError: they take more than the environment variable AMPL_UNPACK_LIMIT_GB says (2 if it is not set).
        InvalidArgumentError: the variable is set to something else than a number above 0.
    """
    limit = _limit_gb()
    if n_bytes > limit * 1e9:
        raise InvalidFileError(
            f"{path} unpacks to {n_bytes / 1e9:.3g} GB; expected at most {limit:g}. If that is meant, set the "
            f"environment variable {VARIABLE} to a larger number."
        )


def _limit_gb() -> float:
    text = os.environ.get(VARIABLE) or str(_DEFAULT_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not limit > 0.0:
        raise InvalidArgumentError(f"the environment variable {VARIABLE} is {text!r}; expected a number above 0.")
    return limit
