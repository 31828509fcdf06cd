"""Mutates valid dataset files and reads them: `python -m tests.continuous.data.file_mutations COUNT FOLDER KIND ...`.

Prints for each kind how many were tried and refused; ends with code 1 and the seed of the first that broke the rule:
only an AmplError, or the very arrays of the valid file.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ampl.errors import AmplError, InvalidFileError
from continuous.data.cards import dataset_card
from continuous.data.check import diagnose
from continuous.data.d4rl_file import D4RLData, read_d4rl, write_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.download_record import DownloadRecord, dataset_sha256, record_path, write_record
from continuous.tasks.registry import TASKS, Task
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, arrays_of, hopper_data, made_by, maze_data, write_plain

Rng = np.random.Generator
Arrays = dict[str, Any]


def flip_bits(content: bytes, rng: Rng) -> bytes:
    """One to eight bits, anywhere."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def overwrite(content: bytes, rng: Rng) -> bytes:
    """A stretch becomes noise, zeros, or a copy of another stretch."""
    damaged = bytearray(content)
    length = int(rng.integers(1, 200))
    start, other = (int(value) for value in rng.integers(0, len(content) - length, 2))
    fillings = [rng.bytes(length), bytes(length), content[other : other + length]]
    damaged[start : start + length] = fillings[rng.integers(3)]
    return bytes(damaged)


def truncate(content: bytes, rng: Rng) -> bytes:
    """Only the beginning is left, or a stretch is cut out, or something is appended."""
    cut = int(rng.integers(len(content)))
    length = int(rng.integers(1, 300))
    return [content[:cut], content[:cut] + content[cut + length :], content[:cut] + rng.bytes(length) + content[cut:]][
        rng.integers(3)
    ]


def spoil_numbers(arrays: Arrays, rng: Rng) -> None:
    """One entry of a column becomes impossible."""
    key = rng.choice(["observations", "actions", "rewards", "next_observations", "terminals", "timeouts"])
    if key not in arrays:
        key = "rewards"
    array = arrays[key].astype(np.float64)
    flags = key in ("terminals", "timeouts")
    array.flat[rng.integers(array.size)] = rng.choice([0.5, 2.0, -1.0, np.nan] if flags else [np.nan, np.inf, 1e39])
    arrays[key] = array


