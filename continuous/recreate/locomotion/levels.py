"""What "medium" and "expert" mean: the mean returns of D4RL's v2 files.

A level is reached at the first evaluation whose mean return lies within 5 % of the level's. Its policy is the one
evaluated nearest to the level up to that moment.  Source: episode returns of D4RL's published files.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from ampl.errors import InvalidFileError
from ampl.files import write_text


class Level(Enum):
    """How good a behavior policy is."""

    MEDIUM = "medium"
    EXPERT = "expert"


TOLERANCE = 0.05  # of the level's return

LEVEL_RETURNS: Mapping[str, Mapping[Level, float]] = MappingProxyType(
    {
        "hopper": {Level.MEDIUM: 1422.06, Level.EXPERT: 3511.36},
        "halfcheetah": {Level.MEDIUM: 4770.33, Level.EXPERT: 10656.43},
        "walker2d": {Level.MEDIUM: 2852.09, Level.EXPERT: 4920.51},
    }
)


def policy_file_name(robot: str, level: Level) -> str:
    """Name of the file of a behavior policy."""
    return f"{robot}-{level.value}.safetensors"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One point of a learning curve."""

    steps: int  # of the environment, all in the replay buffer
    updates: int  # of the networks
    minutes: float  # of training so far, earlier evaluations included
    episodes: int
    return_mean: float  # with sampled actions
    return_std: float
    return_min: float
    return_max: float
    length_mean: float  # steps an episode
    temperature: float  # alpha, reward units a nat
    entropy: float  # of the policy, nats; this and the next two are 0 before the first update
    target_value: float  # mean target of the critics, reward units
    critic_error: float  # mean squared, reward units squared


def is_near(mean: float, target: float) -> bool:
    """Whether a mean return lies within the tolerance of a target."""
    return abs(mean - target) <= TOLERANCE * target


def is_reached(curve: Sequence[Evaluation], target: float) -> bool:
    """Whether the mean return of some evaluation lies within the tolerance."""
    return any(is_near(point.return_mean, target) for point in curve)


def nearest_to(curve: Sequence[Evaluation], target: float) -> Evaluation | None:
    """The evaluation nearest to the target, among those up to the first within the tolerance; the earlier of equals."""
    nearest: Evaluation | None = None
    for point in curve:
        if nearest is None or abs(point.return_mean - target) < abs(nearest.return_mean - target):
            nearest = point
        if is_near(point.return_mean, target):
            break
    return nearest


def write_curve(path: Path, curve: Sequence[Evaluation], comment: str) -> None:
    """Writes a learning curve as CSV under one line of comment, atomically."""
    text = io.StringIO()
    text.write(f"# {comment}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Evaluation)])
    for point in curve:
        writer.writerow(list(asdict(point).values()))
    write_text(path, text.getvalue())


def read_curve(path: Path) -> list[Evaluation]:
    """Reads what `write_curve` wrote.

    Raises:
        InvalidFileError: missing, or not such a table.
    """
    whole = {"steps", "updates", "episodes"}
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        points = []
        for row in csv.DictReader(lines):
            values = {name: int(text) if name in whole else float(text) for name, text in row.items()}
            if not all(map(math.isfinite, values.values())):
                raise ValueError("not finite")
            points.append(Evaluation(**values))  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise InvalidFileError(f"{path} cannot be read as a learning curve ({error}).") from error
    return points
