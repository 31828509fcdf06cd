"""Run directories as the figures see them: found below a folder, checked, and read.

    RUNS/<task>/<algorithm>/<variant>/seed<k>/{config.json, manifest.json, metrics.csv, result.json, weights/}

Runs with other settings than the variant's own lie in `<variant>,penalty_weight=2.5/`; they never count as the
variant's. A damaged directory gets one line of warning and is left out. What a run does not say (its data source, its
steps) is unknown here, never guessed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.evaluation_schedule import LAST
from ampl.files import read_json
from ampl.runs.headline import SCORE
from ampl.runs.kept_weights import SUMMARY, kept_weights
from ampl.runs.manifest import recorded_sessions
from ampl.runs.metrics_table import EPOCH, Curve, read_curves
from ampl.runs.run_identity import recorded_settings, telling_settings
from ampl.settings import variant_folder, variant_label
from figures.inputs.run_places import PARTS, SEED, folder_of_all, order, whole

logger = logging.getLogger(__name__)

RETURN = "evaluation/return_mean"  # undiscounted, in reward units; on finite MDPs see `Run.exact`
SCORE_WINDOW = LAST  # evaluations that a run's score is the mean of; the paper logs several windows and names none
UNKNOWN = "unknown"

_T = TypeVar("_T")
_RETURN_SPREAD = "evaluation/return_spread"  # over the episodes of an evaluation; an exact return has none
_COMMIT_LENGTH = 7  # letters that name a commit


class Ending(StrEnum):
    """How far a run has come."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"  # interrupted, or still going on
    STOPPED = "stopped"  # a metric was not finite


@dataclass(frozen=True, kw_only=True)
class Run:
    """One seed.

    Attributes:
        path: its directory.
        task, algorithm, variant: what was trained on what.
        settings: those that differ from the variant's own, by key; mostly none.
        configuration: every setting as it was recorded, and what else tells runs apart, by dotted key.
        seed: >= 0.
        ending: finished, unfinished or stopped.
        message: why it stopped; otherwise empty.
        epochs: epochs recorded.
        metric: what the curve holds.
        curve: the metric that was asked for, where it was measured: normalized scores, 0-100, if nothing else was;
            empty if the run does not report it.
        exact: whether its returns are computed: (1 - discount) E[V], discounted and normalized, in reward units a step.
        data: "re-created", "original", "own: FILE", "sampled" (exact), another word of the run, or unknown.
        batch_mean, batch_max: return of the data's complete episodes, in reward units; None if unknown.
        steps: gradient steps so far; None if unknown.
        weight_steps: gradient steps of the weights at each retraining; None if unknown.
        scaled: whether the schedule was scaled down; None if unknown.
        device: what it ran on, or unknown; with commas, where sessions ran on several.
        commit: first letters of the git commit, with "+" if the checkout had changes, or unknown; likewise.
    """

    path: Path
    task: str
    algorithm: str
    variant: str
    settings: Mapping[str, Any]
    configuration: Mapping[str, Any]
    seed: int
    ending: Ending
    message: str
    epochs: int
    metric: str
    curve: Curve
    exact: bool
    data: str
    batch_mean: float | None
    batch_max: float | None
    steps: int | None
    weight_steps: int | None
    scaled: bool | None
    device: str
    commit: str

    @property
    def folder(self) -> Path:
        """The folder of all runs that it lies in."""
        return folder_of_all(self.path)

    @property
    def label(self) -> str:
        """The variant, and the settings that differ from its own: "main, penalty_weight=2.5"."""
        return variant_label(self.variant, self.settings)

    @property
    def counts(self) -> bool:
        """Whether its results may be used: not stopped, and at least one epoch is recorded."""
        return self.ending is not Ending.STOPPED and self.epochs > 0

    @property
    def score(self) -> NDArray[np.float64]:
        """The curve's values, [evaluations]."""
        return self.curve.values

    @property
    def scored(self) -> bool:
        """Whether it counts and reports the metric that was asked for."""
        return self.counts and self.score.size > 0

    @property
    def recent_score(self) -> float:
        """Mean of the last evaluations."""
        return recent(self.score)

    @property
    def last_score(self) -> float:
        """The last evaluation alone."""
        return float(self.score[-1])

    def snapshots(self) -> dict[int, Path]:
        """Files of the estimated weights by the epochs trained before, in order."""
        return kept_weights(self.path / "weights")

    def summarized(self) -> dict[int, Path]:
        """The same, and where these were not kept their summaries."""
        return dict(sorted((kept_weights(self.path / "weights", SUMMARY) | self.snapshots()).items()))


