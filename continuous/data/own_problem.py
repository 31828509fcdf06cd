"""From data of the user's own, an environment and what is said of both to a task: `ampl train --data FILE --env ID`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.own_data import GivenData
from continuous.data.d4rl_data import D4RLData
from continuous.data.episodes import find_episodes
from continuous.data.own_data import MINARI, read_own
from continuous.data.own_notes import data_notes, environment_notes
from continuous.environments.own import Survey, environment_text, shown, survey, text_of_spec
from continuous.tasks.own import Portable, name_of
from continuous.tasks.registry import Family, Own, Task
from continuous.tasks.termination import LEAST_SIZES, TERMINATIONS, UNKNOWN

_FAR = 1e6  # times the data's largest action: a bound beyond it, such as float32's largest number, is none
_FUNCTION = "MODULE:FUNCTION, a function of states [N, D], actions [N, A] and next states [N, D] that gives bool [N]"


def open_own(given: GivenData, name: str) -> Task:
    """The task; its data are read, to be checked against all that is said of them.

    Args:
        given: data, environment, termination and references.
        name: of the task.

    Raises:
        InvalidFileError: the data cannot be used, or do not fit the environment.
        InvalidArgumentError: no environment is named, it cannot be made or has other than Box spaces.
        MissingPackageError: a Minari dataset without the package.
    """
    text, made, found = _environment(given)
    data = read_own(given.data, None if found is None else found.episode_limit)
    if found is not None:
        _check_sizes(data, given.data, found)
    _check_cuts(data, given.data, found)
    low, high, told_by = _bounds(data, found)
    rule, function = _termination(given, found, data)
    own = Own(
        data=given.data,
        source=_source(data, given.data),
        sha256=str(data.sha256),
        rows=data.n_rows,
        environment=text,
        action_low=low,
        action_high=high,
        bounds=told_by,
        termination=rule,
        made=made,
        rule=function,
    )
    longest = int(find_episodes(data).length.max())
    limit = longest if found is None or found.episode_limit is None else found.episode_limit
    notes = [*environment_notes(own, found, limit), *data_notes(own, data)]
    references = given.references or _references(data)
    return Task(
        name=name,
        family=Family.OWN,
        robot="",
        dataset="",
        observation_size=data.observations.shape[1],
        action_size=data.actions.shape[1],
        episode_limit=limit,
        reference_min=references[0],
        reference_max=references[1],
        url="",
        own=replace(own, notes=tuple(notes)),
    )


def check_rule_is_known(task: Task, data: D4RLData) -> None:
    """For algorithms that follow paths of a model, whose ends the data's terminal flags do not tell.

    Raises:
        InvalidArgumentError: data of the user's own have terminal rows, and no rule is known.
    """
    own = task.own
    if own is not None and own.termination == UNKNOWN:
        where = "these data" if own.environment is None else shown(own.environment)
        raise InvalidArgumentError(
            f"{own.data}: {data.terminals.sum()} of {data.n_rows} rows are terminal, first row "
            f"{data.terminals.argmax()}, and no rule is known that ends paths of a model of {where}. Give "
            f"--termination {_FUNCTION}, or --termination never to let paths run on."
        )


def record(task: Task) -> dict[str, Any]:
    """What config.json keeps of a task, as JSON values; `recall` makes the task of it."""
    own = task.own
    assert own is not None
    return {
        "data": own.data,
        "file": own.data if own.data.startswith(MINARI) else Path(own.data).name,
        "source": own.source,
        "sha256": own.sha256,
        "rows": own.rows,
        "environment": own.environment,
        "observation_size": task.observation_size,
        "action_size": task.action_size,
        "episode_limit": task.episode_limit,
        "action_low": list(own.action_low),
        "action_high": list(own.action_high),
        "bounds": own.bounds,
        "termination": own.termination,
        "references": [task.reference_min, task.reference_max] if task.has_scores else None,
        "notes": list(own.notes),
    }


def recall(kept: Mapping[str, Any], name: str) -> Task:
    """The task of a record; neither data nor environment are looked at.

    Raises:
        KeyError, TypeError, ValueError: it is no such record.
    """
    low, high = kept["references"] or (math.nan, math.nan)
    words = {key: kept[key] for key in ("data", "source", "sha256", "rows", "environment", "bounds", "termination")}
    own = Own(
        **words,
        action_low=tuple(map(float, kept["action_low"])),
        action_high=tuple(map(float, kept["action_high"])),
        notes=tuple(kept["notes"]),
    )
    sizes = {key: int(kept[key]) for key in ("observation_size", "action_size", "episode_limit")}
    return Task(
        name=name,
        family=Family.OWN,
        robot="",
        dataset="",
        **sizes,
        reference_min=float(low),
        reference_max=float(high),
        url="",
        own=own,
    )


def _environment(given: GivenData) -> tuple[str | None, Callable[[], Any] | None, Survey | None]:
    """The environment that is named, or that a Minari dataset names."""
    asked = given.env
    if asked is None and given.data.startswith(MINARI):
        asked = _recovered(given.data)
    if asked is None:
        raise InvalidArgumentError(
            f"no environment is named for {given.data}; give --env ENV_ID, the Gymnasium environment that the data "
            "come from, or --env none to train without evaluation."
        )
    text, made = environment_text(asked)
    return text, made, None if text is None else survey(text, made)


def _recovered(data: str) -> str:
    """The text of the environment in a Minari dataset's metadata: that for evaluation, or that of the collection."""
    metadata = read_own(data, None).metadata
    for key in ("eval_env_spec", "env_spec"):
        try:
            spec = json.loads(metadata[key])
            if spec.get("additional_wrappers"):
                continue  # an id and its arguments would make another environment
            text = text_of_spec(spec["id"], spec.get("kwargs", {}), spec.get("max_episode_steps"))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if text is not None:
            return text
    raise InvalidArgumentError(
        f"{data} names no environment that can be made again (one with wrappers of its own cannot); give --env ENV_ID, "
        "or --env none to train without evaluation."
    )


