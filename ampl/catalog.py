"""What installed packages let one train: problems by name, algorithms by name and kind of problem."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, get_args

from ampl.arithmetic import Arithmetic
from ampl.entry_points import ALGORITHMS, PROBLEMS, announced, is_built_in, load, load_all, package_of
from ampl.errors import (
    BrokenEntryPointError,
    InvalidArgumentError,
    InvalidFileError,
    MissingPackageError,
    UnknownNameError,
    error_words,
)
from ampl.interfaces import Algorithm, AlgorithmFactory, OpensData, ProblemKind, ProblemSource
from ampl.own_data import GivenData
from ampl.scale import Scale

logger = logging.getLogger(__name__)

_SEEDS = re.compile(r"(?P<first>[0-9]+)(?:\s*-\s*(?P<last>[0-9]+))?")
_MOST_SEEDS = 10_000  # in one range


@dataclass(frozen=True, kw_only=True)
class OwnProblem:
    """A problem on data of the user's own, which has no name in the catalog.

    Attributes:
        source: what made it.
        name: of the task.
        problem: see `ProblemSource.load`.
        record: for config.json, see `OpensData.open_data`.
    """

    source: OpensData
    name: str
    problem: Any
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A variant of an algorithm on a task."""

    source: ProblemSource
    task: str
    algorithm: str
    factory: AlgorithmFactory
    variant: str
    own: OwnProblem | None = None

    @cached_property
    def problem(self) -> Any:
        """What the algorithm is built on, see `ProblemSource.load`."""
        return self.source.load(self.task) if self.own is None else self.own.problem

    def settings(self, variant: str | None = None) -> Any:
        """Every setting of the variant, or of another one, as published."""
        return self.factory.settings(self.problem, variant or self.variant)

    def default_epochs(self) -> int:
        """Of a full run."""
        return self.factory.default_epochs(self.problem, self.variant)

    def build(self, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic) -> Algorithm:
        """The algorithm, ready for its first fit; see `AlgorithmFactory.build`.

        Raises:
            BrokenEntryPointError: it has another name than the one it is announced by.
        """
        built = self.factory.build(self.problem, self.variant, seeds, device, scale, arithmetic)
        if built.name != self.algorithm:
            raise BrokenEntryPointError(
                f"the algorithm '{self.source.kind}.{self.algorithm}' calls itself '{built.name}'; "
                "expected the name that it is announced by."
            )
        return built


def choose(algorithm: str, task: str | OwnProblem, variant: str | None) -> Choice:
    """Finds the task, the algorithm for its kind of problem, and the variant; None: the algorithm's default.

    Raises:
        MissingPackageError: no problem is installed.
        UnknownNameError: no such task, algorithm or variant; with the nearest name.
        InvalidArgumentError: the algorithm is for another kind of problem.
        BrokenEntryPointError: its package announces something else, or two packages announce it.
    """
    own = task if isinstance(task, OwnProblem) else None
    source, name = (find_source(task), task) if isinstance(task, str) else (task.source, task.name)
    names = algorithm_names()
    if algorithm not in names[source.kind]:
        if not any(algorithm in others for others in names.values()):
            raise UnknownNameError("algorithm", algorithm, {name for others in names.values() for name in others})
        available = ", ".join(sorted(names[source.kind]))
        raise InvalidArgumentError(
            f"algorithm '{algorithm}' does not run on task '{name}'; available there: {available}."
        )
    factory = find_algorithm(algorithm, source.kind)
    chosen = next(iter(factory.variants)) if variant is None else variant
    if chosen not in factory.variants:
        raise UnknownNameError(f"variant of {algorithm}", chosen, factory.variants)
    return Choice(source=source, task=name, algorithm=algorithm, factory=factory, variant=chosen, own=own)


def open_data(given: GivenData) -> OwnProblem:
    """A problem on data of the user's own.

    Raises:
        MissingPackageError: no package that is installed makes any.
        AmplError: the data, the environment and what is said of them do not fit.
    """
    sources = problem_sources()
    taken = any(_has(source, given.name) for source in sources.values())
    name = f"own-{given.name}" if taken else given.name
    source = _opener(sources, given.data)
    problem, record = source.open_data(given, name)
    return OwnProblem(source=source, name=name, problem=problem, record=record)


def recorded_task(config: Mapping[str, Any], data: str | PathLike[str] | None = None) -> str | OwnProblem:
    """The task that the config.json of a run names, for `choose`.

    Args:
        config: with the key "problem" where the run had data of the user's own.
        data: where that data is now; None: where it was.

    Raises:
        InvalidArgumentError: `data` is given for a run on a task of the catalog, or is no path.
        InvalidFileError: the record of the problem is damaged.
    """
    if not isinstance(data, str | PathLike | None):
        raise InvalidArgumentError(f"data is {data!r}; expected a file, or None.")
    name, record = config["task"], config.get("problem")
    if record is None:
        if data is not None:
            raise InvalidArgumentError(f"--data is given; the run is on the task {name}. Leave it out.")
        return str(name)
    try:
        source = _opener(problem_sources(), str(record["data"]))
        record = {**record} if data is None else {**record, "data": str(data)}
        return OwnProblem(source=source, name=name, problem=source.recall(record, name), record=record)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFileError(
            f"the record 'problem' in the run's config.json cannot be used ({error_words(error)}). Use the "
            "version whose commit is in its manifest.json."
        ) from error


