"""What can be trained: the tasks, algorithms and variants of all wings, looked up by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
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
    """Every wing that can be imported and answers to `Wing`, by name; a warning names those that do not."""
    wings: dict[str, Wing] = {}
    for name, wing in load_all(WINGS).items():
        if isinstance(wing, Wing) and not isinstance(wing, type):
            wings[name] = wing
        else:
            logger.warning(
                "the wing '%s' is a %s; expected an object with the methods of Wing", name, type(wing).__name__
            )
    return wings


def choose(wings: Mapping[str, Wing], algorithm: str, task: str, variant: str | None) -> Choice:
    """Finds the wing that has the task.

    Raises:
        MissingPackageError: no wing is installed.
        UnknownNameError: no wing knows the task, the algorithm or the variant; with the nearest name of all wings.
        InvalidArgumentError: the algorithm is known, but not for this task.
    """
    if not wings:
        raise MissingPackageError("no wing can be loaded, so there is nothing to train. Reinstall ampl-testbed.")
    wing = next((wing for wing in wings.values() if task in wing.tasks()), None)
    if wing is None:
        raise UnknownNameError("task", task, [name for wing in wings.values() for name in wing.tasks()])
    known = {name for other in wings.values() for name in other.algorithms()}
    if algorithm not in known:
        raise UnknownNameError("algorithm", algorithm, known)
    if algorithm not in wing.algorithms():
        available = ", ".join(sorted(wing.algorithms()))
        raise InvalidArgumentError(
            f"algorithm '{algorithm}' does not run on task '{task}'; available there: {available}."
        )
    variants: Sequence[str] = wing.algorithms()[algorithm]
    if variant is not None and variant not in variants:
        raise UnknownNameError(f"variant of {algorithm}", variant, variants)
    return Choice(wing=wing, variant=variants[0] if variant is None else variant)


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
