"""samples.npz of a run: states and actions of the data, of the model's rollouts, of the policy in model and truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampl.errors import InvalidFileError
from ampl.files import read_npz
from figures.inputs.records import Numbers

NAME = "samples.npz"
_KINDS = ("offline", "synthetic", "model", "real")
_EXPECTED = "Expected tables of finite numbers, rows of a state and its action; remove the file, or train again."


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Rows of four kinds, each at least one; D numbers a state and A an action, in the task's units.

    Attributes:
        offline_state, offline_action: [N, D] and [N, A] rows of the data.
        synthetic_state, synthetic_action: [M, D] and [M, A] rows of the model's buffer.
        model_state, model_action: [P, D] and [P, A] that the final policy visits in the model.
        real_state, real_action: [L, D] and [L, A] that it visits in the simulator.
    """

    offline_state: Numbers
    offline_action: Numbers
    synthetic_state: Numbers
    synthetic_action: Numbers
    model_state: Numbers
    model_action: Numbers
    real_state: Numbers
    real_action: Numbers


def read_samples(path: Path) -> Samples:
    """Reads and checks a samples.npz.

    Raises:
        InvalidFileError: missing, damaged, or its arrays do not fit together.
    """
    names = [f"{kind}_{what}" for kind in _KINDS for what in ("state", "action")]
    arrays = read_npz(path, "the samples of a run", names)
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.ndim != 2 or 0 in array.shape or not np.isfinite(array).all():
            shape = list(array.shape)
            raise InvalidFileError(f"{path}: array '{name}', {array.dtype} {shape}, is not one. {_EXPECTED}")
    for kind in _KINDS:
        for what in ("state", "action"):
            name, first = f"{kind}_{what}", arrays[f"offline_{what}"]
            rows, columns = arrays[name].shape
            if rows != len(arrays[f"{kind}_state"]) or columns != first.shape[1]:
                raise InvalidFileError(f"{path}: array '{name}' has shape [{rows}, {columns}]. {_EXPECTED}")
    return Samples(**{name: array.astype(np.float64) for name, array in arrays.items()})
