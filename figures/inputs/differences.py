"""In what runs differ that may be set beside each other: the keys of `Run.configuration` that say something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from figures.inputs.runs import Run

_ABSENT = "absent"  # a setting that runs of another version do not have
LENGTH = ("schedule.epochs", "data.scaled", "scaled")  # how long a run is asked to be, and whether that is shorter
_LESS_TELLING = (".kind", ".sha256")  # settings that are named last
_MODEL, _MODEL_HASH = "model_from", "model_from.sha256"


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """The keys whose values differ between runs, those first that say most to people.

    Models that were given to runs differ by the methods that they are of. By their seeds and checksums they do only
    where some of these runs' seeds share one, and others do not.
    """
    keys = dict.fromkeys(key for run in runs for key in run.configuration)
    found = [key for key in keys if key != _MODEL_HASH and _differs(setting(run, key) for run in runs)]
    found += [_MODEL_HASH] if _MODEL_HASH in keys and not _models_go_by_method(runs) else []
    return sorted(
        found, key=lambda key: (any(key not in run.configuration for run in runs), key.endswith(_LESS_TELLING))
    )


def setting(run: Run, key: str) -> Any:
    """What a run has of a key, _ABSENT if it lacks it; of a model only the method that it is of."""
    value = run.configuration.get(key, _ABSENT)
    return value.rpartition("/seed")[0] or value if key == _MODEL and isinstance(value, str) else value


def _differs(values: Iterable[Any]) -> bool:
    first, *others = values
    return any(value != first for value in others)


def _models_go_by_method(runs: Sequence[Run]) -> bool:
    """Whether runs with models of one method all have the same one, or each seed one of its own."""
    methods: dict[Any, set[tuple[int, Any]]] = {}
    for run in runs:
        if _MODEL_HASH in run.configuration:
            methods.setdefault(setting(run, _MODEL), set()).add((run.seed, run.configuration[_MODEL_HASH]))
    counts = [
        (len(pairs), len({seed for seed, _ in pairs}), len({model for _, model in pairs})) for pairs in methods.values()
    ]
    return all(models == 1 or pairs == seeds == models for pairs, seeds, models in counts)
