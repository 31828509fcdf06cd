"""The public functions of `import ampl`: what `ampl train` does, from Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from ampl import catalog
from ampl.arithmetic import DEVICES, Device, Precision
from ampl.errors import InvalidArgumentError, check_one_of, optional_counts
from ampl.files import check_output_folder
from ampl.interfaces import ProblemKind
from ampl.interruption import resumable, saving_first
from ampl.own_data import GivenData
from ampl.processes import limit_spinning
from ampl.runs.given_models import find_models
from ampl.runs.recorded_arithmetic import choose_arithmetic
from ampl.runs.run_directory import run_path
from ampl.runs.run_evaluation import evaluate
from ampl.runs.saved_policy import load_policy
from ampl.runs.seed_result import SeedResult
from ampl.scale import Scale
from ampl.settings import requested_settings
from ampl.step_recording import step_recording
from ampl.training import check_seeds
from ampl.training import train as drive

__all__ = ["Problem", "evaluate", "load_policy", "load_problem", "train"]

_FILES = (".npz", ".hdf5", ".h5")
_RECORD = ("auto", "never")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What an algorithm is given.

    Attributes:
        name: of the task, such as "frozenlake-4x4" or "hopper-medium-v2".
        kind: "finite": states and actions are integers, and all is computed exactly; "continuous": they are vectors.
        algorithms: what can be trained on it: each algorithm with its variants, whose first is the default.
        own: what was made of data of the user's own; None on a task of the catalog.
    """

    name: str
    kind: ProblemKind
    algorithms: Mapping[str, Sequence[str]]
    own: catalog.OwnProblem | None = None


def load_problem(
    name: str | None = None,
    *,
    data: str | Path | None = None,
    env: Any = None,
    termination: str | Callable[..., Any] | None = None,
    references: tuple[float, float] | None = None,
) -> Problem:
    """The problem of an installed task, whose data is read when an algorithm is trained on it, or on data of your own.

    Args:
        name: of a finite MDP, or of a task that `ampl data list` shows; None: `data` takes its place.
        data: a file in D4RL's layout, minari:ID, or an .npz file with a finite MDP, which needs none of the rest. See
            "Your own data" in docs/data.md for this and the rest.
        env: where the data were collected: id of a Gymnasium environment, "none", an environment, or a function that
            makes one (defined in a module, if evaluations are to be had later or in other processes). None: that of a
            Minari dataset.
        termination: when paths of the model end: "never", the name of a robot, or a function of states [N, D],
            actions [N, A] in the environment's units, and next states [N, D] that gives [N] of bool. It gets numpy
            arrays on a CPU, torch tensors on a GPU. None: the rule of Gymnasium's robots.
        references: returns that score 0 and 100. None: those of a Minari dataset, or raw returns.

    Raises:
        UnknownNameError: there is no such task; the message has the nearest name, and all.
        MissingPackageError: no problem is installed, or a package that the data need.
        InvalidFileError: the data cannot be used, or do not fit the environment; the message says why.
        InvalidArgumentError: both or neither of `name` and `data`, or an environment that cannot be made or has other
            than Box spaces.
    """
    found = named_or_own(name, data=data, env=env, termination=termination, references=references)
    if isinstance(found, str):
        kind = catalog.find_source(found).kind
        return Problem(name=found, kind=kind, algorithms=catalog.variants_for(kind))
    kind = found.source.kind
    return Problem(name=found.name, kind=kind, algorithms=catalog.variants_for(kind), own=found)


def named_or_own(
    name: str | None,
    *,
    data: str | Path | None,
    env: Any,
    termination: str | Callable[..., Any] | None,
    references: tuple[float, float] | None,
) -> str | catalog.OwnProblem:
    """What `catalog.choose` takes: the name of a task, or a problem on the user's data; as for `load_problem`."""
    if data is None:
        asked = {"env": env, "termination": termination, "references": references}
        extra = next((option for option, value in asked.items() if value is not None), None)
        if name is None or extra is not None:
            what = "no task is named" if name is None else f"{extra} is given without data"
            raise InvalidArgumentError(
                f"{what}; expected a TASK of `ampl data list`, data of your own (--data FILE --env ENV_ID), or a "
                "finite MDP of your own (--data FILE.npz)."
            )
        if not isinstance(name, str):
            raise InvalidArgumentError(f"the problem is {name!r}; expected a name, or what load_problem gives.")
        if name.endswith(_FILES):
            raise InvalidArgumentError(f"the task is {name}, which looks like a file; give it as data: --data {name}.")
        return name
    if name is not None:
        raise InvalidArgumentError(f"the task {name} and data {data} are both given; leave one of them out.")
    if not isinstance(data, str | PathLike):
        raise InvalidArgumentError(
            f"data is a {type(data).__name__}; expected the path of a file, which docs/data.md says how to write, or "
            "minari:ID."
        )
    return catalog.open_data(GivenData(data=str(data), env=env, termination=termination, references=references))


