"""The content of a D4RL dataset file in memory, and the note of where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidShapeError

Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]


class Source(StrEnum):
    """Where a dataset comes from."""

    ORIGINAL = "original"  # D4RL's published file
    SAMPLED = "sampled"  # from a problem of this project, whose truth is known
    RE_CREATED = "re-created"  # made by a recipe of this project; never to be reported as D4RL


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a file came to be; stored in it as attributes, and shown in every card and table that the file feeds.

    None means: does not apply, or not known.
    """

    source: Source = Source.RE_CREATED
    recipe: str  # name of the task whose recipe was followed: "maze2d-umaze-v1"
    seed: int | None = None
    noise: float | None = None  # standard deviation of the noise added to actions
    mujoco_version: str | None = None
    project_version: str | None = None
    steps: int | None = None  # simulated steps, before any row was left out
    notes: str = ""  # one line: policy used, options, known differences from the original


@dataclass(frozen=True, kw_only=True)
class D4RLData:
    """N consecutive time steps, episodes one after the other; row t is what happened in step t.

    Letters: N rows, D observation size, A action size. `metadata` is kept apart since its arrays have no row axis.
    Source: D4RL's file layout.
    """

    observations: Floats  # s_t, before the action, [N, D]
    actions: Floats  # a_t as commanded, in [-1, 1], [N, A]
    rewards: Floats  # r_t, [N]
    terminals: Flags  # the task itself ended in step t, [N]
    timeouts: Flags  # the episode was cut after step t without ending, [N]
    next_observations: Floats | None = None  # s_{t+1} of the same episode, at its last step too, [N, D]
    infos: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # "qpos", "goal", ...; first axis N
    metadata: Mapping[str, Any] = field(default_factory=dict)  # "algorithm", "policy/fc0/weight", ...
    timeouts_stored: bool = True  # False: the file lacks the key, and `timeouts` was counted from the limit, if any
    provenance: Provenance | None = None  # None: nothing recorded, as in D4RL's own files
    sha256: str | None = None  # of the file; None: not computed, or not from a file

    def __post_init__(self) -> None:
        """Checks that the arrays fit together.

        Raises:
            InvalidShapeError: an array of another type, rank or length than stated above.
        """
        rows = len(self.observations)
        for name, rank in (("observations", 2), ("actions", 2), ("rewards", 1), ("next_observations", 2)):
            if (array := getattr(self, name)) is not None:
                _check_array(name, array, np.dtype(np.float32), rank, rows)
        for name in ("terminals", "timeouts"):
            _check_array(name, getattr(self, name), np.dtype(np.bool_), 1, rows)
        if self.next_observations is not None and self.next_observations.shape != self.observations.shape:
            raise InvalidShapeError(
                f"next_observations is {list(self.next_observations.shape)}; "
                f"expected {list(self.observations.shape)} like observations."
            )

    @property
    def n_rows(self) -> int:
        """N."""
        return len(self.observations)


def _check_array(name: str, array: Any, dtype: np.dtype[Any], rank: int, rows: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != rank or len(array) != rows:
        found = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InvalidShapeError(f"{name} is {found}; expected {dtype} with {rank} axes, the first of {rows} rows.")