def _opener(sources: Mapping[str, ProblemSource], data: str) -> OpensData:
    for source in sources.values():
        if isinstance(source, OpensData) and source.opens(data):
            return source
    raise MissingPackageError(f"no package that is installed takes data like {data}. Reinstall ampl-testbed.")


def find_source(task: str) -> ProblemSource:
    """Where a task comes from; a built-in one before those of other packages.

    Raises:
        MissingPackageError: no problem is installed.
        UnknownNameError: no such task; with the nearest name.
        BrokenEntryPointError: two packages other than ours have it.
    """
    sources = problem_sources()
    if not sources:
        raise MissingPackageError("no problem can be loaded, so there is nothing to train. Reinstall ampl-testbed.")
    having = [name for name, source in sources.items() if _has(source, task)]
    if not having:
        raise UnknownNameError("task", task, {name for source in sources.values() for name in source.names()})
    first, *others = (announced(PROBLEMS)[name] for name in having)
    if others and not is_built_in(first):
        packages = " and ".join(map(package_of, (first, *others)))
        raise BrokenEntryPointError(f"the task '{task}' is announced by {packages}. Uninstall all but one of them.")
    for other in others:
        logger.warning("the task '%s' of %s is not used: %s has one", task, package_of(other), package_of(first))
    return sources[having[0]]


def _has(source: ProblemSource, task: str) -> bool:
    """Whether a source lists a task, or says that it finds it: of a family with a name for every size."""
    finds: Callable[[str], bool] | None = getattr(source, "finds", None)
    return task in source.names() or (finds is not None and finds(task))


def problem_sources() -> Mapping[str, ProblemSource]:
    """Every source of problems by name, the built-in ones first; a warning names those that cannot be loaded."""
    sources = {}
    for name, source in load_all(PROBLEMS).items():
        try:
            sources[name] = _checked(source, ProblemSource, f"the source of problems '{name}'")
        except BrokenEntryPointError as error:
            logger.warning("%s", error)
    return sources


def algorithm_names() -> Mapping[ProblemKind, Sequence[str]]:
    """What is announced for each kind of problem, without importing it; a warning names what has no kind."""
    names: dict[ProblemKind, list[str]] = {kind: [] for kind in get_args(ProblemKind)}
    for key, entry in announced(ALGORITHMS).items():
        kind, _, name = key.partition(".")
        if kind in names and name:
            names[kind].append(name)
        else:
            logger.warning(
                "the algorithm '%s' of %s is not used; expected a name like %s",
                key,
                package_of(entry),
                " or ".join(f"{kind}.{name or key}" for kind in names),
            )
    return names


def find_algorithm(name: str, kind: str) -> AlgorithmFactory:
    """The algorithm of this name for this kind of problem.

    Raises:
        UnknownNameError: there is none.
        BrokenEntryPointError: its package announces something else, or two packages announce it.
    """
    key = f"{kind}.{name}"
    found: AlgorithmFactory = _checked(load(ALGORITHMS, key), AlgorithmFactory, f"the algorithm '{key}'")
    if not found.variants:
        raise BrokenEntryPointError(f"the algorithm '{key}' has no variants; expected at least one.")
    return found


def variants_for(kind: ProblemKind) -> Mapping[str, Sequence[str]]:
    """Every algorithm for this kind of problem with its variants; what cannot be loaded is left out with a warning."""
    found = {}
    for name in algorithm_names()[kind]:
        try:
            found[name] = tuple(find_algorithm(name, kind).variants)
        except BrokenEntryPointError as error:
            logger.warning("%s", error)
    return found


def _checked(found: Any, expected: Any, what: str) -> Any:
    """What was announced, if it is an object of the interface that its group asks for."""
    if isinstance(found, type) or not isinstance(found, expected):
        raise BrokenEntryPointError(
            f"{what} is a {type(found).__name__}; expected an object with what ampl.interfaces.{expected.__name__} has."
        )
    return found


def parse_seeds(text: str) -> list[int]:
    """Seeds from "0,1,2" or "0-2,7".

    Raises:
        InvalidArgumentError: not a list of integers >= 0 and ranges of them, a range that runs backwards or is too
            long, or a seed twice.
    """
    expected = "expected integers >= 0 with commas between them, or ranges, like 0,1,2 or 0-4"
    seeds: list[int] = []
    for part in text.split(","):
        part = part.strip()
        found = _SEEDS.fullmatch(part)
        if not found:
            raise InvalidArgumentError(f"--seeds is '{text}', and '{part}' is not a seed; {expected}.")
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if last < first:
            raise InvalidArgumentError(f"--seeds is '{text}', and '{part}' runs backwards; write {last}-{first}.")
        if last - first >= _MOST_SEEDS:
            raise InvalidArgumentError(
                f"--seeds is '{text}', and '{part}' has {last - first + 1:,} seeds; expected at most {_MOST_SEEDS:,} "
                "in a range."
            )
        seeds += range(first, last + 1)
    for index, seed in enumerate(seeds):
        if seed in seeds[:index]:
            raise InvalidArgumentError(f"--seeds is '{text}', with {seed} twice; {expected}.")
    return seeds
