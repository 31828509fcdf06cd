"""A sweep's file, and the jobs that it asks for.

algorithms = ["mopo", "damo"]       # each list is tried value by value, with every value of the others
tasks = ["lqr-pointmass"]
seeds = "0-4"                       # or [0, 1, 2]; "0" if left out
variants = ["main"]                 # each algorithm's first one if left out

[settings]                          # of `ampl settings`, a value or a list of values
learning_rate = [1e-4, 3e-4]

[train]                             # options of `ampl train` that all jobs have
epochs = 20

[[grid]]                            # instead of one grid several: each has the keys above, those that it lacks
algorithms = ["mopo"]               # from the top of the file
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ampl.catalog import Choice, OwnProblem, choose, parse_seeds
from ampl.errors import AmplError, InvalidArgumentError, InvalidFileError, missing_file
from ampl.evaluation_schedule import evaluation_schedule
from ampl.runs.run_directory import run_path
from ampl.scale import AS_PUBLISHED, Scale
from ampl.setting_values import value_text
from ampl.settings import requested_settings, variant_label

_GRID_KEYS = ("algorithms", "tasks", "variants", "seeds", "settings", "train")
_OWN_OPTIONS = {  # which a job sets itself, and what of the file says them
    "algorithm": "name it in algorithms, at the top or in [[grid]]",
    "task": "name it in tasks, at the top or in [[grid]]",
    "variant": "name it in variants, at the top or in [[grid]]",
    "seeds": "write them as seeds, at the top or in [[grid]]",
    "set": "write settings into [settings]",
    "out": "give it on the command line, --out DIR",
    "resume": "leave it out",
}
_MOST_JOBS = 10_000
_EXAMPLE = 'Expected a file as `ampl sweep --help` shows it, like algorithms = ["mopo"] and tasks = ["lqr-pointmass"].'


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What the options that all jobs of a grid have mean.

    Attributes:
        scale: how they differ from a full run; without settings.
        own: the problem on data of the user's own that they name; None: they name none.
        model_from: run directory, or folder of seeds, whose models take the place of a first fit; None: they fit one.
    """

    scale: Scale = AS_PUBLISHED
    own: OwnProblem | None = None
    model_from: Path | None = None


ReadOptions = Callable[[Sequence[str]], TrainOptions]
"""From words of `ampl train` to what they mean; raises AmplError for wrong ones."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: one seed of one point of the grid.

    Attributes:
        name: of what it trains, for people.
        arguments: of the command line, from "train" on; it continues a run that is already there.
        path: its run directory.
        epochs: of the whole run.
        scale: what its arguments ask for.
        problem: what its config.json says of data of the user's own; None: it has a task of the catalog.
        model_from: as in `TrainOptions`.
        seed: that it trains.
    """

    name: str
    arguments: tuple[str, ...]
    path: Path
    epochs: int
    scale: Scale = AS_PUBLISHED
    problem: Mapping[str, Any] | None = None
    model_from: Path | None = None
    seed: int = 0

    @property
    def log(self) -> Path:
        """What the training prints: beside its run directory."""
        return self.path.with_name(f"{self.path.name}.log")


