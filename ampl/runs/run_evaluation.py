"""Runs evaluated again from their directories: the algorithm as it was configured, with its newest checkpoint.

Nothing that the training recorded is touched; what is measured goes to evaluation.json beside it.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from ampl.arithmetic import DEFAULT, DEVICES, Device, Precision
from ampl.catalog import choose, recorded_task
from ampl.errors import (
    AmplError,
    DivergedError,
    ExistingRunError,
    InvalidArgumentError,
    InvalidFileError,
    check_at_least,
    check_one_of,
    optional_counts,
)
from ampl.evaluation_schedule import EvaluationRequest, nothing_to_ask
from ampl.files import SIGNATURE, check_replaceable, read_json, write_json
from ampl.interfaces import Algorithm, Metrics
from ampl.runs.checkpoints import Checkpoint, checkpoint_epochs, newest_whole_epoch, read_checkpoint
from ampl.runs.manifest import describe_session
from ampl.runs.recorded_arithmetic import recorded_arithmetic
from ampl.runs.run_identity import first_difference, flat_settings
from ampl.scale import Scale

logger = logging.getLogger(__name__)

_SEED = re.compile(r"seed(\d+)")
_DEPTH = 4  # of runs below the folder of all
_SHOWN_RUNS = 5  # below a folder that is none


@dataclass(frozen=True, kw_only=True)
class RunEvaluation:
    """What a run's policy scores.

    Attributes:
        path: the run directory.
        task, algorithm, variant, seed: what was trained.
        settings: those that differ from the variant's own.
        epoch: epochs completed at the checkpoint that was evaluated.
        starts: where episodes started, in words; empty for an exact evaluation.
        notes: of the algorithm.
        metrics: of `Algorithm.evaluations`.
    """

    path: Path
    task: str
    algorithm: str
    variant: str
    settings: Mapping[str, Any]
    seed: int
    epoch: int
    starts: str
    notes: tuple[str, ...]
    metrics: Metrics


def find_runs(path: Path) -> list[Path]:
    """The run directory itself, or those of all seeds in it, in the order of their seeds.

    Raises:
        InvalidFileError: neither is there.
    """
    if (path / "config.json").is_file():
        return [path]
    entries = list(path.iterdir()) if path.is_dir() else []
    seeds = {int(match[1]): entry for entry in entries if (match := _SEED.fullmatch(entry.name))}
    runs = [seeds[seed] for seed in sorted(seeds) if (seeds[seed] / "config.json").is_file()]
    if not runs:
        what = "has no config.json and no seedK folders" if path.is_dir() else "is not a folder"
        raise InvalidFileError(
            f"{path} {what}; expected a run directory of `ampl train`, like runs/TASK/ALGORITHM/VARIANT/seed0."
        )
    return runs


def one_run(path: str | PathLike[str]) -> Path:
    """The path, unless it is a folder with runs below it.

    Raises:
        InvalidArgumentError: it is no path.
        InvalidFileError: it is such a folder; the message names those runs.
    """
    if not isinstance(path, str | PathLike):
        raise InvalidArgumentError(f"the run directory is {path!r}; expected a path.")
    folder = Path(path)
    if (folder / "config.json").exists():
        return folder
    found = [file for depth in range(1, _DEPTH + 1) for file in folder.glob("*/" * depth + "config.json")]
    below = sorted(str(file.parent) for file in found)
    if below:
        more = f" and {len(below) - _SHOWN_RUNS} others" if len(below) > _SHOWN_RUNS else ""
        shown = ", ".join(below[:_SHOWN_RUNS])
        raise InvalidFileError(f"{folder} is no run directory; below it are {shown}{more}. Name one of them.")
    return folder


def evaluate(
    run_directory: str | PathLike[str],
    *,
    episodes: int | None = None,
    device: Device = "auto",
    threads: int | None = None,
    precision: Precision | None = None,
    data: str | PathLike[str] | None = None,
) -> RunEvaluation:
    """Evaluates the newest policy of a run again, as `ampl evaluate` does: finished or not, or still going on.

    Nothing that the training recorded is touched; what is measured goes to evaluation.json beside it, or, where that
    cannot be written, a warning says so. The episodes start where those of the epoch's evaluation in training do, or
    alike in all epochs if the run has common starts.

    Args:
        run_directory: of one seed, .../seedK: `ampl.train(...)[0].path`.
        episodes: how many, >= 1; None: as many as in training. Exact evaluations need none.
        device: where to compute: "cpu", "cuda", or "auto", a GPU where there is one and the problem can use it.
        threads: on the CPU, >= 1; None: those of the run's last session.
        precision: of matrix products: "highest", "high" or "medium"; None: that of the run's last session.
        data: where data of the user's own are now; None: where they were.

    Returns:
        `metrics` by name, such as "evaluation/score_mean", the `epoch` of the policy, and what was trained.

    Raises:
        InvalidFileError: no run directory (the message names those below it), or no checkpoint that can be read.
        ExistingRunError: the run has settings or data that cannot be had any more.
        ForeignFileError: an evaluation.json that is not ours.
        DivergedError: the policy's scores are not finite.
        InvalidArgumentError: a value of the wrong type or out of its range, the run has no environment, or it is on a
            finite MDP and episodes are asked for.
        AmplError: the algorithm cannot be built; the message says why.
    """
    path = one_run(run_directory)
    counts = optional_counts({"episodes": episodes, "threads": threads})
    DEFAULT.changed(counts["threads"], precision)  # refuses what cannot be before anything is read
    check_one_of("device", device, DEVICES)
    if episodes is not None:
        check_at_least("episodes", episodes, 1)
    target = path / "evaluation.json"
    check_replaceable(target)
    config = read_config(path)
    task, name, variant, seed = (config[key] for key in ("task", "algorithm", "variant", "seed"))
    checkpoint = newest_checkpoint(path)
    choice = choose(name, recorded_task(config, data), variant)
    scale = Scale(**config["scale"])
    arithmetic = (recorded_arithmetic(path) or DEFAULT).changed(counts["threads"], precision)
    algorithm = choice.build([seed], device, scale, arithmetic)
    _check_same(path, config, algorithm)
    if algorithm.evaluates_exactly and episodes is not None:
        raise nothing_to_ask("--episodes")
    without_streams(checkpoint, algorithm).put_into(algorithm, 0)
    request = EvaluationRequest(
        epoch=checkpoint.epoch,
        episodes=counts["episodes"] or scale.evaluation_episodes,
        common_starts=scale.common_starts,
    )
    metrics = dict(algorithm.evaluations(request)[0]())
    if not metrics:
        raise InvalidArgumentError(
            f"{path} was trained without an environment (--env none), so there is nothing to evaluate it in; "
            "`ampl.load_policy` gives its policy."
        )
    starts = "" if algorithm.evaluates_exactly else request.starts
    broken = next((name for name, value in metrics.items() if not math.isfinite(value)), None)
    if broken is not None:
        raise DivergedError(f"metric '{broken}' of {path} is {metrics[broken]} after epoch {checkpoint.epoch}.")
    session = describe_session(algorithm.device, algorithm.dataset_sha256)
    if algorithm.arithmetic is not None:
        session["arithmetic"] = asdict(algorithm.arithmetic)
    usual = flat_settings(config.get("settings")).get("evaluation_episodes")
    measured = {"epoch": checkpoint.epoch, "episodes": request.episodes or usual, "starts": starts, "metrics": metrics}
    _keep(target, measured | session)
    return RunEvaluation(
        path=path,
        task=task,
        algorithm=name,
        variant=variant,
        settings=scale.settings,
        seed=seed,
        epoch=checkpoint.epoch,
        starts=starts,
        notes=tuple(algorithm.notes()),
        metrics=metrics,
    )


def _keep(target: Path, found: dict[str, Any]) -> None:
    """Writes evaluation.json, or warns: the run may be a colleague's, and its folder read-only."""
    try:
        write_json(target, {"written_by": SIGNATURE} | found)
    except InvalidFileError as error:
        logger.warning("%s is not written: %s", target, getattr(error.__cause__, "strerror", error))


