"""The dataset of a task: found in the cache folders, read and checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from continuous.data.cache import find_dataset
from continuous.data.d4rl_data import D4RLData
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import check_record, dataset_sha256, read_record
from continuous.data.linear_gaussian_data import sampled_data
from continuous.data.own_data import load_own
from continuous.data.plausibility import check_plausible
from continuous.data.recipes import missing_dataset
from continuous.tasks.registry import Family, Task


def load_dataset(task: Task, path: Path | None = None) -> D4RLData:
    """The dataset of a task.

    Args:
        task: which one.
        path: its file; searched in the cache folders if not given.

    Raises:
        InvalidFileError: no file, or one that is damaged, of another task, or no longer what was downloaded; the
            message says where it belongs and which command makes it.
    """
    if task.family is Family.LINEAR_GAUSSIAN and path is None:
        return sampled_data(task)
    if task.own is not None and path is None:
        return load_own(task)
    path = path or find_dataset(task)
    if path is None:
        raise missing_dataset(task)
    with ThreadPoolExecutor(max_workers=1) as background:
        checksum = background.submit(dataset_sha256, path)
        if read_record(path) is not None:
            check_record(path, checksum.result())  # before damage can reach the HDF5 library
        data = read_d4rl(path, task)  # meanwhile the checksum, which costs about as much
        data = replace(data, sha256=checksum.result(), provenance=read_provenance(path))
    check_plausible(data, task, data.provenance, path)
    return data
