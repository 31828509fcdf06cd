"""Where dataset files lie: D4RL's own cache folder first, then ours below the current directory.

D4RL's folder is `D4RL_DATASET_DIR`, or `~/.d4rl/datasets` where that is not set. Ours is used when there is no home
directory that can be written to. A folder that the user named is the only one.
"""

from __future__ import annotations

import os
from pathlib import Path

from ampl.errors import InvalidArgumentError
from continuous.tasks.registry import Family, Task

FOLDER_VARIABLE = "D4RL_DATASET_DIR"
OUR_FOLDER = Path("datasets")


def dataset_folders() -> tuple[Path, ...]:
    """The folders that are searched, in order."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return (Path(named),)
    try:
        return (Path.home() / ".d4rl" / "datasets", OUR_FOLDER)
    except RuntimeError:  # no home directory
        return (OUR_FOLDER,)


def dataset_path(task: Task) -> Path:
    """Where a new file of this task belongs: in the first folder that can be written to.

    Raises:
        InvalidArgumentError: a task without a file.
    """
    _check_has_file(task)
    folders = dataset_folders()
    folder = next((folder for folder in folders if _writable(folder)), folders[0])
    return folder / task.file_name


def find_dataset(task: Task) -> Path | None:
    """The file of this task, or None if none of the folders has it.

    Raises:
        InvalidArgumentError: a task without a file.
    """
    _check_has_file(task)
    return next((path for folder in dataset_folders() if (path := folder / task.file_name).exists()), None)


def _check_has_file(task: Task) -> None:
    if task.family is Family.LINEAR_GAUSSIAN:
        raise InvalidArgumentError(
            f"{task.name} has no file: its data are sampled when they are needed, so there is nothing to make, look up "
            f"or download. `ampl train mopo {task.name}` trains on them."
        )


def _writable(folder: Path) -> bool:
    """Whether files can be created in the folder, or the folder itself where it does not exist yet."""
    nearest = next((part for part in (folder, *folder.absolute().parents) if part.exists()), None)
    return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
