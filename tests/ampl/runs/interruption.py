"""Runs that are killed in the middle, for tests of what a resumed run continues with."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ampl.runs.checkpoints import checkpoint_epochs

ROOT = Path(__file__).parents[3]


def train_and_kill(*arguments: str, run: Path, epoch: int, seconds: float = 120.0) -> int:
    """Starts `ampl train ARGUMENTS` with a checkpoint as often as possible, and kills it (kill -9) after one.

    Args:
        arguments: of `ampl train`; they must ask for more epochs than are trained before the kill.
        run: the run directory of one of its seeds.
        epoch: the kill waits for a checkpoint of at least so many epochs.
        seconds: how long to wait for it.

    Returns:
        The epoch of the newest checkpoint.
    """
    command = [sys.executable, "-m", "ampl", "train", *arguments, "--checkpoint-seconds", "0"]
    return kill_after_checkpoint(command, run=run, epoch=epoch, seconds=seconds)


def kill_after_checkpoint(command: Sequence[str], *, run: Path, epoch: int, seconds: float = 120.0) -> int:
    """The same for any command that trains into `run`."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=output, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        try:
            deadline = time.monotonic() + seconds
            while max(checkpoint_epochs(run / "checkpoint"), default=-1) < epoch:
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise AssertionError(f"no checkpoint of epoch {epoch} to kill at: {output.read().decode()}")
                time.sleep(0.01)
            assert process.poll() is None, "the run ended before it could be killed; let it train more epochs"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return checkpoint_epochs(run / "checkpoint")[0]


def run_bytes(run: Path, epoch: int) -> list[bytes]:
    """What a run that continues bit for bit must reproduce: metrics.csv, its weights and the checkpoint of `epoch`."""
    checkpoint = sorted((run / "checkpoint" / f"epoch_{epoch:04d}").iterdir())
    weights = sorted((run / "weights").glob("*.npz"))
    return [path.read_bytes() for path in [run / "metrics.csv", *weights, *checkpoint]]