def find_runs(
    folder: Path,
    algorithm: str,
    tasks: Iterable[str] | None = None,
    variants: Iterable[str] | None = None,
    metric: str = SCORE,
) -> list[Run]:
    """The runs of an algorithm, in the order task, variant, seed.

    Args:
        folder: folder of all runs, or of one task's; it may be missing.
        algorithm: name, as on the command line.
        tasks: only these; None: all.
        variants: only these, with their own settings; None: all, whatever their settings.
        metric: what `Run.score` holds, SCORE or RETURN.

    Returns:
        Every run that can be read, those that do not count included.
    """
    tasks, variants = (None if names is None else tuple(names) for names in (tasks, variants))
    places = [*folder.glob(f"*/{algorithm}/*/seed*"), *folder.glob(f"{algorithm}/*/seed*")]
    wanted = [
        path
        for path in sorted(places, key=order)
        if (tasks is None or whole(path).parts[-4] in tasks) and (variants is None or path.parts[-2] in variants)
    ]
    return _read_runs(wanted, [metric])


def find_all_runs(folder: Path, metrics: Sequence[str] = (SCORE,)) -> list[Run]:
    """The runs of every algorithm below a folder, in the order algorithm, task, variant, seed; see `find_runs`.

    Args:
        folder: folder of all runs, of one task's, or of one algorithm's on a task.
        metrics: what `Run.score` holds: the first of these that a run has.
    """
    places = (path for pattern in ("*/*/*/seed*", "*/*/seed*", "*/seed*") for path in folder.glob(pattern))
    return _read_runs(sorted(places, key=lambda path: (whole(path).parts[-3], *order(path))), metrics)


def find_nested_runs(folders: Iterable[Path]) -> list[Run]:
    """The runs of every algorithm at any depth below folders, or that these are, in the order task, variant, seed.

    Their curves are scores, or returns where a run has no score. A run below two of the folders counts once.

    Raises:
        InvalidFileError: one of the folders is not there, or not a folder.
    """
    places: dict[Path, Path] = {}
    for folder in folders:
        check_is_folder(folder)
        for path in [folder, *folder.rglob("seed*")]:
            holds_run = any((path / name).exists() for name in ("config.json", "metrics.csv"))
            if holds_run and len(whole(path).parts) > PARTS:
                places.setdefault(path.resolve(), path)
    return _read_runs(sorted(places.values(), key=order), [SCORE, RETURN])


def check_is_folder(folder: Path) -> None:
    """Raises InvalidFileError unless the folder is there."""
    if not folder.is_dir():
        wrong = "is not a folder" if folder.exists() else "does not exist"
        raise InvalidFileError(f"{folder} {wrong}. Name a folder that `ampl train ... --out DIR` wrote runs to.")


def recent(values: NDArray[np.float64]) -> float:
    """Mean of the last SCORE_WINDOW measurements, or of all if there are fewer; at least one."""
    return float(values[-SCORE_WINDOW:].mean())


def _read_runs(paths: Iterable[Path], metrics: Sequence[str]) -> list[Run]:
    """The runs in `paths`, with the first of the metrics that each has; a warning names those that cannot be read."""
    found = []
    for path in paths:
        seed = SEED.fullmatch(whole(path).name)
        if not seed or not path.is_dir():
            continue
        task, algorithm, folder = whole(path).parts[-4:-1]
        names = {"task": task, "algorithm": algorithm, "variant": folder.partition(",")[0], "seed": int(seed[1])}
        try:
            found.append(_read_run(path, names, metrics))
        except InvalidFileError as error:
            logger.warning("%s is left out: %s", path, error)
    return found


