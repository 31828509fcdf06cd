"""What installed packages announce through entry points: commands, problems, algorithms and others, loaded by name.

What is built in is announced in the same way, in `pyproject.toml`. Other packages add to it and never hide it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ampl.error_places import located_words
from ampl.errors import BrokenEntryPointError, UnknownNameError
from ampl.shadowed_packages import check_not_shadowed

logger = logging.getLogger(__name__)

DISTRIBUTION = "ampl-testbed"  # the package that announces what is built in

COMMANDS = "ampl.commands"  # name -> dataclass with `run(self) -> int`
PROBLEMS = "ampl.problems"  # name of the source -> `ampl.interfaces.ProblemSource`
ALGORITHMS = "ampl.algorithms"  # KIND.NAME, like finite.mopo -> `ampl.interfaces.AlgorithmFactory`
EXPERIMENTS = "ampl.experiments"  # name -> `ampl.experiments.Experiment`
FINITE_PROBLEMS = "ampl.finite_problems"  # name -> `ampl.finite_problem.FiniteProblemProvider`
CLAIMS = "ampl.claims"  # name -> list of `ampl.claims.claim.Claim`
CASES = "ampl.cases"  # kind, like finite -> `ampl.claims.cases.CaseSource`
DRAWINGS = "ampl.drawings"  # name -> `ampl.drawings.Drawing`
DEMOS = "ampl.demos"  # name -> callable (out: Path) -> rows of the demo's closing table

_KINDS = {
    COMMANDS: "command",
    PROBLEMS: "source of problems",
    ALGORITHMS: "algorithm",
    EXPERIMENTS: "experiment",
    CLAIMS: "list of claims",
    CASES: "kind of cases",
    DRAWINGS: "drawing",
    DEMOS: "demo",
    FINITE_PROBLEMS: "finite problem",
}


def announced(group: str) -> dict[str, EntryPoint]:
    """Every entry point of a group by name, without importing any: the built-in ones, then those of other packages.

    Both are sorted by name. A built-in name is not given away: a warning names the package that announces it, too.

    Raises:
        ShadowedPackageError: a file of the user's would be imported in place of a package.
    """
    found = {}
    for name, (first, *others) in _by_name(group).items():
        found[name] = first
        for other in others if is_built_in(first) else ():
            logger.warning(
                "the %s '%s' of %s is not used: %s has one of that name",
                _KINDS[group],
                name,
                package_of(other),
                package_of(first),
            )
    return found


def names(group: str) -> list[str]:
    """Every name that is announced in a group, in the order of `announced`, without its warnings."""
    return list(_by_name(group))


def load(group: str, name: str) -> Any:
    """Imports what is announced as `name`.

    Raises:
        UnknownNameError: nothing is; the message has the nearest name.
        BrokenEntryPointError: the import fails, or two packages other than ours announce it; the message names them.
    """
    entries = _by_name(group)
    if name not in entries:
        raise UnknownNameError(_KINDS[group], name, entries)
    return _load(group, entries[name])


def load_all(group: str) -> dict[str, Any]:
    """Imports everything in a group; what is broken is left out, and a warning says so."""
    loaded = {}
    for name, entries in _by_name(group).items():
        try:
            loaded[name] = _load(group, entries)
        except BrokenEntryPointError as error:
            logger.warning("%s", error)
    return loaded


def is_built_in(entry: EntryPoint) -> bool:
    """Whether this project announces it."""
    return entry.dist is not None and entry.dist.name == DISTRIBUTION


def package_of(entry: EntryPoint) -> str:
    """The name of the package that announces it."""
    return entry.dist.name if entry.dist else "an unknown package"


def _by_name(group: str) -> dict[str, list[EntryPoint]]:
    """All that announce a name, a built-in one first."""
    check_not_shadowed()
    found: dict[str, list[EntryPoint]] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (not is_built_in(entry), entry.name, entry.value)):
        found.setdefault(entry.name, []).append(entry)
    return found


def _load(group: str, entries: Sequence[EntryPoint]) -> Any:
    """The first, unless none is built in and there are several."""
    entry, package = entries[0], package_of(entries[0])
    if len(entries) > 1 and not is_built_in(entry):
        packages = " and ".join(sorted(map(package_of, entries)))
        raise BrokenEntryPointError(
            f"the {_KINDS[group]} '{entry.name}' is announced by {packages}. Uninstall all but one of them."
        )
    try:
        return entry.load()
    except Exception as error:  # any mistake in another package's module, at import
        raise BrokenEntryPointError(
            f"the {_KINDS[group]} '{entry.name}' of {package} cannot be loaded from {entry.value} "
            f"({located_words(error)}). "
            f"Install what is missing, or reinstall {package}."
        ) from error
