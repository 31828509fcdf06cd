"""Under which names files keep their columns. D4RL's own come first; the others are customary elsewhere in the field.

What a row's flag means differs from name to name, and a name that is read with the wrong meaning, or not at all, joins
episodes without a trace. So every customary name stands in this one table; a name that can mean two things, or that
nearly is a known one, is refused with a line that says what to rename.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from ampl.errors import InvalidFileError


class Meaning(Enum):
    """What a column says of its row."""

    TERMINAL = "the task itself ended in this step"
    TIMEOUT = "the episode was cut after this step"
    END = "the episode is over after this step, for either reason"
    TERMINAL_OR_END = "one of the two, by the file"
    START = "an episode begins with this row"
    NUMBER = "which episode the row belongs to"
    NEXT_OBSERVATION = "the observation after this step"


MEANINGS: Mapping[str, Meaning] = MappingProxyType({
    "terminals": Meaning.TERMINAL,  # D4RL, d3rlpy
    "terminations": Meaning.TERMINAL,  # Minari
    "terminated": Meaning.TERMINAL,  # Gymnasium
    "is_terminal": Meaning.TERMINAL,  # RLDS; not alone, see below
    "timeouts": Meaning.TIMEOUT,  # D4RL
    "truncations": Meaning.TIMEOUT,  # Minari
    "truncated": Meaning.TIMEOUT,  # Gymnasium
    "TimeLimit.truncated": Meaning.TIMEOUT,  # Gym's and Stable-Baselines3's info
    "episode_terminals": Meaning.END,  # d3rlpy
    "episode_ends": Meaning.END,
    "dones_float": Meaning.END,  # IQL
    "is_last": Meaning.END,  # RLDS
    "dones": Meaning.TERMINAL_OR_END,  # Gym, robomimic, Stable-Baselines3
    "done": Meaning.TERMINAL_OR_END,  # Tianshou
    "episode_starts": Meaning.START,  # Stable-Baselines3
    "is_first": Meaning.START,  # RLDS
    "episode_id": Meaning.NUMBER,
    "episode_ids": Meaning.NUMBER,
    "episode_index": Meaning.NUMBER,  # LeRobot
    "trajectory_id": Meaning.NUMBER,
    "trajectory_ids": Meaning.NUMBER,
    "traj_ids": Meaning.NUMBER,
    "next_observations": Meaning.NEXT_OBSERVATION,  # D4RL, Stable-Baselines3
    "next_obs": Meaning.NEXT_OBSERVATION,  # Gymnasium, robomimic
    "next_states": Meaning.NEXT_OBSERVATION,  # CORL
    "obs_next": Meaning.NEXT_OBSERVATION,  # Tianshou
})  # fmt: skip

HINT = "Expected a D4RL file: HDF5 with the arrays observations, actions, rewards, terminals and timeouts."
CUTS = frozenset({Meaning.TIMEOUT, Meaning.END, Meaning.START, Meaning.NUMBER})  # tell where episodes are cut
_REQUIRED = ("observations", "actions", "rewards")
_APART = ("infos/", "metadata/")  # groups whose names are free, but for those of time-outs and ends
_KINDS = ("action", "reward", "next")  # a key with such a word is no other name of a column without it
_LAYOUTS = {
    "episode_0/": "It is a Minari dataset: name the folder that holds its data/metadata.json.",
    "data/demo_": "It is a robomimic file: join the demonstrations row after row, and the parts of obs into "
    "observations and of next_obs into next_observations.",
    "steps/": "It has RLDS' layout: join the episodes row after row.",
}
_NO_TERMINALS = {
    Meaning.TERMINAL: "in RLDS '{}' stands in the row after the last step; store 'terminals', 1 in the row of the step "
    "that ended the task",
    Meaning.END: "'{}' does not say where the task itself ended; add 'terminals', 0 in every row if it never does",
    Meaning.TERMINAL_OR_END: "'{}' can mean either; rename it to 'terminals' if it marks the end of the task alone, or "
    "to 'episode_ends', with 'terminals' added, if it marks every end of an episode",
}


def find_columns(keys: Collection[str], path: Path) -> dict[str, Meaning]:
    """Which keys of a file tell of ends or of next observations, and what they mean, in the order of the table.

    Args:
        keys: full names of the arrays in the file.
        path: the file, for messages.

    Raises:
        InvalidFileError: observations, actions, rewards or terminals are missing, a name can mean two things, or a name
            is nearly a known one.
    """
    found = {key: meaning for name, meaning in MEANINGS.items() for key in _places(name) if key in keys}
    _check_required(keys, found, path)
    _check_near_misses([key for key in keys if key not in found and key not in _REQUIRED], found, path)
    return found


def find_next_observations(columns: Mapping[str, Meaning], path: Path) -> str | None:
    """The key of the next observations; None if there are none.

    Raises:
        InvalidFileError: there are two.
    """
    names = [key for key, meaning in columns.items() if meaning is Meaning.NEXT_OBSERVATION]
    if len(names) > 1:
        raise InvalidFileError(f"{path} has the next observations twice, as '{names[0]}' and '{names[1]}'; remove one.")
    return names[0] if names else None


def _places(name: str) -> tuple[str, ...]:
    """The keys under which a name is looked for."""
    return (name,) if MEANINGS[name] is Meaning.NEXT_OBSERVATION else (name, f"infos/{name}")


def _check_required(keys: Collection[str], found: Mapping[str, Meaning], path: Path) -> None:
    unknown = [key for key in keys if key not in found and key not in _REQUIRED]
    for key in _REQUIRED:
        if key not in keys:
            layout = next(
                (text for start, text in _LAYOUTS.items() if any(name.startswith(start) for name in keys)), ""
            )
            raise _lacking(key, keys, unknown, path, layout)
    terminals = [key for key, meaning in found.items() if meaning is Meaning.TERMINAL]
    if terminals == ["is_terminal"] or not terminals:
        for key, meaning in found.items():
            if meaning in _NO_TERMINALS:
                raise InvalidFileError(f"{path} lacks the key 'terminals', and {_NO_TERMINALS[meaning].format(key)}.")
        raise _lacking("terminals", keys, unknown, path)


def _lacking(
    key: str, keys: Collection[str], unknown: Collection[str], path: Path, layout: str = ""
) -> InvalidFileError:
    near = _near(key, unknown)
    hint = layout or (f"Rename '{near}'. {HINT}" if near else HINT)
    return InvalidFileError(f"{path} lacks the key '{key}'; it has {_listed(keys)}. {hint}")


def _check_near_misses(unknown: list[str], found: Mapping[str, Meaning], path: Path) -> None:
    """Known names in a group of their own, in other letters or misspelled, where what they would tell is missing."""
    for key in unknown:
        if not key.startswith(_APART) and (known := next((part for part in key.split("/") if part in MEANINGS), None)):
            raise InvalidFileError(
                f"{path}: '{key}' is in a group, where it would not be read; store it as one array '{known}'."
            )
    free = [key for key in unknown if not key.startswith(_APART)]
    missing = {Meaning.NEXT_OBSERVATION} - set(found.values()) | (CUTS if CUTS.isdisjoint(found.values()) else set())
    for name in (name for name, meaning in MEANINGS.items() if meaning in missing):
        cutoff = 0.6 if name in ("timeouts", "next_observations") else 0.8
        if near := _near(name, free, cutoff):
            raise InvalidFileError(
                f"{path} lacks the key '{name}' and has an unknown '{near}'; rename it, or, if it is something else, "
                f"move it to 'infos/{near}'. {HINT}"
            )


def _near(name: str, keys: Collection[str], cutoff: float = 0.6) -> str | None:
    """The key that may be this name in other letters or misspelled; None if there is none."""
    others = [kind for kind in _KINDS if kind not in name]
    folded = {key.casefold(): key for key in keys if not any(kind in key.casefold() for kind in others)}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def _listed(keys: Collection[str]) -> str:
    names = sorted(keys)
    return (", ".join(names[:12]) + (", ..." if len(names) > 12 else "")) or "none"
