"""The card of a dataset: counts, returns as scores, flags, where it comes from, checksum. `ampl data info TASK`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ampl.statistics import spread
from continuous.data.d4rl_data import D4RLData, Provenance, Source
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import DownloadRecord, check_unchanged, dataset_sha256, read_record
from continuous.data.episodes import episode_returns, find_episodes
from continuous.data.own_data import data_file, read_own
from continuous.data.plausibility import find_oddities, find_problems
from continuous.data.transitions import exact_rows, model_rows
from continuous.tasks.registry import Family, Task
from continuous.tasks.scores import normalize_score, normalize_spread

Lines = list[tuple[str, str]]  # what, and its value


def task_card(task: Task) -> Lines:
    """What the registry knows of a task."""
    return [
        ("task", f"{task.name} ({task.family.value})"),
        ("sizes", f"observation {task.observation_size}, action {task.action_size}, limit {task.episode_limit} steps"),
        ("score", _score_rule(task)),
    ]


def _score_rule(task: Task) -> str:
    if not task.has_scores:
        return "none: returns are given as they are"
    return f"0 at a return of {task.reference_min:g}, 100 at {task.reference_max:g}"


def dataset_card(path: Path, task: Task) -> Lines:
    """What a file of a task holds.

    Raises:
        InvalidFileError: it cannot be read, or has changed since it was downloaded.
    """
    sha256 = check_unchanged(path)
    data = replace(read_d4rl(path, task), sha256=sha256 or dataset_sha256(path), provenance=read_provenance(path))
    return _card(path, data, task, describe_source(data.provenance, read_record(path)))


def own_card(name: str) -> Lines:
    """What a file or a Minari dataset holds, whose task is not known; `name` and errors as for `read_own`."""
    data = read_own(name, None)
    sizes = f"observation {data.observations.shape[1]}, action {data.actions.shape[1]}"
    low, high = data.actions.min(axis=0).tolist(), data.actions.max(axis=0).tolist()
    ranges = ", ".join(f"[{least:.3g}, {most:.3g}]" for least, most in zip(low, high, strict=True))
    known = {key: text for key, text in data.metadata.items() if key in ("minari_id", "ref_min_score", "ref_max_score")}
    source = ", ".join(f"{key} {text}" for key, text in known.items()) or describe_source(data.provenance, None)
    return [("sizes", sizes), ("actions", ranges), *_card(data_file(name), data, None, source)]


def _card(path: Path, data: D4RLData, task: Task | None, source: str) -> Lines:
    return [
        ("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)"),
        ("sha256", str(data.sha256)),
        ("source", source),
        *_counts(data, task),
        *_returns(data, task),
        *(("problem", text) for text in find_problems(data, task, data.provenance)),
        *(("note", text) for text in find_oddities(data, task)),
    ]


def describe_source(provenance: Provenance | None, record: DownloadRecord | None) -> str:
    """One line: original or re-created, and how."""
    if provenance is None:
        return f"original, from {record.url}" if record else "not recorded: D4RL's own file, or another program's"
    facts = {
        "recipe": provenance.recipe,
        "MuJoCo": provenance.mujoco_version,
        "seed": provenance.seed,
        "noise": provenance.noise,
        "simulated steps": provenance.steps,
        "ampl": provenance.project_version,
    }
    known = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    warning = "RE-CREATED, not D4RL's file" if provenance.source is Source.RE_CREATED else str(provenance.source)
    return f"{warning}: {known}" + (f"; {provenance.notes}" if provenance.notes else "")


def _counts(data: D4RLData, task: Task | None) -> Lines:
    episodes = find_episodes(data)
    whole = episodes.length[episodes.complete]
    exact = "" if task is None else f"{len(exact_rows(data, task))} as in D4RL's qlearning_dataset, "
    lines = [
        ("rows", f"{data.n_rows}, of them {whole.sum()} in {len(whole)} complete episodes"),
        ("flags", f"{data.terminals.sum()} terminals, {data.timeouts.sum()} time-outs"),
        ("transitions", f"{exact}{len(model_rows(data))} for models"),
    ]
    if len(whole):
        what = "segment" if task is not None and task.family is Family.MAZE2D else "episode"
        lines.append((f"{what} length", f"mean {whole.mean():.1f}, min {whole.min()}, max {whole.max()}"))
    keys = sorted([f"infos/{name}" for name in data.infos] + [f"metadata/{name}" for name in data.metadata])
    return [*lines, ("more keys", ", ".join(keys) or "none")]


def _returns(data: D4RLData, task: Task | None) -> Lines:
    """Returns of complete episodes; in the maze a segment ends at a navigation target, so it has no score."""
    rewards = data.rewards.astype(np.float64)
    lines = [("reward", f"mean {rewards.mean():.4f}, min {rewards.min():.4g}, max {rewards.max():.4g}")]
    returns = episode_returns(data)
    if task is not None and task.family is Family.MAZE2D:
        return [*lines, ("return", "none: segments end where the controller reached a target, not with an episode")]
    if not len(returns):
        return [*lines, ("return", "none: no episode is complete")]
    mean, deviation, least, most = returns.mean(), spread(returns), returns.min(), returns.max()
    lines = [*lines, ("return", f"mean {mean:.2f}, spread {deviation:.2f}, min {least:.2f}, max {most:.2f}")]
    if task is None or not task.has_scores:
        return lines
    score = [normalize_score(task, value) for value in (mean, least, most)]
    return [
        *lines,
        (
            "score (0-100)",
            f"mean {score[0]:.1f}, spread {normalize_spread(task, deviation):.1f}, "
            f"min {score[1]:.1f}, max {score[2]:.1f}",
        ),
    ]
