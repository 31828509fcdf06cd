"""A folder of `ampl data train-behavior` as the source of a dataset: which run it is, and its replay buffer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampl.errors import InvalidFileError
from continuous.data.recipes import MakeOptions
from continuous.recreate.locomotion.durations import training_time
from continuous.recreate.locomotion.levels import Level
from continuous.recreate.locomotion.made_data import as_data, replay_metadata

if TYPE_CHECKING:
    from continuous.data.d4rl_data import D4RLData


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A folder of `ampl data train-behavior`."""

    folder: Path
    robot: str
    seed: int
    steps: int  # made so far

    @property
    def command(self) -> str:
        """What continues it, without its steps and its folder."""
        return f"ampl data train-behavior {self.robot} --seed {self.seed}"

    def check_steps(self, steps: int) -> None:
        """Raises InvalidFileError unless so many steps have been made."""
        if self.steps < steps:
            command = f"{self.command} --steps {steps} --out {shlex.quote(str(self.folder))}"
            raise InvalidFileError(
                f"{self.folder} has {self.steps} of {steps} steps. Continue with `{command}`, which takes "
                f"{training_time(self.robot, steps=steps - self.steps)}, or ask for fewer with --steps."
            )


def find_training(name: str, robots: Sequence[str], options: MakeOptions, until: Level | None = None) -> TrainingRun:
    """The training run that a dataset is made of.

    Args:
        name: of the task, for messages.
        robots: whose behavior it may be; the first one's folder is looked up where the user names none.
        options: policy (the folder) and seed count.
        until: the level that a new training must reach; None: it is to make all its steps.

    Raises:
        InvalidFileError: there is none, or one of another robot.
    """
    from ampl.files import read_json
    from ampl.runs.checkpoints import checkpoint_epochs
    from continuous.recreate.locomotion.behavior import BLOCK, CHECKPOINT, MANIFEST, behavior_folder

    folder = behavior_folder(robots[0], options.seed) if options.policy is None else options.policy
    command = f"ampl data train-behavior {robots[0]} --seed {options.seed}" + (
        f" --until {until.value}" if until else ""
    )
    hint = (
        f"{name} is made of what training saw: run `{command}` first, which takes {training_time(robots[0], until)}, "
        "or name its folder with --policy."
    )
    blocks = checkpoint_epochs(folder / CHECKPOINT)
    manifest = read_json(folder / MANIFEST, hint) if blocks else {}
    if not blocks:
        raise InvalidFileError(f"there is no training run in {folder}. {hint}")
    if not isinstance(manifest, dict) or not isinstance(manifest.get("seed", options.seed), int):
        raise InvalidFileError(f"{folder / MANIFEST} is not the manifest of a training run. {hint}")
    if manifest.get("robot") not in robots:
        raise InvalidFileError(f"{folder} holds a training run of {manifest.get('robot')}. {hint}")
    seed = manifest.get("seed", options.seed)
    return TrainingRun(folder=folder, robot=manifest["robot"], seed=seed, steps=blocks[0] * BLOCK)


def replay_data(run: TrainingRun, rows: int) -> D4RLData:
    """The latest million of a run's first `rows` steps, with the keys of replay files.

    Raises:
        InvalidFileError: the buffer is missing, damaged, or has fewer rows.
    """
    from continuous.recreate.locomotion.behavior import BLOCK, CAPACITY, REPLAY
    from continuous.recreate.online_sac.replay_file import ReplayFile

    columns = ReplayFile(run.folder / REPLAY).read(rows)
    columns = {name: column[-CAPACITY:] for name, column in columns.items()}
    return as_data(columns, replay_metadata(max(rows - BLOCK, 0)), "f8")