def train(
    algorithm: str,
    problem: str | Problem | None = None,
    *,
    data: str | Path | None = None,
    env: Any = None,
    termination: str | Callable[..., Any] | None = None,
    references: tuple[float, float] | None = None,
    variant: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: Iterable[int] = (0,),
    epochs: int | None = None,
    out: str | Path = "runs",
    device: Device = "auto",
    resume: bool = False,
    steps_per_epoch: int | None = None,
    miw_steps: int | None = None,
    model_steps: int | None = None,
    model_from: str | Path | None = None,
    eval_every: int | None = None,
    eval_episodes: int | None = None,
    certificates_every: int | None = None,
    common_starts: bool = False,
    eval_workers: int | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    record: Literal["auto", "never"] = "auto",
    checkpoint_seconds: float = 30.0,
) -> list[SeedResult]:
    """Trains an algorithm on a problem and records everything in run directories, as `ampl train` does.

    Each seed gets out/PROBLEM/ALGORITHM/VARIANT/seedK. Ctrl-C and SIGTERM save a checkpoint first; the same call with
    `resume=True` goes on from there, bit for bit.

    Args:
        algorithm: its name: "ampl", "mopo", "damo", a baseline such as "td3-bc", or one of an installed plugin.
        problem: from `load_problem`, or its name; None: on `data`.
        data: of your own; this and the next three as in `load_problem`.
        env: where they were collected.
        termination: when paths of the model end.
        references: returns that score 0 and 100.
        variant: of the algorithm; None: its first one.
        settings: what to change, by key, such as {"penalty_weight": 2.5}: values, or texts as `--set` takes them.
            `ampl settings ALGORITHM PROBLEM` lists all with their units; the last part of a key suffices where clear.
        seeds: integers >= 0, no two equal, trained side by side.
        epochs: in all, those of a resumed run included, >= 1; None: a full run.
        out: folder of all runs.
        device: where to train; "auto" takes a GPU where there is one and the problem can use it.
        resume: continue runs that are already there.
        steps_per_epoch: this and all below: the options of `ampl train`, see its `--help`. Updates, >= 1.
        miw_steps: updates in each estimation of the weights, >= 1.
        model_steps: updates in each fit of the model at most, >= 1.
        model_from: a run directory, or a folder of seedK, whose fitted models take the place of a first fit.
        eval_every: epochs, >= 1.
        eval_episodes: of each evaluation, >= 1.
        certificates_every: epochs, >= 1.
        common_starts: whether evaluations of all epochs start alike.
        eval_workers: processes, >= 0; a script with some, as on a GPU, trains below `if __name__ == "__main__":`.
        threads: on the CPU, >= 1.
        precision: of matrix products.
        record: steps on a GPU.
        checkpoint_seconds: least time between two checkpoints.

    Returns:
        One result a seed, in the order of `seeds`: its run directory `path`, how it ended and its last metrics in
        `result`. A seed whose metrics were no longer finite has the status "stopped".

    Raises:
        UnknownNameError: no such algorithm, problem, variant or setting; the message has the nearest name.
        InvalidArgumentError: a value of the wrong type or out of its range, an algorithm that is not for this kind of
            problem, or one with a model where data have terminal rows and no rule of termination is known.
        BrokenEntryPointError: the algorithm's package cannot be used; the message names it.
        InvalidFileError: the dataset is not there, or damaged; the message says how to get it.
        ExistingRunError, ForeignFileError: a run directory cannot be used; the message says why.
        DivergedError: every seed has stopped.
        KeyboardInterrupt: a signal asked for it.
    """
    limit_spinning()
    if isinstance(problem, Problem):
        if any(each is not None for each in (data, env, termination, references)):
            raise InvalidArgumentError("data, env, termination and references belong to load_problem; leave them out.")
        found = problem.own or problem.name
    else:
        found = named_or_own(problem, data=data, env=env, termination=termination, references=references)
    lengths = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "miw_steps": miw_steps, "model_steps": model_steps}
    evaluated = {"eval_every": eval_every, "eval_episodes": eval_episodes, "certificates_every": certificates_every}
    counts = optional_counts(lengths | evaluated | {"eval_workers": eval_workers, "threads": threads})
    for name, value in {"resume": resume, "common_starts": common_starts}.items():
        if not isinstance(value, bool):
            raise InvalidArgumentError(f"{name} is {value!r}; expected True or False.")
    check_one_of("record", record, _RECORD)
    if not isinstance(variant, str | None):
        raise InvalidArgumentError(f"variant is {variant!r}; expected a name, or None.")
    for name, place in {"out": out, "model_from": "" if model_from is None else model_from}.items():
        if not isinstance(place, str | PathLike):
            raise InvalidArgumentError(f"{name} is {place!r}; expected a folder.")
    if settings is not None and not isinstance(settings, Mapping):
        raise InvalidArgumentError(f"settings are {settings!r}; expected a mapping like {{'penalty_weight': 2.5}}.")
    choice = catalog.choose(algorithm, found, variant)
    changed = requested_settings(choice.settings(), settings) if settings else {}
    scale = Scale.from_options({**counts, "common_starts": common_starts}, changed)
    chosen_seeds, folder = _integers(seeds), Path(out)
    models = None if model_from is None else find_models(Path(model_from), chosen_seeds)
    check_one_of("device", device, DEVICES)
    places = [run_path(folder, choice.task, algorithm, choice.variant, seed, changed) for seed in chosen_seeds]
    for place in places:  # before the data is read
        check_output_folder(place, "Choose a folder you can write to: --out DIR.")
    arithmetic = choose_arithmetic(counts["threads"], precision, places if resume else [])
    with resumable("--resume"), step_recording(record == "auto"):
        built = choice.build(chosen_seeds, device, scale, arithmetic)
        with saving_first():
            return drive(
                built,
                task=choice.task,
                variant=choice.variant,
                epochs=scale.epochs or choice.default_epochs(),
                out=folder,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                scale=scale,
                evaluation_workers=counts["eval_workers"],
                problem=None if choice.own is None else choice.own.record,
                models=models,
            )


def _integers(seeds: Iterable[int]) -> list[int]:
    """Seeds of any integer type, checked.  Raises InvalidArgumentError."""
    try:
        found = [operator.index(seed) for seed in seeds]
    except TypeError:
        raise InvalidArgumentError(f"seeds are {seeds!r}; expected integers >= 0, like (0, 1, 2).") from None
    check_seeds(found)
    return found
