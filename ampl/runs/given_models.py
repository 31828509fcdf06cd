"""Models of other runs in place of a first fit: `ampl train --model-from`.

A fit to a million rows takes hours, and the same model serves every algorithm that has such networks. A run that takes
one says so in config.json, by the name of the other run and a checksum of the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampl.errors import InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.files import read_json
from ampl.interfaces import Algorithm, Metrics, State, TakesModels
from ampl.runs.run_directory import run_path
from ampl.runs.run_evaluation import find_runs, newest_checkpoint, read_config
from ampl.runs.run_identity import recorded_settings

_FITS = "streams/model"  # of a seed's state: the random numbers of its fits
_PARTS = ("model/", _FITS)


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenModel:
    """The model in the newest checkpoint of a run.

    Attributes:
        run: TASK/ALGORITHM/VARIANT/seedK.
        task, algorithm, seed: of that run.
        transitions: which of the data it was fitted to, as in the settings; None: they do not say.
        dataset_sha256: of the data that it was fitted to; None where they are not a file.
        state: the part of `Algorithm.state` that is the model.
        fit_metrics: what its fit returned.
    """

    run: str
    task: str
    algorithm: str
    seed: int
    transitions: str | None
    dataset_sha256: str | None
    state: State
    fit_metrics: Metrics

    def record(self) -> Mapping[str, str]:
        """For config.json."""
        digest = hashlib.sha256()
        for name, array in sorted(self.state.items()):
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode() + array.tobytes())
        return {"run": self.run, "sha256": digest.hexdigest()}

    @property
    def note(self) -> str:
        """For readers of results."""
        return f"the model is that of {self.run}, not fitted here"


def model_run(folder: Path, seed: int) -> str:
    """The run whose model a seed takes from `folder`, as its config.json has it; errors as for `find_models`."""
    return _name(read_config(_runs_for(folder, [seed])[0]))


def find_models(folder: Path, seeds: Sequence[int]) -> list[GivenModel]:
    """The models of a run for `seeds`: one run's for all of them, or from a folder of seeds each its own.

    Raises:
        InvalidFileError: there is no run, no checkpoint that can be read, or no model in it.
    """
    runs = _runs_for(folder, seeds)
    models = {run: _read_model(run) for run in dict.fromkeys(runs)}
    return [models[run] for run in runs]


def _runs_for(folder: Path, seeds: Sequence[int]) -> list[Path]:
    """The run of each seed."""
    runs = find_runs(folder)
    if folder in runs:
        return [folder] * len(seeds)
    by_name = {run.name: run for run in runs}
    missing = [seed for seed in seeds if f"seed{seed}" not in by_name]
    if missing:
        raise InvalidFileError(
            f"{folder} has no model for seed {missing[0]}: there are {', '.join(by_name)}. Name the run directory of "
            "one seed, whose model all seeds then have."
        )
    return [by_name[f"seed{seed}"] for seed in seeds]


def take_models(algorithm: Algorithm, task: str, models: Sequence[GivenModel]) -> None:
    """Gives each seed its model, in place of its first fit.

    Raises:
        InvalidArgumentError: the algorithm fits no model that could be taken from elsewhere.
        InvalidFileError: a model predicts something else, was fitted to other data, or has other networks.
    """
    if not isinstance(algorithm, TakesModels):
        raise InvalidArgumentError(
            f"--model-from is given, but {algorithm.name} on {task} takes no model. Leave it out."
        )
    for index, model in enumerate(models):
        if model.algorithm not in algorithm.takes_models_of:
            raise InvalidFileError(
                f"{algorithm.name} cannot use the model of {model.run}; expected one of "
                f"{', '.join(algorithm.takes_models_of)} (docs/commands.md says why)."
            )
        here, there = algorithm.dataset_sha256, model.dataset_sha256
        if here != there or (here is None and model.task != task):
            raise InvalidFileError(
                f"the model of {model.run} was fitted to other data: {there or model.task} there and {here or task} "
                "here. Fit one on these data: leave --model-from out."
            )
        used = algorithm.config().get("transitions")
        if model.transitions != used:
            raise InvalidFileError(
                f"the model of {model.run} was fitted with transitions {model.transitions}, this run has {used}: of "
                f"terminal rows these know other next states. Take another, or --set transitions={model.transitions}."
            )
        fits = () if model.seed == algorithm.seeds[index] else (_FITS,)  # the refits of other seeds are their own
        state = {name: array for name, array in model.state.items() if name not in fits}
        try:
            algorithm.take_model(index, state, model.fit_metrics)
        except (KeyError, ValueError, RuntimeError, InvalidShapeError) as error:
            raise InvalidFileError(
                f"the model of {model.run} does not fit this training ({error}). Its settings dynamics.members, "
                "dynamics.elites, dynamics.hidden and dynamics.layers must be the same: see its config.json."
            ) from error


def _read_model(path: Path) -> GivenModel:
    config, checkpoint = read_config(path), newest_checkpoint(path)
    state = {name: array for name, array in checkpoint.state.items() if name.startswith(_PARTS)}
    name = config["algorithm"]
    if not state:
        raise InvalidFileError(f"{path} has no model: {name} fits none. Name a run of mopo, damo or the like.")
    return GivenModel(
        run=_name(config),
        task=config["task"],
        algorithm=name,
        seed=config["seed"],
        transitions=config["settings"].get("transitions"),
        dataset_sha256=_dataset(path / "manifest.json"),
        state=state,
        fit_metrics=checkpoint.fit_metrics,
    )


def _name(config: Mapping[str, Any]) -> str:
    """TASK/ALGORITHM/VARIANT/seedK of a run's config.json."""
    task, algorithm, variant, seed = (config[key] for key in ("task", "algorithm", "variant", "seed"))
    return run_path(Path(), task, algorithm, variant, seed, recorded_settings(config)).as_posix()


def _dataset(manifest: Path) -> str | None:
    found: Any = read_json(manifest, "It tells which data the model was fitted to.")
    checksum = found.get("dataset_sha256") if isinstance(found, dict) else None
    return checksum if isinstance(checksum, str) else None
