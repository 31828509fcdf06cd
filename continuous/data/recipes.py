"""Recipes that re-create a dataset: what `ampl data make TASK` looks up.

Each package that can re-create data has a module `recipe` with `recipes() -> Mapping[str, Recipe]`, by task name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError, check_at_least
from continuous.data.cache import dataset_path
from continuous.data.durations import about

if TYPE_CHECKING:
    from continuous.data.d4rl_file import D4RLData, Provenance
    from continuous.tasks.registry import Task

    Made: TypeAlias = tuple[D4RLData, Provenance]

_MODULES = (
    "continuous.recreate.locomotion.recipe",
    "continuous.recreate.maze2d.recipe",
    "continuous.recreate.adroit.recipe",
    "continuous.recreate.relabelled.recipe",
    "continuous.recreate.hiv.recipe",
)


@dataclass(frozen=True, kw_only=True)
class MakeOptions:
    """What a user may choose about a re-creation; a recipe names the ones it obeys in `Recipe.accepts`."""

    steps: int | None = None  # rows of the file, >= 1; None: the recipe's own number
    seed: int = 0
    noise: float | None = None  # standard deviation of the noise on actions, >= 0; None: as in the published files
    policy: Path | None = None  # weights of the policy that collects, or the folder of a behavior run
    demonstrations: Path | None = None  # recorded human demonstrations
    skip_repeated_rows: bool = False  # maze2d: leave out the row that D4RL's script repeats after each target
    reward_of_next_state: bool = False  # maze2d: pay each step by where it ends, as the environment does

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.steps is not None:
            check_at_least("--steps", self.steps, 1, "A dataset needs rows.")
        check_at_least("--seed", self.seed, 0)
        if self.noise is not None:
            check_at_least("--noise", self.noise, 0.0, "It is a standard deviation.")
            if not isfinite(self.noise):
                raise InvalidArgumentError(f"--noise is {self.noise}; expected a finite standard deviation.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one dataset is re-created."""

    make: Callable[[MakeOptions], Made]
    default_steps: int  # rows where the user does not say
    describe: str  # one sentence for `ampl data info`: what is done, and how far it differs from the original
    accepts: frozenset[str] = frozenset({"steps", "seed"})  # fields of MakeOptions that `make` obeys
    requires: frozenset[str] = frozenset()  # fields of MakeOptions without which it cannot start
    behavior: str | None = None  # robot that `ampl data train-behavior` must have trained, here or where --policy says
    until: str | None = None  # the level it must have reached
    training_time: str = ""  # about how long that takes, in words
    rows_per_second: float | None = None  # about, on the machine of docs/benchmarks.md, file written included

    @property
    def needs(self) -> str:
        """What the user must have first, for a table; empty if nothing."""
        options = {"policy"} & self.accepts if self.behavior else self.requires
        trained = [f"train-behavior {self.behavior}"] if self.behavior else []
        return " or ".join([*(f"--{name}" for name in sorted(options)), *trained])

    def how_to(self, task: str) -> str:
        """The exact commands that re-create the data, and about how long they take, for messages.

        Args:
            task: name of the task.
        """
        needs = "".join(f" --{name} FILE" for name in sorted(self.requires))
        text = f"`ampl data make {task}{needs}` re-creates it"
        if self.behavior:
            until = f" --until {self.until}" if self.until else ""
            text += f" after `ampl data train-behavior {self.behavior}{until}` ({self.training_time})"
        if self.rows_per_second is None:
            return text
        return f"{text}, in {about(self.default_steps / self.rows_per_second)}"

    def run(self, task: str, options: MakeOptions) -> Made:
        """The data, and how it was made.

        Args:
            task: name of the task, for messages.
            options: the user's choices.

        Raises:
            InvalidArgumentError: an option is given that this recipe does not use, or one that it needs is missing.
        """
        for field in fields(options):
            given = getattr(options, field.name) != field.default
            flag = f"--{field.name.replace('_', '-')}"
            if given and field.name not in self.accepts | self.requires:
                raise InvalidArgumentError(f"{flag} means nothing for {task}; leave it out. {self.describe}")
            if not given and field.name in self.requires:
                raise InvalidArgumentError(f"{task} needs {flag} FILE. {self.describe}")
        return self.make(options)


def all_recipes() -> dict[str, Recipe]:
    """Every recipe, by the name of its task."""
    return {name: recipe for module in _MODULES for name, recipe in import_module(module).recipes().items()}


def find_recipe(task: str) -> Recipe:
    """The recipe of a task.

    Raises:
        UnknownNameError: there is none; the message lists the tasks that have one.
    """
    recipes: Mapping[str, Recipe] = all_recipes()
    if task not in recipes:
        raise UnknownNameError("recipe for task", task, recipes)
    return recipes[task]


def missing_dataset(task: Task) -> InvalidFileError:
    """The error for a dataset that is not on this machine, with how to get it."""
    original = f"`ampl data download {task.name}` fetches the original. " if task.url else ""
    return InvalidFileError(
        f"no dataset of {task.name} on this machine. {original}{other_ways(task, dataset_path(task))}"
    )


def other_ways(task: Task, path: Path) -> str:
    """Where the file belongs, and which command re-creates it."""
    recipe = all_recipes().get(task.name)
    if recipe is None:
        return f"The file belongs at {path}; there is no recipe that re-creates it."
    return f"The file belongs at {path}; {recipe.how_to(task.name)}."