def reshape(arrays: Arrays, rng: Rng) -> None:
    """An array loses rows or columns, or gains axes."""
    key = rng.choice([name for name, value in arrays.items() if np.ndim(value) and not name.startswith("metadata")])
    array = arrays[key]
    changes: list[Callable[[], Any]] = [
        lambda: array[: rng.integers(len(array))],
        lambda: array[: len(array) // 2],
        lambda: np.concatenate([array, array[:1]]),
        lambda: array[..., None, None],
        lambda: array.ravel()[0],
        lambda: np.stack([array, array]),
        lambda: array.T if array.ndim == 2 else np.stack([array, array], axis=1),
    ]
    arrays[key] = changes[rng.integers(len(changes))]()


def retype(arrays: Arrays, rng: Rng) -> None:
    """An array becomes text, complex numbers, integers, or a compound."""
    key = rng.choice(["observations", "actions", "rewards", "terminals", "timeouts"])
    array = arrays[key]
    changes: list[Callable[[], Any]] = [
        lambda: array.astype("S8"),
        lambda: array.astype(np.complex64),
        lambda: np.zeros(array.shape, [("a", "f4"), ("b", "i4")]),
        lambda: np.array([str(value) for value in array.ravel()], dtype=object),
        lambda: array.astype(np.float16) + 0.25 if array.dtype == np.bool_ else array.astype("S3"),
    ]
    arrays[key] = changes[rng.integers(len(changes))]()


def drop_or_rename(arrays: Arrays, rng: Rng) -> None:
    """A key is missing, or has another name."""
    key = str(rng.choice(["observations", "actions", "rewards", "terminals", "timeouts"]))
    value = arrays.pop(key)
    if key == "timeouts" or rng.random() < 0.7:  # a file without time-outs at all is allowed
        arrays[str(rng.choice([key[:-1], key.upper(), key.replace("s", "S"), f"{key}_", f"x/{key}"]))] = value


def store_otherwise(arrays: Arrays, rng: Rng) -> None:
    """Double precision, float or integer flags, [N, 1]: allowed, and must change nothing."""
    for key in ("observations", "actions", "rewards", "terminals", "timeouts"):
        if rng.random() < 0.6:
            arrays[key] = arrays[key].astype(np.float64)
        elif arrays[key].dtype == np.bool_ and rng.random() < 0.5:
            arrays[key] = arrays[key].astype(rng.choice(["u1", "i8", "f2"]))
        if arrays[key].ndim == 1 and rng.random() < 0.5:
            arrays[key] = arrays[key][:, None]


BYTES = {"flips": flip_bits, "stretches": overwrite, "cuts": truncate}
CONTENT = {
    "numbers": spoil_numbers,
    "shapes": reshape,
    "types": retype,
    "keys": drop_or_rename,
    "allowed": store_otherwise,
}
SAMPLES: tuple[tuple[Task, Callable[[], D4RLData]], ...] = ((HOPPER, hopper_data), (UMAZE, maze_data))


class BrokenRuleError(Exception):
    """A damaged file was read, and gave other arrays than the valid one."""


def read_everything(path: Path, task: Task) -> D4RLData:
    """All ways a file is used; the first AmplError comes through."""
    data = read_d4rl(path, task)
    for name in data.infos:
        data.infos[name]
    if found := diagnose(path, task).problems:
        raise InvalidFileError(found[0])
    dataset_card(path, task)
    load_dataset(task, path=path)
    return data


def compare(found: D4RLData, expected: D4RLData, whole: bool) -> None:
    """Raises unless the columns are equal, and infos and metadata too if `whole`."""
    ours, theirs = arrays_of(found), arrays_of(expected)
    for key in theirs:
        if "/" in key and not whole:
            continue
        same = key in ours and np.array_equal(np.asarray(ours[key]), np.asarray(theirs[key]))
        if not same or np.asarray(ours[key]).dtype != np.asarray(theirs[key]).dtype:
            raise BrokenRuleError(f"'{key}' differs silently")


def damage_bytes(kind: str, rng: Rng, path: Path) -> bool:
    """A file of ours, whose checksums cover every array."""
    task, make = SAMPLES[rng.integers(len(SAMPLES))]
    write_d4rl(path, make(), made_by(task))
    path.write_bytes(BYTES[kind](path.read_bytes(), rng))
    try:
        compare(read_everything(path, task), make(), whole=True)
    except AmplError:
        return True
    return False


def damage_download(_: str, rng: Rng, path: Path) -> bool:
    """A file in D4RL's own format, which has no checksums inside: the record of the download tells."""
    task, make = SAMPLES[rng.integers(len(SAMPLES))]
    content = write_plain(path, arrays_of(make())).read_bytes()
    record = DownloadRecord(url=task.url, size=len(content), sha256=dataset_sha256(path))
    path.write_bytes(list(BYTES.values())[rng.integers(len(BYTES))](content, rng))
    with contextlib.suppress(AmplError):
        read_everything(path, task)  # without a record: no crash, whatever it finds
    write_record(path, record)
    try:
        load_dataset(task, path=path)
    except AmplError:
        return True
    finally:
        record_path(path).unlink()
    if path.read_bytes() != content:
        raise BrokenRuleError("a changed download was read")
    return False


def damage_content(kind: str, rng: Rng, path: Path) -> bool:
    """A whole HDF5 file with wrong content."""
    task, make = SAMPLES[rng.integers(len(SAMPLES))]
    arrays = arrays_of(make())
    CONTENT[kind](arrays, rng)
    write_plain_any(path, arrays)
    try:
        compare(read_everything(path, task), make(), whole=False)
    except AmplError:
        return True
    return False


def confuse_tasks(_: str, rng: Rng, path: Path) -> bool:
    """A valid file read as any task."""
    names = list(TASKS)
    made = TASKS[str(rng.choice([name for name in names if name.startswith(("maze2d", "hopper"))]))]
    asked = TASKS[str(rng.choice(names))]
    data = hopper_data() if made.robot == "hopper" else maze_data(task=made)
    noted = bool(rng.random() < 0.5)
    path.unlink(missing_ok=True)
    if noted:
        write_d4rl(path, data, made_by(made))
    else:
        write_plain(path, arrays_of(data))
    try:
        read_everything(path, asked)
    except AmplError:
        return True
    if asked != made and (noted or asked.robot != "hopper" or made.robot != "hopper"):
        raise BrokenRuleError(f"data of {made.name} were read as {asked.name}")
    return False


def write_plain_any(path: Path, arrays: Arrays) -> None:
    """As `write_plain`, for arrays of any type."""
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            text = np.asarray(value).dtype.kind == "O"
            file.create_dataset(key, data=value, dtype=h5py.string_dtype() if text else None)


KINDS: dict[str, Callable[[str, Rng, Path], bool]] = (
    dict.fromkeys(BYTES, damage_bytes)
    | {"downloads": damage_download}
    | dict.fromkeys(CONTENT, damage_content)
    | {"tasks": confuse_tasks}
)


def main(kind: str, count: int, folder: Path) -> int:
    """Tries `count` mutations of one kind, seeded 0, 1, ...

    Returns:
        1 if one of them broke the rule, else 0.
    """
    logging.disable()
    refused = 0
    path = folder / "mutated.hdf5"
    for seed in range(count):
        path.unlink(missing_ok=True)
        try:
            refused += KINDS[kind](kind, np.random.default_rng(seed), path)
        except Exception:
            traceback.print_exc()
            print(f"{kind}, seed {seed}", file=sys.stderr)
            return 1
    print(f"{kind}: mutations {count} refused {refused}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(max(main(kind, int(sys.argv[1]), Path(sys.argv[2])) for kind in sys.argv[3:]))
