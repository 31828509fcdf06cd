"""From a command's dataclass and its arguments to an instance; a mistake in the arguments becomes one line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

from ampl.errors import InvalidArgumentError

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_RULES = "╰╯─- "  # tyro's frame, on a terminal that knows these characters and on one that does not
_HELP_INDENT = 9  # of an option's help text inside tyro's frame; the option itself is indented less


def parse(command: type, arguments: Sequence[str], prog: str) -> Any:
    """The command with its fields set from the arguments; `--help` prints and exits.

    Raises:
        InvalidArgumentError: the arguments do not fit; one line, with where to look.
        SystemExit: after `--help`.
    """
    import tyro

    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(command, args=list(arguments), prog=prog, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if not stop.code:
            raise
    raise InvalidArgumentError(f"{_one_line(messages.getvalue())} See `{prog} --help`.")


def summary(command: type) -> str:
    """The first line of a command's docstring."""
    return (command.__doc__ or "").strip().partition("\n")[0]


def _one_line(message: str) -> str:
    """The text inside tyro's frame, joined: what is wrong, and the nearest option, without their help texts."""
    sections = [""]
    for line in _COLOR.sub("", message).splitlines()[1:]:  # the first line is the frame's title
        inside = line.strip("│").rstrip()
        if not inside.strip(_RULES):
            sections.append("")
        elif len(inside) - len(inside.lstrip()) < _HELP_INDENT:
            sections[-1] += f" {inside.strip()}"
    sections = [section for section in sections if section]
    mistake = sections[0].partition("Got errors:")[0].strip()  # a line for each type of a union says no more
    near = next((f";{section}" for section in sections if "Perhaps you meant" in section), "")
    text = f"{mistake}{near}".replace("{None}|", "")
    return text if text.endswith((".", "?")) else f"{text}."
