"""Offline data on a device: the transitions of a D4RL task as torch tensors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from continuous.data.cache import find_dataset
from continuous.data.d4rl_data import Floats, Provenance
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import check_record, file_sha256, read_record
from continuous.data.episodes import episode_returns, start_states
from continuous.data.plausibility import check_plausible
from continuous.data.recipes import missing_dataset
from continuous.data.transitions import TransitionArrays, TransitionMode, make_transitions
from continuous.replay.batch import Batch
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class DeviceDataset(Batch):
    """All N transitions of a dataset on one device, with B = N above, and the states its episodes start from."""

    start_state: torch.Tensor  # draws from mu0, [M, D]
    sha256: str | None = None  # of the file; None where the data did not come from one
    provenance: Provenance | None = None  # None: nothing recorded, as in D4RL's own files
    episode_returns: NDArray[np.float64] | None = None  # of complete episodes, in reward units; None: there are none

    def __post_init__(self) -> None:
        """Raises InvalidShapeError unless the columns have one length and one device."""
        columns = (self.state, self.action, self.reward, self.next_state, self.terminal)
        if len({(len(column), column.device) for column in columns}) != 1:
            shapes = [f"{list(column.shape)} on {column.device}" for column in columns]
            raise InvalidShapeError(f"the columns of a dataset are {', '.join(shapes)}; expected equal lengths.")

    @property
    def n_transitions(self) -> int:
        """N."""
        return len(self.state)

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """B = batch_size transitions drawn uniformly with replacement.

        Args:
            batch_size: B >= 1.
            generator: on the device of the data, or on the CPU.

        Raises:
            InvalidArgumentError: batch_size < 1.
        """
        check_at_least("batch_size", batch_size, 1)
        rows = torch.randint(self.n_transitions, (batch_size,), generator=generator, device=generator.device)
        rows = rows.to(self.state.device)
        return Batch(
            state=self.state[rows],
            action=self.action[rows],
            reward=self.reward[rows],
            next_state=self.next_state[rows],
            terminal=self.terminal[rows],
        )


def load_dataset(
    task: Task,
    *,
    path: Path | None = None,
    mode: TransitionMode = TransitionMode.MODEL,
    device: torch.device | str = "cpu",
) -> DeviceDataset:
    """The dataset of a task, ready on a device.

    Args:
        task: which one.
        path: its file; searched in the cache folders if not given.
        mode: which transitions to take.
        device: where the tensors go.

    Raises:
        InvalidFileError: no file, or one that is damaged, of another task, or no longer what was downloaded; the
            message says where it belongs and which command makes it.
    """
    path = path or find_dataset(task)
    if path is None:
        raise missing_dataset(task)
    with ThreadPoolExecutor(max_workers=1) as background:
        checksum = background.submit(file_sha256, path)
        if read_record(path) is not None:
            check_record(path, checksum.result())  # before damage can reach the HDF5 library
        data = read_d4rl(path, task)  # meanwhile the checksum, which costs about as much
        sha256 = checksum.result()
    provenance = read_provenance(path)
    check_plausible(data, task, provenance, path)
    transitions = make_transitions(data, task, mode)
    dataset = to_device(transitions, start_states(data), device=device, sha256=sha256, provenance=provenance)
    returns = episode_returns(data)
    if task.family is Family.MAZE2D or not len(returns):  # in the maze, segments end where a target was reached
        return dataset
    return replace(dataset, episode_returns=returns)


def to_device(
    transitions: TransitionArrays,
    starts: Floats,
    *,
    device: torch.device | str,
    sha256: str | None = None,
    provenance: Provenance | None = None,
) -> DeviceDataset:
    """Transitions in memory as tensors on a device.

    Args:
        transitions: N of them.
        starts: states that episodes start from, [M, D].
        device: where the tensors go.
        sha256: checksum of the file they came from.
        provenance: where that file came from.

    Raises:
        InvalidArgumentError: the device is not there.
    """
    columns: dict[str, Any] = {name: _tensor(array, device) for name, array in vars(transitions).items()}
    return DeviceDataset(**columns, start_state=_tensor(starts, device), sha256=sha256, provenance=provenance)


def _tensor(array: np.ndarray[Any, Any], device: torch.device | str) -> torch.Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidArgumentError(f"device '{device}' cannot be used: {error}") from error
