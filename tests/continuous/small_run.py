"""Trains the small deep AMPL of the tests into a folder: `python -m tests.continuous.small_run FOLDER EPOCHS`."""

from __future__ import annotations

import sys
from pathlib import Path

from ampl.training import train
from tests.continuous.small_ampl import small_ampl


def small_run(folder: Path, epochs: int, *, resume: bool = False) -> None:
    train(
        small_ampl([0, 1]),
        task="line",
        variant="main",
        epochs=epochs,
        out=folder,
        resume=resume,
        checkpoint_seconds=0.0,
        checkpoint_share=1.0,
    )


if __name__ == "__main__":
    small_run(Path(sys.argv[1]), int(sys.argv[2]))