def _read_run(path: Path, names: Mapping[str, Any], metrics: Sequence[str]) -> Run:
    """The run in `path`, which must be the one that the path names.  Raises InvalidFileError."""
    config = _read_object(path / "config.json")
    different = [name for name, value in names.items() if config.get(name) != value]
    if different:
        name = different[0]
        raise InvalidFileError(f"its config.json says {name} {config.get(name)!r}; its place says {names[name]!r}.")
    settings = recorded_settings(config)
    place = whole(path).parts[-2]
    if (expected := variant_folder(names["variant"], settings)) != place:
        raise InvalidFileError(f"its config.json has the settings of {expected!r}; its place says {place!r}.")
    result = _read_object(path / "result.json") if (path / "result.json").exists() else {"status": Ending.UNFINISHED}
    if result.get("status") not in list(Ending):
        raise InvalidFileError(f"its result.json has status {result.get('status')!r}.")
    manifest = _read_object(path / "manifest.json") if (path / "manifest.json").exists() else {}
    nothing = Curve(np.zeros(0, dtype=np.int64), np.zeros(0))
    columns = (*metrics, EPOCH, RETURN, _RETURN_SPREAD)
    table = path / "metrics.csv"
    curves = read_curves(table, columns) if table.exists() else dict.fromkeys(columns, nothing)
    metric = next((name for name in metrics if curves[name].values.size), metrics[0])
    if not np.isfinite(curves[metric].values).all():
        raise InvalidFileError(f"its metrics.csv has a value of '{metric}' that is not finite.")
    exact = curves[RETURN].values.size > 0 and not curves[_RETURN_SPREAD].values.size
    epochs = len(curves[EPOCH].values)
    if epochs < (recorded := _find(result, int, "epochs") or 0):
        raise InvalidFileError(f"its metrics.csv has {epochs} epochs; its result.json says {recorded}.")
    steps_per_epoch = _find(config, int, "settings.schedule.steps_per_epoch")
    trained = [each for each in recorded_sessions(manifest) if (_find(each, int, "first_epoch") or 1) <= epochs]
    sessions = [each for each in trained if "git" in each] or [manifest]
    return Run(
        path=path,
        **names,
        settings=settings,
        configuration=telling_settings(config),
        ending=Ending(result["status"]),
        message=str(result.get("message", "")),
        epochs=epochs,
        metric=metric,
        curve=curves[metric],
        exact=exact,
        data=_data(config, exact),
        batch_mean=_find(config, float, "settings.data.episode_return_mean"),
        batch_max=_find(config, float, "settings.data.episode_return_max"),
        steps=None if steps_per_epoch is None else epochs * steps_per_epoch,
        weight_steps=_find(config, int, "settings.schedule.miw_steps", "settings.weights.steps"),
        scaled=_find(config, bool, "settings.scaled", "settings.data.scaled"),
        device=", ".join(dict.fromkeys(_find(each, str, "device") or UNKNOWN for each in sessions)),
        commit=", ".join(dict.fromkeys(map(_commit, sessions))),
    )


def _commit(session: Mapping[str, Any]) -> str:
    commit = _find(session, str, "git.commit")
    dirty = "+" if _find(session, bool, "git.dirty") else ""
    return f"{commit[:_COMMIT_LENGTH]}{dirty}" if commit else UNKNOWN


def _data(config: Mapping[str, Any], exact: bool) -> str:
    """Where a run's data come from; exact algorithms sample theirs from the MDP."""
    own = _find(config, str, "problem.file")
    if own is not None:
        return f"own: {own}"
    return _find(config, str, "settings.data.source") or ("sampled" if exact else UNKNOWN)


def _read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.  Raises InvalidFileError."""
    value = read_json(path, "Expected a file of a run.")
    if not isinstance(value, dict):
        raise InvalidFileError(f"{path} does not hold an object.")
    return value


def _find(values: Any, kind: type[_T], *paths: str) -> _T | None:
    """The first value of the kind at one of the dotted paths; None if there is none."""
    for path in paths:
        found = values
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if type(found) is kind:
            return found
    return None