def _check_sizes(data: D4RLData, where: str, found: Survey) -> None:
    """Raises InvalidFileError where the data have other sizes than the environment."""
    for what, array, size in (
        ("observations", data.observations, found.observation_size),
        ("actions", data.actions, found.action_size),
    ):
        if array.shape[1] != size:
            raise InvalidFileError(
                f"{where}: '{what}' has {array.shape[1]} columns; {found.name} has {size}. Are they another "
                "environment's data?"
            )


def _check_cuts(data: D4RLData, where: str, found: Survey | None) -> None:
    """Raises InvalidFileError where time-outs of a file seem to be missing; Minari keeps each episode by itself."""
    if found is None or found.episode_limit is None:
        if not data.timeouts_stored:
            raise InvalidFileError(
                f"{where} lacks the key 'timeouts', and {'--env none' if found is None else found.name} has no time "
                "limit from which to count them; add them, or name an environment that has one (--env)."
            )
        return
    episodes, limit = find_episodes(data), found.episode_limit
    longest = int(episodes.length.argmax())
    length = int(episodes.length[longest])
    if length > limit and not where.startswith(MINARI):
        raise InvalidFileError(
            f"{where}: by its flags an episode has {length} rows, from row {episodes.start[longest]} on; {found.name} "
            f"cuts episodes after {limit} steps. Time-outs seem to be missing: mark them in 'timeouts', or remove the "
            "column of time-outs to have episodes cut at the limit; if they really are longer, name an environment "
            "with their limit."
        )


def _bounds(data: D4RLData, found: Survey | None) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Each action's bounds in the environment, and who told them; the data's range stands in where there is none.

    An action that never changes and has no bound to a side gets one at a distance of 1.
    """
    least, largest = data.actions.min(axis=0).astype(np.float64), data.actions.max(axis=0).astype(np.float64)
    free = np.full(data.actions.shape[1], np.inf)
    low, high = (-free, free) if found is None else map(np.array, found.action_bounds)
    far = _FAR * np.maximum(np.maximum(-least, largest), 1.0)
    no_low, no_high = low < -far, high > far
    low = np.where(no_low, np.minimum(least, high), low)
    high = np.where(no_high, np.maximum(largest, low), high)
    constant = low == high
    low, high = low - (constant & no_low), high + (constant & no_high)
    if not (no_low | no_high).any():
        told_by = "environment"
    else:
        told_by = "data" if (no_low & no_high).all() else "environment and data"
    return tuple(low.tolist()), tuple(high.tolist()), told_by


def _termination(given: GivenData, found: Survey | None, data: D4RLData) -> tuple[str, Callable[..., Any] | None]:
    """The rule as a text, and the function where one is given.

    Raises:
        UnknownNameError: no such rule.
        InvalidArgumentError: a robot's, and observations have fewer numbers than the robot's.
    """
    asked = given.termination
    if callable(asked):
        return name_of(asked), Portable(asked)
    if asked is not None:
        if ":" not in asked and asked not in ("never", *TERMINATIONS):
            raise UnknownNameError("--termination", asked, ["never", *TERMINATIONS, "MODULE:FUNCTION"])
        size, least = data.observations.shape[1], LEAST_SIZES.get(asked, 0)
        if size < least:
            raise InvalidArgumentError(
                f"--termination is {asked}, and observations have {size} numbers; a {asked} observes {least} or more. "
                f"Give {_FUNCTION}, or never."
            )
        return asked, None
    if found is not None and found.termination is not None:
        return found.termination, None
    return UNKNOWN if data.terminals.any() else "never", None


def _references(data: D4RLData) -> tuple[float, float]:
    """The returns that score 0 and 100 by the dataset's metadata; nan where it has none."""
    try:
        low, high = (float(data.metadata[name]) for name in ("ref_min_score", "ref_max_score"))
    except (KeyError, TypeError, ValueError):
        return math.nan, math.nan
    return (low, high) if low < high < math.inf else (math.nan, math.nan)


def _source(data: D4RLData, name: str) -> str:
    if data.provenance is not None:
        return str(data.provenance.source)
    return "Minari" if name.startswith(MINARI) else "not recorded"
