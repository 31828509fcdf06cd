"""Trains a small deep algorithm into a folder: `python -m MODULE ALGORITHM FOLDER EPOCHS`, this one."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from ampl.scale import Scale
from ampl.training import train
from tests.continuous.algorithms.small_ampl import small_ampl
from tests.continuous.algorithms.small_dice import small_algaedice, small_odice, small_optidice
from tests.continuous.algorithms.small_model_based import BUILDERS
from tests.continuous.algorithms.small_model_free import MODEL_FREE, small_model_free

BUILD = {
    "ampl": small_ampl,
    **BUILDERS,
    **{name: partial(small_model_free, name) for name in MODEL_FREE},
    "optidice": small_optidice,
    "algaedice": small_algaedice,
    "o-dice": small_odice,
}


def small_run(algorithm: str, folder: Path, epochs: int, *, resume: bool = False) -> None:
    train(
        BUILD[algorithm]([0, 1]),  # type: ignore[operator]
        task="line",
        variant="main",
        epochs=epochs,
        out=folder,
        resume=resume,
        scale=Scale(evaluation_period=1),  # whatever the number of epochs
        checkpoint_seconds=0.0,
        checkpoint_share=1.0,
    )


if __name__ == "__main__":
    small_run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
