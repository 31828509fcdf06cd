"""The tasks this project knows: dimensions, time limits, reference returns and where the original files are.

Reference returns belong to the environment: all datasets of a robot share them. Source: D4RL 1.1, score and address
tables; `tests/continuous/tasks/test_tasks.py` compares ours with the installed package's. MOPO's out-of-distribution
tasks and its HIV experiment have neither reference returns nor published files: their results are raw returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

URL_PREFIX = "http://rail.eecs.berkeley.edu/datasets/offline_rl/"
GYM_MUJOCO_DATASETS = ("random", "medium", "medium-replay", "medium-expert", "expert", "full-replay")
ADROIT_DATASETS = ("human", "cloned", "expert")
_V0_FILES = {"medium-replay": "mixed"}  # as the files call it
ANT_ANGLES = (30, 45, 60, 90)  # degrees to the x axis


class Family(Enum):
    """Tasks that share a file layout, a simulator and a version."""

    GYM_MUJOCO = "gym-mujoco v2"
    GYM_MUJOCO_V0 = "gym-mujoco v0"  # the data of MOPO's Table 1: other files of the same environments
    MAZE2D = "maze2d v1"
    ADROIT = "Adroit v1"
    OUT_OF_DISTRIBUTION = "MOPO's out-of-distribution tasks"
    TREATMENT = "MOPO's HIV experiment"
    LINEAR_GAUSSIAN = "linear-Gaussian problems"
    OWN = "data of one's own"


class TransitionMode(Enum):
    """Which transitions to take from a task's file; see `continuous.data.transitions`."""

    EXACT = "exact"  # as D4RL's qlearning_dataset
    MODEL = "model"  # for fitting a dynamics model


LOCOMOTION = (Family.GYM_MUJOCO, Family.GYM_MUJOCO_V0)


@dataclass(frozen=True, kw_only=True)
class Own:
    """What a task on data of the user's own has beside the facts of every task; actions in the environment's units."""

    data: str  # path of a file, or minari:ID, as the user gave it
    source: str  # who made it, as far as is known
    sha256: str  # of the file
    rows: int
    environment: str | None  # what `continuous.environments.own.make` makes it of; None: there is none
    action_low: tuple[float, ...]  # -1 to an algorithm
    action_high: tuple[float, ...]  # 1 to an algorithm
    bounds: str  # what has told them: "environment" or "data"
    termination: str  # "never", a robot, or MODULE:FUNCTION
    notes: tuple[str, ...] = ()  # for readers of the results
    made: Callable[[], Any] | None = field(default=None, repr=False)  # makes the environment where no text does
    rule: Callable[..., Any] | None = field(default=None, repr=False)  # of termination, where it was given as such


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: an environment with a dataset."""

    name: str  # as in D4RL: "hopper-medium-v2"; as in MOPO: "halfcheetah-jump"; ours: "hiv-treatment"
    family: Family
    robot: str  # "hopper"; the maze ("umaze"), the hand's job ("pen") or the infection ("hiv") in the other families
    dataset: str  # "medium"; the reward in maze2d ("sparse", "dense") and out of distribution ("jump", "angle-30")
    observation_size: int
    action_size: int  # every action entry lies in [-1, 1]
    episode_limit: int  # steps until an evaluation episode is cut
    reference_min: float  # return that scores 0: a uniform random policy; nan where none is published
    reference_max: float  # return that scores 100: an expert, in maze2d D4RL's controller; nan where none is published
    url: str  # empty where no file is published
    own: Own | None = None  # of the family OWN: where data and environment are

    @property
    def has_scores(self) -> bool:
        """Whether reference returns are published; without them results are raw returns."""
        return math.isfinite(self.reference_min) and math.isfinite(self.reference_max)

    @property
    def has_environment(self) -> bool:
        """Whether policies can be evaluated; on data of the user's own there may be none."""
        return self.own is None or self.own.environment is not None

    @property
    def file_name(self) -> str:
        """Name of the dataset file in D4RL's cache folder: the last part of its address, or the task's own name."""
        return self.url.rpartition("/")[2] or f"{self.name}.hdf5"


@dataclass(frozen=True, kw_only=True)
class _Body:
    """What all datasets of one environment share."""

    observation_size: int
    action_size: int
    episode_limit: int
    reference_min: float
    reference_max: float


def _body(observations: int, actions: int, limit: int, least: float, most: float) -> _Body:
    return _Body(
        observation_size=observations,
        action_size=actions,
        episode_limit=limit,
        reference_min=least,
        reference_max=most,
    )


