"""The algorithms that `--help` names: those of this project, and those that other packages add."""

from __future__ import annotations

from ampl.entry_points import ALGORITHMS, names


def installed_algorithms() -> str:
    """Names for people, the built-in ones first: "ampl, damo, mopo or bc"."""
    found = dict.fromkeys(name for key in names(ALGORITHMS) if (name := key.partition(".")[2]))
    *most, last = found or ["none is installed"]
    return f"{', '.join(most)} or {last}" if most else last