def read_plan(path: Path, out: Path, read_options: ReadOptions) -> list[Job]:
    """All jobs of a file in its order, each checked as far as that needs no data.

    Args:
        path: the TOML file.
        out: folder of all runs.
        read_options: checks the options of a training, and says what they mean.

    Raises:
        InvalidFileError: the file is not there, is no TOML, or something in it is wrong; the message says what.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        raise missing_file(path, _EXAMPLE) from None
    except (OSError, ValueError, RecursionError) as error:  # of which TOMLDecodeError is one
        raise InvalidFileError(f"{path} cannot be read: {error}. {_EXAMPLE}") from error
    grids = content.pop("grid", [{}])
    if not isinstance(grids, list) or not grids or not all(isinstance(grid, dict) for grid in grids):
        raise InvalidFileError(f"{path}: grid is {grids!r}; expected tables that begin with [[grid]].")
    jobs = []
    try:
        for grid in grids:
            jobs += list(_jobs(content | grid, out, read_options))
    except AmplError as error:
        raise InvalidFileError(f"{path}: {error}") from error
    _check_distinct(path, jobs)
    return jobs


def _jobs(grid: Mapping[str, Any], out: Path, read_options: ReadOptions) -> Iterator[Job]:
    for key in grid:
        if key not in _GRID_KEYS:
            hint = _OWN_OPTIONS.get(key, "options of `ampl train` belong into [train], settings into [settings]")
            raise InvalidFileError(f"unknown key '{key}'; expected {', '.join(_GRID_KEYS)} or [[grid]]; {hint}.")
    options = _train_options(_table(grid, "train"))
    meant = read_options(options)
    algorithms = _texts(grid, "algorithms")
    if meant.own is not None and "tasks" in grid:
        raise InvalidFileError("both tasks and, in [train], data are there; keep one.")
    tasks: Sequence[str | OwnProblem] = _texts(grid, "tasks") if meant.own is None else [meant.own]
    variants: Sequence[str | None] = _texts(grid, "variants") if "variants" in grid else [None]
    seeds = grid.get("seeds", "0")
    numbers = parse_seeds(seeds if isinstance(seeds, str) else ",".join(map(str, _listed(seeds))))
    settings_of_grid = _table(grid, "settings")
    counts = map(len, (algorithms, tasks, variants, numbers, *map(_listed, settings_of_grid.values())))
    if (count := math.prod(counts)) > _MOST_JOBS:
        raise InvalidFileError(f"a grid asks for {count:,} jobs; expected at most {_MOST_JOBS:,}. Try fewer values.")
    points = list(_points(settings_of_grid))
    for algorithm, task, variant in product(algorithms, tasks, variants):
        choice = choose(algorithm, task, variant)
        epochs = meant.scale.epochs or choice.default_epochs()
        evaluation_schedule(meant.scale, epochs, exact=choice.source.kind == "finite")  # for its errors
        for settings in points:
            for seed in numbers:
                yield _job(choice, settings, seed, epochs, options, meant, out)


def _job(
    choice: Choice,
    settings: Mapping[str, str],
    seed: int,
    epochs: int,
    options: Sequence[str],
    meant: TrainOptions,
    out: Path,
) -> Job:
    changed = requested_settings(choice.settings(), settings) if settings else {}
    label = variant_label(choice.variant, changed)
    texts = [f"{key}={value}" for key, value in settings.items()]
    words = [choice.algorithm, *([choice.task] if choice.own is None else [])]
    words += ["--variant", choice.variant, "--seeds", str(seed)]
    words += [*(["--set", *texts] if texts else []), *options, "--out", str(out), "--resume"]
    return Job(
        name=f"{choice.algorithm} on {choice.task}, {label}, seed {seed}",
        arguments=("train", *words),
        path=run_path(out, choice.task, choice.algorithm, choice.variant, seed, changed),
        epochs=epochs,
        scale=replace(meant.scale, settings=changed),
        problem=None if choice.own is None else choice.own.record,
        model_from=meant.model_from,
        seed=seed,
    )


def _train_options(table: Mapping[str, Any]) -> list[str]:
    """The options of `ampl train` as words."""
    words = []
    for key, value in table.items():
        if key in _OWN_OPTIONS:
            raise InvalidArgumentError(f"[train] has {key}, which the sweep sets; {_OWN_OPTIONS[key]}.")
        if key in _GRID_KEYS:
            raise InvalidArgumentError(f"[train] has {key}; its place is before [train], or in [[grid]].")
        if key == "help":
            raise InvalidArgumentError("[train] has help, which trains nothing; leave it out.")
        option = f"--{key.replace('_', '-')}"
        if value is not False:
            words += [option] if value is True else [option, *map(value_text, _listed(value))]
    if "threads" not in table:
        words += ["--threads", "1"]
    return words


def _points(settings: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Every combination of the settings' values, as texts."""
    for name, given in settings.items():
        if given == []:
            raise InvalidFileError(f"setting {name} has no values; name one or more.")
    values = [[value_text(value) for value in _listed(given)] for given in settings.values()]
    for chosen in product(*values):
        yield dict(zip(settings, chosen, strict=True))


def _texts(grid: Mapping[str, Any], key: str) -> list[str]:
    found = _listed(grid.get(key, []))
    if not found or not all(isinstance(each, str) for each in found):
        raise InvalidFileError(f'{key} is {grid.get(key)!r}; expected one name or more, like {key} = ["NAME"].')
    return found


def _table(grid: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = grid.get(key, {})
    if not isinstance(found, Mapping):
        raise InvalidFileError(f"{key} is {found!r}; expected a table, [{key}] and a line for each value.")
    flat: dict[str, Any] = {}
    for name, value in found.items():  # learner.hidden = 64 without quotes is a table in TOML
        below = _table(found, name) if isinstance(value, Mapping) else None
        flat |= {name: value} if below is None else {f"{name}.{last}": each for last, each in below.items()}
    return flat


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _check_distinct(path: Path, jobs: Sequence[Job]) -> None:
    seen: set[Path] = set()
    for job in jobs:
        if job.path in seen:
            raise InvalidFileError(f"{path} asks for {job.name} twice; each job must be there once.")
        seen.add(job.path)
