"""How long a dataset file of a million rows takes to become transitions on a device, and each step of the way.

    python -m benchmarks.data_loading

Files with random numbers (which compress least) and the keys, sizes and compression of D4RL's halfcheetah-medium and
maze2d-umaze; written by us, and in D4RL's own HDF5 format. Medians of `REPEATS` runs after a first one that fills the
file cache. The row-by-row loop of D4RL's qlearning_dataset is timed on `LOOP_ROWS` rows. Writes
results/data_loading.json.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import torch

from benchmarks.records import command_line, print_table, write_record
from continuous.data.d4rl_file import D4RLData, Provenance, read_d4rl, write_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.download_record import file_sha256
from continuous.data.transitions import TransitionMode, exact_transitions, model_transitions
from continuous.environments.maze2d.layouts import find_layout
from continuous.environments.maze2d.rewards import Reward
from continuous.tasks.registry import Family, Task, find_task

ROWS = 1_000_000
LOOP_ROWS = 20_000
REPEATS = 5
TARGET_SECONDS = 2.0  # what was promised for a million rows, warm
TASKS = ("halfcheetah-medium-v2", "maze2d-umaze-v1")
FORMATS: dict[str, Callable[[Path, D4RLData, Task], None]] = {
    "ours": lambda path, data, task: write_d4rl(path, data, Provenance(recipe=task.name)),
    "D4RL's": lambda path, data, task: write_plain(path, data),
}


def main() -> None:
    """Measures every task, format and step."""
    command_line(__doc__).parse_args()
    logging.disable()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in TASKS:
            task = find_task(name)
            data = make_data(task)
            for label, write in FORMATS.items():
                path = Path(folder) / f"{name}-{label}.hdf5"
                write(path, data, task)
                rows += measure(path, task, label)
                path.unlink()
            rows.append(measure_loop(data, task))
    print_table(("task", "format", "step", "rows", "seconds", "rows_a_second"), rows)
    slowest = max(row["seconds"] for row in rows if row["step"].startswith("ready"))
    print(f"slowest load: {slowest:.2f} s; promised: {TARGET_SECONDS:g} s")
    print(f"wrote {write_record('data_loading', rows).name}")


def make_data(task: Task) -> D4RLData:
    """Random numbers that pass for data of the task, episodes of 100 rows."""
    rng = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return rng.uniform(-0.2, 0.2, (ROWS, *shape)).astype(np.float32)

    observations, rewards, sizes = noise(task.observation_size), noise(), (task.observation_size + 1) // 2
    if task.family is Family.MAZE2D:
        goal = find_layout(task.robot).goal
        observations[:, :2] += goal
        rewards = Reward(task.dataset).at(observations[:, :2], goal).astype(np.float32)
    return D4RLData(
        observations=observations,
        actions=noise(task.action_size),
        rewards=rewards,
        terminals=np.zeros(ROWS, np.bool_),
        timeouts=np.arange(ROWS) % 100 == 99,
        next_observations=None if task.family is Family.MAZE2D else noise(task.observation_size),
        infos={"qpos": noise(sizes), "qvel": noise(sizes)},
    )


def write_plain(path: Path, data: D4RLData) -> None:
    """As D4RL's scripts do: automatic chunks, gzip, the oldest file format."""
    with h5py.File(path, "w") as file:
        for name in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations"):
            if (array := getattr(data, name)) is not None:
                file.create_dataset(name, data=array, compression="gzip")
        for name, array in data.infos.items():
            file.create_dataset(f"infos/{name}", data=array, compression="gzip")


def measure(path: Path, task: Task, label: str) -> list[dict[str, Any]]:
    """One row a step."""
    data = read_d4rl(path, task)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    steps: dict[str, Callable[[], object]] = {
        "sha256": lambda: file_sha256(path),
        "read": lambda: read_d4rl(path, task),
        "exact transitions": lambda: exact_transitions(data, task),
        "model transitions": lambda: model_transitions(data),
        f"ready on {device}, exact": lambda: ready(path, task, TransitionMode.EXACT, device),
        f"ready on {device}, model": lambda: ready(path, task, TransitionMode.MODEL, device),
    }
    common = {"task": task.name, "format": label, "megabytes": path.stat().st_size / 1e6}
    return [common | timed(step, run, ROWS) for step, run in steps.items()]


def ready(path: Path, task: Task, mode: TransitionMode, device: str) -> None:
    """From the file to tensors that have arrived on the device."""
    dataset = load_dataset(task, path=path, mode=mode, device=device)
    dataset.reward[-1].item()


def measure_loop(data: D4RLData, task: Task) -> dict[str, Any]:
    """A loop over rows that copies what the vectorized exact mode selects, as D4RL's function does."""

    def loop() -> None:
        kept: list[tuple[Any, ...]] = []
        for row in range(LOOP_ROWS - 1):
            if not data.timeouts[row]:
                columns = data.observations[row], data.actions[row], data.rewards[row], data.observations[row + 1]
                kept.append((*(column.astype(np.float32) for column in columns), bool(data.terminals[row])))
        for column in zip(*kept, strict=True):
            np.array(column)

    return {"task": task.name, "format": "-"} | timed("exact, row by row", loop, LOOP_ROWS)


def timed(step: str, run: Callable[[], object], rows: int) -> dict[str, Any]:
    """Median seconds, after one run that is not counted."""
    run()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return {"step": step, "rows": rows, "seconds": median(seconds), "rows_a_second": rows / median(seconds)}


if __name__ == "__main__":
    main()
