"""What a training hands back for each of its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampl.runs.run_directory import Result


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """What became of one seed.

    Attributes:
        seed: it.
        task: what it was trained on.
        path: its run directory.
        variant: of the algorithm.
        settings: by key, those that differ from the variant's own.
        notes: what readers of the result must know, such as how the run was scaled down; mostly none.
        result: how it ended, after how many epochs, with the metrics of the last one.
    """

    seed: int
    task: str
    path: Path
    variant: str
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    result: Result
