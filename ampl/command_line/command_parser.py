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
_KINDS = {"INT": ("an integer", "integers"), "FLOAT": ("a number", "numbers")}
_COUNTS = {1: "one", 2: "two", 3: "three"}
_WRONG_TYPE = re.compile(r"Error parsing (\S+): no type matching \{?([A-Z ]+)\}? could be instantiated from \[(.*)\]")
_NO_NUMBER = re.compile(
    r"Error parsing (\S+): (?:invalid literal for|could not convert string to) (int|float).*: ('.*')"
)
_NO_CHOICE = re.compile(r"invalid choice ('.*') for argument '(\S+)'\. Expected one of \((.*)\)")
_NO_VALUE = re.compile(r"Missing value for argument '(\S+)'\. Expected (\d+) values")
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
    text = _in_our_words(f"{mistake}{near}".replace("{None}|", ""))
    return text if text.endswith((".", "?")) else f"{text}."


def _in_our_words(mistake: str) -> str:
    """What tyro says of the value of an option, as this program's other messages would; anything else stays."""
    if found := _WRONG_TYPE.search(mistake):
        option, kinds, given = found.groups()
        return f"{option} {_values(given)}; expected {_expected(kinds.split())}."
    if found := _NO_NUMBER.search(mistake):
        option, kind, given = found.groups()
        return f"{option} {_values(given)}; expected {_expected([kind.upper()])}."
    if found := _NO_CHOICE.search(mistake):
        given, option, choices = found.groups()
        names = sorted(set(re.findall(r"'(.*?)'", choices)) - {"None"})  # tyro's order may differ from time to time
        return f"{option} {_values(given)}; expected one of {', '.join(names)}."
    if found := _NO_VALUE.search(mistake):
        option, count = found[1], int(found[2])
        return f"{option} has no value; expected {_COUNTS.get(count, count)}."
    return mistake


def _values(given: str) -> str:
    return f"is {given}" if given else "has no value"


def _expected(kinds: Sequence[str]) -> str:
    """Of "INT" and "FLOAT", in words: "an integer", "two numbers"; other types as tyro names them."""
    if len(set(kinds)) > 1 or kinds[0] not in _KINDS:
        return " ".join(kinds)
    one, several = _KINDS[kinds[0]]
    return one if len(kinds) == 1 else f"{_COUNTS.get(len(kinds), len(kinds))} {several}"
