"""Trainings on one GPU by value, several side by side in one process: a thread and a CUDA stream each.

    python -m benchmarks.gpu_campaign DIR [--device cpu --quick] [--width N]

Each takes five stacked seeds, as published, on a dataset of DIR/data as soon as it is there, and goes on from its last
checkpoint in DIR/runs. How many run side by side is what DIR/probe.json measured as fastest. Products are in TF32 if
DIR/differences.json shows that no update differs by more than it allows. SIGTERM ends all, saved.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ampl.command_line.command_parser import parse
from ampl.command_line.commands.train import Train
from ampl.errors import AmplError, InvalidFileError
from ampl.files import read_json
from ampl.interruption import Interruption, saving_first, stop_requested
from benchmarks.gpu_measurements import allows_tf32, widest
from benchmarks.records import command_line
from continuous.tasks.find import find_task

SEEDS = "0,1,2,3,4"
PATIENCE = 600.0  # seconds to wait for datasets that are being made
logger = logging.getLogger("ampl.campaign")


class Training(NamedTuple):
    """One training by its names, in full length or as the options say."""

    algorithm: str
    task: str
    variant: str
    options: tuple[str, ...] = ()


_SHORT, _TENTH = ("--epochs", "300"), ("--epochs", "100", "--miw-steps", "10000")  # of 1000 updates each
BY_VALUE = (
    Training("mopo", "hopper-medium-replay-v2", "kit", ("--epochs", "400")),
    *(Training("mopo", f"{robot}-medium-v2", "kit", _SHORT) for robot in ("halfcheetah", "walker2d")),
    *(Training("mopo", "hopper-medium-replay-v2", variant, _SHORT) for variant in ("mbpo", "main")),
    Training("damo", "hopper-medium-replay-v2", "main", _SHORT),
    *(Training("ampl", "maze2d-umaze-v1", name, _TENTH) for name in ("main", "nw", "multi-moment")),
)
QUICK = (Training("mopo", "hopper-random-v2", "kit"), Training("damo", "hopper-random-v2", "main"))


class Queue:
    """The trainings that are left, each given out once, when its dataset is there."""

    def __init__(self, trainings: tuple[Training, ...], data: Path) -> None:
        self._left, self._data, self._lock = list(trainings), data, threading.Lock()

    def __iter__(self) -> Iterator[Training]:
        deadline = time.monotonic() + PATIENCE
        while not stop_requested():
            with self._lock:
                if not self._left:
                    return
                found = next((each for each in self._left if self._is_there(each)), None)
                if found is not None:
                    self._left.remove(found)
            if found is not None:
                yield found
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                return
            else:
                time.sleep(1.0)

    def _is_there(self, training: Training) -> bool:
        return (self._data / find_task(training.task).file_name).exists()


def train_all(queue: Queue, out: Path, device: str, *, precision: str, quick: bool) -> None:
    """One thread's trainings, one after the other; what fails is said, and the next one begins."""
    options = ["--seeds", "0,1" if quick else SEEDS, "--device", device, "--precision", precision]
    options += ["--out", str(out / "runs"), "--resume", "--checkpoint-seconds", "240"]
    options += ["--epochs", "3", "--steps-per-epoch", "8", "--model-steps", "60"] if quick else []
    with torch.cuda.stream(torch.cuda.Stream() if device == "cuda" else None):
        for training in queue:
            named = [training.algorithm, training.task, "--variant", training.variant, *training.options]
            logger.info("begins: %s", " ".join(named))
            try:
                command: Any = parse(Train, [*named, *options], prog="ampl train")
                command.run()
            except Interruption:
                return
            except (AmplError, RuntimeError):
                logger.exception("%s failed", " ".join(named))


def main() -> int:
    """Trains until nothing is left or a signal comes; returns the exit code."""
    parser = command_line(__doc__)
    parser.add_argument("out", type=Path, help="folder of `benchmarks.gpu`")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--width", type=int, help="trainings side by side; what the probe found fastest if not given")
    parser.add_argument("--quick", action="store_true", help="two trainings of a few steps")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    out = options.out.resolve()
    precision = "high" if allows_tf32(_read(out / "differences.json")) else "highest"
    width = options.width or (2 if options.quick else widest(_read(out / "probe.json")))
    torch.set_float32_matmul_precision(precision)  # of the process: every training here has the same
    logger.info("%d trainings side by side, precision %s", width, precision)
    queue = Queue(QUICK if options.quick else BY_VALUE, out / "data")
    try:
        with saving_first(), ThreadPoolExecutor(width) as pool:
            working = [
                pool.submit(train_all, queue, out, options.device, precision=precision, quick=options.quick)
                for _ in range(width)
            ]
            for each in working:
                each.result()
    except Interruption as interruption:
        return interruption.exit_code
    except Exception:
        logger.error("%s", traceback.format_exc())
        return 1
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(path)
    except InvalidFileError:
        return {}
    return found


if __name__ == "__main__":
    sys.exit(main())
