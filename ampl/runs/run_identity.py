"""Which settings make two runs one: all in config.json but the length, so that a run can be extended.

What follows from the length stands there under names of its own (the epochs of a warm start, of a decay), so that a run
whose schedule depends on it is another one, and the difference has a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ampl.scale import Scale

_ABSENT = "absent"
_EPOCHS = "settings.schedule.epochs"
_LENGTH = ("scale.epochs", _EPOCHS, "settings.data.scaled")  # how long it is asked to be, and whether that is shorter
_MAY_CHANGE = ("epochs", "evaluation_period", "certificate_period")  # of the scale, in one run
_PROBLEM, _MODEL = "problem", "model_from"
# Of a problem: where the file lies, whose checksum counts, and what follows from the rest.
_FOLLOWS = ("data", "file", "notes")
_NOT_TOLD_APART = tuple(f"{_PROBLEM}.{name}" for name in _FOLLOWS)
_SCALE = "scale."  # what was asked for; what it changed stands in the settings
_EPISODES, _STARTS = "scale.evaluation_episodes", "scale.common_starts"
_MEASURED = {_EPISODES: None, _STARTS: False}
"""What no setting shows, and makes evaluations of a run unlike each other; and what a run has that says nothing."""
_OLD_WEIGHTS, _WEIGHTS = "exact_weights", "known_weights"  # of AMPL, in earlier versions and now


def difference_between_runs(there: Any, here: Any) -> str | None:
    """Why the configuration `here` is not that of the run `there`, in words; None if it is, be it longer or shorter."""
    found, asked = flat_settings(there), flat_settings(here)
    different = first_difference(_without_length(found), _without_length(asked))
    before, now = found.get(_EPOCHS), asked.get(_EPOCHS)
    if different is None or before == now:
        return different
    return (
        f"{different}. The number of epochs differs, too ({before} there, {now} here), and a run is extended only "
        "where no other setting follows from it"
    )


def asked_alike(config: Any, scale: Scale, problem: Mapping[str, Any] | None, model: str | None) -> bool:
    """Whether a run with this config.json was asked for so; its length and the times of evaluations may differ.

    Args:
        config: what the file holds.
        scale: what is asked for.
        problem: the record of data of the user's own; None: there are none.
        model: the run whose model takes the place of a first fit; None: none does.
    """
    if not isinstance(config, dict):
        return False
    found = flat_settings(config)
    here: dict[str, Any] = {"problem": None if problem is None else dict(problem), "model_from": {"run": model}}
    asked = flat_settings(json.loads(json.dumps(here)))
    told = {name for name in {*found, *asked} if name.startswith("problem.") or name == "model_from.run"}
    if any(found.get(name) != asked.get(name) for name in told.difference(_NOT_TOLD_APART)):
        return False
    there = config.get("scale")
    counts = there if isinstance(there, dict) else {}
    return all(counts.get(name) == value for name, value in asdict(scale).items() if name not in _MAY_CHANGE)


def recorded_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a run's config.json that were asked for and differ from the variant's own, by key."""
    scale = config.get("scale")
    settings = scale.get("settings") if isinstance(scale, dict) else None
    return dict(settings) if isinstance(settings, dict) else {}


def telling_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What tells the results of runs apart, by dotted key: one value where runs of several versions mean the same.

    That are all settings, with the episodes of an evaluation that were asked for in place of the usual ones; whether
    evaluations start alike; the user's own problem, but for the place of its data; and whose model a run was given.
    """
    settings = config.get("settings", {})
    found, asked = flat_settings(settings), flat_settings({"scale": config.get("scale")})
    if (episodes := asked.get(_EPISODES)) is not None:
        found["evaluation_episodes"] = episodes
    if isinstance(found.get(_OLD_WEIGHTS), bool):
        found[_WEIGHTS] = "exact" if found.pop(_OLD_WEIGHTS) else "none"
    found[_STARTS] = asked.get(_STARTS, _MEASURED[_STARTS])
    data = settings.get("data") if isinstance(settings, dict) else None
    problem = config.get(_PROBLEM)
    for name, value in (problem if isinstance(problem, dict) else {}).items():
        said = isinstance(data, dict) and data.get(name) == value  # with the data already
        if name not in _FOLLOWS and not said:
            found |= flat_settings({_PROBLEM: {name: value}})
    model = config.get(_MODEL)
    if isinstance(model, dict):
        found |= {_MODEL: model.get("run"), f"{_MODEL}.sha256": model.get("sha256")}
    return found


def same_length(there: Any, here: Any) -> bool:
    """Whether two configurations ask for as many epochs."""
    found, asked = flat_settings(there), flat_settings(here)
    return all(found.get(name) == asked.get(name) for name in _LENGTH)


def first_difference(there: Any, here: Any) -> str | None:
    """The first setting in which two nested configurations differ, in words; None if they are equal."""
    found, asked = flat_settings(there), flat_settings(here)
    for name in [*asked, *found]:
        if found.get(name, _ABSENT) != asked.get(name, _ABSENT):
            return f"{name} is {found.get(name, _ABSENT)!r} there and {asked.get(name, _ABSENT)!r} here"
    return None


def _without_length(flat: Mapping[str, Any]) -> dict[str, Any]:
    outside = (*_LENGTH, *_NOT_TOLD_APART)
    kept = {name: value for name, value in flat.items() if name not in outside and not name.startswith(_SCALE)}
    return kept | {name: flat.get(name, usual) for name, usual in _MEASURED.items()}


def flat_settings(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names: {"model": {"layers": 4}} to {"model.layers": 4}."""
    if not isinstance(settings, dict):
        return {prefix.removesuffix("."): settings}
    parts = (flat_settings(part, f"{prefix}{key}.") for key, part in settings.items())
    return {name: value for part in parts for name, value in part.items()}
