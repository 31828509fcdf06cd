"""What installed packages announce through entry points: commands, wings and experiments, loaded by name."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ampl.errors import BrokenEntryPointError, UnknownNameError
from ampl.shadowed_packages import check_not_shadowed

logger = logging.getLogger(__name__)

DISTRIBUTION = "ampl-testbed"  # the package that announces what is built in

COMMANDS = "ampl.commands"  # name -> dataclass with `run(self) -> int`
WINGS = "ampl.wings"  # name -> object that implements `ampl.interfaces.Wing`
EXPERIMENTS = "ampl.experiments"  # name -> `ampl.experiments.Experiment`
FINITE_PROBLEMS = "ampl.finite_problems"  # name -> `ampl.finite_problem.FiniteProblemProvider`
DRAWINGS = "ampl.drawings"  # name -> `ampl.drawings.Drawing`
DEMOS = "ampl.demos"  # name -> callable (out: Path) -> rows of the demo's closing table

_KINDS = {
    COMMANDS: "command",
    WINGS: "wing",
    EXPERIMENTS: "experiment",
    DRAWINGS: "drawing",
    DEMOS: "demo",
    FINITE_PROBLEMS: "finite problem",
}


def announced(group: str) -> dict[str, EntryPoint]:
    """Every entry point of a group by name, without importing any: the built-in ones, then those of other packages.

    Both are sorted by name. A name that is taken is not given away: a warning names the package that announces it, too.

    Raises:
        ShadowedPackageError: a file of the user's would be imported in place of a package.
    """
    check_not_shadowed()
    entries = list(entry_points(group=group))
    ours = {dist for dist in {entry.dist for entry in entries} if dist is not None and dist.name == DISTRIBUTION}
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entries, key=lambda entry: (entry.dist not in ours, entry.name)):
        first = found.setdefault(entry.name, entry)
        if first is not entry:
            logger.warning(
                "the %s '%s' of %s is not used: %s has one of that name",
                _KINDS[group],
                entry.name,
                _package(entry),
                _package(first),
            )
    return found


def load(group: str, name: str) -> Any:
    """Imports what is announced as `name`.

    Raises:
        UnknownNameError: nothing is; the message has the nearest name.
        BrokenEntryPointError: the import fails; the message names the distribution.
    """
    entries = announced(group)
    if name not in entries:
        raise UnknownNameError(_KINDS[group], name, entries)
    return _load(group, entries[name])


def load_all(group: str) -> dict[str, Any]:
    """Imports everything in a group; what is broken is left out, and a warning says so."""
    loaded = {}
    for name, entry in announced(group).items():
        try:
            loaded[name] = _load(group, entry)
        except BrokenEntryPointError as error:
            logger.warning("%s", error)
    return loaded


def _load(group: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # any mistake in another package's module, at import
        package = _package(entry)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BrokenEntryPointError(
            f"the {_KINDS[group]} '{entry.name}' of {package} cannot be loaded from {entry.value} ({reason}). "
            f"Install what is missing, or reinstall {package}."
        ) from error


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unknown package"
