"""How this program was called, in words that a shell takes."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_RESUME = "--resume"


def program() -> list[str]:
    """The words that start this program again: `ampl`, with its folder where PATH has another one; else Python's."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" or not os.access(called, os.X_OK):  # python -m ampl
        options = len(sys.argv) - 1
        return sys.orig_argv[: len(sys.orig_argv) - options]
    found = shutil.which(called.name)
    return [called.name if found and Path(found).resolve() == called.resolve() else str(called)]


def resume_command(arguments: Sequence[str]) -> str:
    """The command line that continues what `arguments` began, quoted for a shell."""
    if _RESUME not in arguments:
        arguments = [*arguments, _RESUME]
    return shlex.join([*program(), *arguments])
