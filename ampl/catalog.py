"""What can be trained: the tasks, algorithms and variants of all wings, looked up by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ampl.entry_points import WINGS, load_all
from ampl.errors import InvalidArgumentError, MissingPackageError, UnknownNameError
from ampl.interfaces import Wing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An algorithm on a task: the wing that trains it, and the variant that was asked for or is the default."""

    wing: Wing
    variant: str


def installed_wings() -> Mapping[str, Wing]:
    """Every wing that can be imported and answers to `Wing`, by name, the built-in ones first.

    A warning names those that do not.
    """
    wings: dict[str, Wing] = {}
    for name, wing in load_all(WINGS).items():
        if isinstance(wing, Wing) and not isinstance(wing, type):
            wings[name] = wing
        else:
            logger.warning(
                "the wing '%s' is a %s; expected an object with what interfaces.Wing has",
                name,
                type(wing).__name__,
            )
    return wings


def wings_with(wings: Mapping[str, Wing], task: str) -> list[Wing]:
    """Those that have the task, the built-in ones first.

    Raises:
        MissingPackageError: no wing is installed.
        UnknownNameError: no wing knows the task; with the nearest name of all wings.
    """
    if not wings:
        raise MissingPackageError("no wing can be loaded, so there is nothing to train. Reinstall ampl-testbed.")
    found = [wing for wing in wings.values() if task in wing.tasks()]
    if not found:
        raise UnknownNameError("task", task, {name for wing in wings.values() for name in wing.tasks()})
    return found


def variants_of(wings: Iterable[Wing]) -> dict[str, list[str]]:
    """Every algorithm with its variants, of all wings together; the first of them is the default."""
    found: dict[str, list[str]] = {}
    for wing in wings:
        for algorithm, variants in wing.algorithms().items():
            known = found.setdefault(algorithm, [])
            known += [variant for variant in variants if variant not in known]
    return found


def choose(wings: Mapping[str, Wing], algorithm: str, task: str, variant: str | None) -> Choice:
    """Finds the first wing that has the task and, on it, the algorithm and the variant; a later one only adds to it.

    Args:
        wings: from `installed_wings`.
        algorithm: a name.
        task: likewise.
        variant: likewise; None: the algorithm's default.

    Raises:
        MissingPackageError: no wing is installed.
        UnknownNameError: no wing knows the task, the algorithm or the variant; with the nearest name of all wings.
        InvalidArgumentError: the algorithm is known, but not for this task.
    """
    here = wings_with(wings, task)
    known = variants_of(here)
    if algorithm not in known:
        everywhere = variants_of(wings.values())
        if algorithm not in everywhere:
            raise UnknownNameError("algorithm", algorithm, everywhere)
        available = ", ".join(sorted(known))
        raise InvalidArgumentError(
            f"algorithm '{algorithm}' does not run on task '{task}'; available there: {available}."
        )
    chosen = known[algorithm][0] if variant is None else variant
    if chosen not in known[algorithm]:
        raise UnknownNameError(f"variant of {algorithm}", chosen, known[algorithm])
    wing = next(wing for wing in here if chosen in wing.algorithms().get(algorithm, ()))
    return Choice(wing=wing, variant=chosen)


def parse_seeds(text: str) -> list[int]:
    """Seeds from "0,1,2".

    Raises:
        InvalidArgumentError: not a list of integers >= 0, or one of them twice.
    """
    expected = "expected integers >= 0 with commas between them, like 0,1,2"
    seeds = []
    for part in text.split(","):
        if not (part.strip().isascii() and part.strip().isdigit()):
            raise InvalidArgumentError(f"--seeds is '{text}', and '{part.strip()}' is not a seed; {expected}.")
        seeds.append(int(part))
    for index, seed in enumerate(seeds):
        if seed in seeds[:index]:
            raise InvalidArgumentError(f"--seeds is '{text}', with {seed} twice; {expected}.")
    return seeds