_GYM_MUJOCO = {
    "hopper": _body(11, 3, 1000, -20.272305, 3234.3),
    "halfcheetah": _body(17, 6, 1000, -280.178953, 12135.0),
    "walker2d": _body(17, 6, 1000, 1.629008, 4592.3),
    "ant": _body(111, 8, 1000, -325.6, 3879.7),
}
_MAZE2D = {
    ("umaze", "sparse"): _body(4, 2, 300, 23.85, 161.86),
    ("umaze", "dense"): _body(4, 2, 300, 68.537689, 193.66285642381482),
    ("medium", "sparse"): _body(4, 2, 600, 13.13, 277.39),
    ("medium", "dense"): _body(4, 2, 600, 44.264742, 297.4552547777125),
    ("large", "sparse"): _body(4, 2, 800, 6.7, 273.99),
    ("large", "dense"): _body(4, 2, 800, 30.569041, 303.4857382709002),
}
_ADROIT = {
    "pen": _body(45, 24, 100, 96.262799, 3076.8331017826877),
    "door": _body(39, 28, 200, -56.512833, 2880.5693087298737),
    "hammer": _body(46, 26, 200, -274.856578, 12794.134825156867),
    "relocate": _body(39, 30, 200, -6.425911, 4233.877797728884),
}
_JUMP = _body(17, 6, 1000, math.nan, math.nan)
_ANGLE = _body(27, 8, 1000, math.nan, math.nan)  # Ant without contact forces
_HIV = _body(6, 2, 400, math.nan, math.nan)  # a step is a day


def _task(name: str, family: Family, robot: str, dataset: str, path: str, body: _Body) -> Task:
    return Task(name=name, family=family, robot=robot, dataset=dataset, url=URL_PREFIX + path, **vars(body))


def _gym_mujoco() -> Iterator[Task]:
    for robot, body in _GYM_MUJOCO.items():
        for dataset in GYM_MUJOCO_DATASETS:
            path = f"gym_mujoco_v2/{robot}_{dataset.replace('-', '_')}-v2.hdf5"
            yield _task(f"{robot}-{dataset}-v2", Family.GYM_MUJOCO, robot, dataset, path, body)


def _gym_mujoco_v0() -> Iterator[Task]:
    """The five kinds of data that D4RL had first."""
    for robot, body in _GYM_MUJOCO.items():
        for dataset in GYM_MUJOCO_DATASETS[:-1]:
            kind = _V0_FILES.get(dataset, dataset).replace("-", "_")
            stem = "walker" if (robot, kind) == ("walker2d", "mixed") else robot
            path = f"gym_mujoco/{stem}_{kind}.hdf5"
            yield _task(f"{robot}-{dataset}-v0", Family.GYM_MUJOCO_V0, robot, dataset, path, body)


def _maze2d() -> Iterator[Task]:
    """The name of a sparse task leaves the reward out, its file name does not."""
    for (maze, reward), body in _MAZE2D.items():
        name = f"maze2d-{maze}-v1" if reward == "sparse" else f"maze2d-{maze}-{reward}-v1"
        yield _task(name, Family.MAZE2D, maze, reward, f"maze2d/maze2d-{maze}-{reward}-v1.hdf5", body)


def _adroit() -> Iterator[Task]:
    for robot, body in _ADROIT.items():
        for dataset in ADROIT_DATASETS:
            name = f"{robot}-{dataset}-v1"
            yield _task(name, Family.ADROIT, robot, dataset, f"hand_dapg_v1/{name}.hdf5", body)


def _out_of_distribution() -> Iterator[Task]:
    datasets = [("halfcheetah", "jump", _JUMP), *(("ant", f"angle-{angle}", _ANGLE) for angle in ANT_ANGLES)]
    for robot, dataset, body in datasets:
        name = f"{robot}-{dataset}"
        yield Task(name=name, family=Family.OUT_OF_DISTRIBUTION, robot=robot, dataset=dataset, url="", **vars(body))


def _treatment() -> Iterator[Task]:
    body = vars(_HIV)
    yield Task(name="hiv-treatment", family=Family.TREATMENT, robot="hiv", dataset="treatment", url="", **body)


_FAMILIES = (_gym_mujoco, _gym_mujoco_v0, _maze2d, _adroit, _out_of_distribution, _treatment)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for family in _FAMILIES for task in family()})
