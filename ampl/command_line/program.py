"""How this program was called, in words that a shell takes."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def program() -> list[str]:
    """The words that start this program again: `ampl`, with its folder where PATH has another one; else Python's."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" or not os.access(called, os.X_OK):  # python -m ampl
        options = len(sys.argv) - 1
        return sys.orig_argv[: len(sys.orig_argv) - options]
    found = shutil.which(called.name)
    return [called.name if found and Path(found).resolve() == called.resolve() else str(called)]


def command_with(arguments: Sequence[str], options: Sequence[str]) -> str:
    """The command line of `arguments` with these options, where it has them not yet, quoted for a shell."""
    words = [*program(), *arguments, *(option for option in options if option not in arguments)]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word for a shell, on one line: what cannot be printed, such as a line break, as bash and zsh write it."""
    if word.isprintable():
        return shlex.quote(word)
    plain = set(range(ord(" "), ord("~") + 1)) - set(b"'\\")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"
