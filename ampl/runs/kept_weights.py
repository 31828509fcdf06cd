"""What a run keeps of the weights of each retraining, in its folder `weights`.

    epoch_0100.npz      w at every transition [N], as estimated after 100 epochs; w* where it is known
    summary_0100.npz    how w is distributed, a `WeightsSummary`

The second is there for copies of runs that leave out the first, which has megabytes.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ampl.errors import InvalidFileError
from ampl.files import read_npz, write_npz
from ampl.interfaces import Array
from ampl.runs.weights_summary import WeightsSummary

logger = logging.getLogger(__name__)

WEIGHTS, SUMMARY = "epoch", "summary"  # how names of the files begin


def kept_weights(folder: Path, kind: str = WEIGHTS) -> dict[int, Path]:
    """The files of a kind that are there, by the epochs trained before, in order."""
    found = {path: path.stem.removeprefix(f"{kind}_") for path in folder.glob(f"{kind}_*.npz")}
    return dict(sorted((int(number), path) for path, number in found.items() if number.isdecimal()))


def keep_weights(folder: Path, epoch: int, weights: Array, exact: Array | None) -> None:
    """Writes both files of w, [N], as estimated after `epoch` epochs; w*, [N], if it is known."""
    known = {} if exact is None else {"exact_weights": exact}
    write_npz(_place(folder, WEIGHTS, epoch), {"weights": weights, **known})
    WeightsSummary.of(weights).write(_place(folder, SUMMARY, epoch))


def read_weights(folder: Path, epoch: int) -> Array:
    """w, [N], as estimated after `epoch` epochs.  Raises InvalidFileError."""
    return read_npz(_place(folder, WEIGHTS, epoch), "the weights of a fit", ["weights"])["weights"]


def cut_weights(folder: Path, epoch: int) -> None:
    """Removes those estimated after `epoch` epochs or more, and summarizes those that an older version kept alone."""
    for kind in (WEIGHTS, SUMMARY):
        for number, path in kept_weights(folder, kind).items():
            if number >= epoch:
                path.unlink()
    for number in kept_weights(folder).keys() - kept_weights(folder, SUMMARY).keys():
        try:
            WeightsSummary.of(read_weights(folder, number)).write(_place(folder, SUMMARY, number))
        except InvalidFileError as error:
            logger.warning("these weights are not summarized: %s", error)


def _place(folder: Path, kind: str, epoch: int) -> Path:
    return folder / f"{kind}_{epoch:04d}.npz"
