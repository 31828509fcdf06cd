"""The public functions of `import ampl`: what `ampl train` does, from Python."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ampl import catalog
from ampl.arithmetic import Precision
from ampl.errors import InvalidArgumentError
from ampl.files import check_output_folder
from ampl.interfaces import ProblemKind
from ampl.interruption import resumable, saving_first
from ampl.processes import limit_spinning
from ampl.runs.recorded_arithmetic import choose_arithmetic
from ampl.runs.recorder import SeedResult
from ampl.runs.run_directory import run_path
from ampl.runs.saved_policy import load_policy
from ampl.scale import Scale
from ampl.settings import requested_settings
from ampl.step_recording import step_recording
from ampl.training import check_seeds
from ampl.training import train as drive

__all__ = ["Problem", "load_policy", "load_problem", "train"]

_DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What an algorithm is given.

    Attributes:
        name: of the task, such as "frozenlake-4x4" or "hopper-medium-v2".
        kind: "finite": states and actions are integers, and all is computed exactly; "continuous": they are vectors.
        algorithms: what can be trained on it: each algorithm with its variants, whose first is the default.
    """

    name: str
    kind: ProblemKind
    algorithms: Mapping[str, Sequence[str]]


def load_problem(name: str) -> Problem:
    """The problem of an installed task; its data is read when an algorithm is trained on it.

    Args:
        name: of a finite MDP, or of a task that `ampl data list` shows.

    Raises:
        UnknownNameError: there is no such task; the message has the nearest name, and all.
        MissingPackageError: no problem is installed.
    """
    kind = catalog.find_source(name).kind
    return Problem(name=name, kind=kind, algorithms=catalog.variants_for(kind))


def train(
    algorithm: str,
    problem: str | Problem,
    *,
    variant: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: Iterable[int] = (0,),
    epochs: int | None = None,
    out: str | Path = "runs",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    resume: bool = False,
    steps_per_epoch: int | None = None,
    miw_steps: int | None = None,
    model_steps: int | None = None,
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
        algorithm: its name: "ampl", "mopo", "damo", or one of an installed plugin.
        problem: from `load_problem`, or its name.
        variant: of the algorithm; None: its first one.
        settings: what to change, by key, such as {"penalty_weight": 2.5}: values, or texts as `--set` takes them.
            `ampl settings ALGORITHM PROBLEM` lists all with their units; the last part of a key suffices where clear.
        seeds: integers >= 0, no two equal, trained side by side.
        epochs: in all, those of a resumed run included, >= 1; None: a full run.
        out: folder of all runs.
        device: where to train; "auto" takes a GPU where there is one and the problem can use it.
        resume: continue runs that are already there.
        steps_per_epoch: this and all that follow: the options of `ampl train`, see its `--help`. Updates, >= 1.
        miw_steps: updates in each estimation of the weights, >= 1.
        model_steps: updates in each fit of the model at most, >= 1.
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
        InvalidArgumentError: a value of the wrong type or out of its range, or an algorithm that is not for this kind
            of problem.
        BrokenEntryPointError: the algorithm's package cannot be used; the message names it.
        InvalidFileError: the dataset is not there, or damaged; the message says how to get it.
        ExistingRunError, ForeignFileError: a run directory cannot be used; the message says why.
        DivergedError: every seed has stopped.
        KeyboardInterrupt: a signal asked for it.
    """
    limit_spinning()
    task = problem.name if isinstance(problem, Problem) else problem
    counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "miw_steps": miw_steps, "model_steps": model_steps}
    _check_integers(counts | {"eval_every": eval_every, "eval_episodes": eval_episodes})
    if settings is not None and not isinstance(settings, Mapping):
        raise InvalidArgumentError(f"settings are {settings!r}; expected a mapping like {{'penalty_weight': 2.5}}.")
    choice = catalog.choose(algorithm, task, variant)
    changed = requested_settings(choice.settings(), settings) if settings else {}
    scale = Scale(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        weight_steps=miw_steps,
        model_steps=model_steps,
        evaluation_period=eval_every,
        evaluation_episodes=eval_episodes,
        certificate_period=certificates_every,
        common_starts=common_starts,
        settings=changed,
    )
    chosen_seeds, folder = _integers(seeds), Path(out)
    if device not in _DEVICES:
        raise InvalidArgumentError(f"device is {device!r}; expected one of {', '.join(_DEVICES)}.")
    places = [run_path(folder, task, algorithm, choice.variant, seed, changed) for seed in chosen_seeds]
    for place in places:  # before the data is read
        check_output_folder(place)
    arithmetic = choose_arithmetic(threads, precision, places if resume else [])
    with resumable("--resume"), step_recording(record == "auto"):
        built = choice.build(chosen_seeds, device, scale, arithmetic)
        with saving_first():
            return drive(
                built,
                task=task,
                variant=choice.variant,
                epochs=epochs or choice.default_epochs(),
                out=folder,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                scale=scale,
                evaluation_workers=eval_workers,
            )


def _check_integers(counts: Mapping[str, Any]) -> None:
    """Raises InvalidArgumentError for what is neither None nor an integer."""
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__")):
            raise InvalidArgumentError(f"{name} is {value!r}; expected an integer, or None.")


def _integers(seeds: Iterable[int]) -> list[int]:
    """Seeds of any integer type, checked.  Raises InvalidArgumentError."""
    try:
        found = [operator.index(seed) for seed in seeds]
    except TypeError:
        raise InvalidArgumentError(f"seeds are {seeds!r}; expected integers >= 0, like (0, 1, 2).") from None
    check_seeds(found)
    return found