def without_streams(checkpoint: Checkpoint, algorithm: Algorithm) -> Checkpoint:
    """With the fresh algorithm's random numbers: evaluations have their own, and those of another device do not fit."""
    fresh = {name: array for name, array in algorithm.state(0).items() if name.startswith("streams/")}
    return replace(checkpoint, state={**checkpoint.state, **fresh})


def read_config(path: Path) -> dict[str, Any]:
    """The config.json of a run directory, checked.  Raises InvalidFileError."""
    config = read_json(path / "config.json", "Expected the configuration of a run.")
    names = {"written_by": str, "task": str, "algorithm": str, "variant": str, "seed": int}
    if (
        not isinstance(config, dict)
        or any(not isinstance(config.get(key), kind) for key, kind in names.items())
        or config["written_by"] != SIGNATURE
    ):
        raise InvalidFileError(f"{path / 'config.json'} is not the configuration of a run of `ampl train`.")
    if not isinstance(config.get("problem", {}), dict):
        raise InvalidFileError(f"{path / 'config.json'}: 'problem' is {config['problem']!r}; expected its record.")
    try:
        Scale(**config.setdefault("scale", {}))
    except (TypeError, AmplError) as error:
        raise InvalidFileError(f"{path / 'config.json'}: 'scale' cannot be used ({error}).") from error
    return config


def newest_checkpoint(path: Path) -> Checkpoint:
    """The newest whole one of a run directory, not within a fit.  Raises InvalidFileError."""
    folder = path / "checkpoint"
    newest = newest_whole_epoch(folder)
    if newest is not None:
        return read_checkpoint(folder, newest)
    epochs = checkpoint_epochs(folder)
    if not epochs and not (path / "result.json").exists():
        raise InvalidFileError(
            f"{path} has no policy yet: the first fit of its model has not ended. To go on, add --resume to the "
            "command in its manifest.json."
        )
    what = "has only damaged checkpoints" if epochs else "ended, but its checkpoint is not there: removed, or not kept"
    raise InvalidFileError(
        f"{path} {what}. Copy its folder 'checkpoint' back from where it was trained, or train anew with the command "
        "in its manifest.json and another --out."
    )


def _check_same(path: Path, config: Mapping[str, Any], algorithm: Algorithm) -> None:
    """Raises ExistingRunError unless the algorithm was built with the settings and the data of the run."""
    built = json.loads(json.dumps(dict(algorithm.config())))
    if (path / "manifest.json").exists():
        manifest = read_json(path / "manifest.json", "Remove it to go on without it.")
        trained = manifest.get("dataset_sha256") if isinstance(manifest, dict) else None
        if trained != algorithm.dataset_sha256:
            raise ExistingRunError(
                f"{path} was trained on another data set: its SHA-256 is {trained} there and "
                f"{algorithm.dataset_sha256} here. Put the original file back."
            )
    if different := first_difference(config.get("settings"), built):
        raise ExistingRunError(
            f"{path} cannot be evaluated: its setting {different}. Use the version of ampl named in its manifest.json."
        )
