"""A DAPG policy from a file: a Gaussian network with two tanh layers, of which D4RL's expert data take the mean.

The file is an .npz with `w0, b0, w1, b1, w2, b2` (weights [out, in]) and, where they are not trivial, `in_shift`,
`in_scale`, `out_shift`, `out_scale` and `log_std`:

    mean = out_scale * (w2 tanh(w1 tanh(w0 x + b0) + b1) + b2) + out_shift,   x = (o - in_shift) / (in_scale + 1e-8)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz

_LAYERS = ("w0", "b0", "w1", "b1", "w2", "b2")
_SCALE_FLOOR = 1e-8


@dataclass(frozen=True, kw_only=True)
class DapgPolicy:
    """The network; letters: D observation size, A action size, H and G hidden widths. All float32."""

    arrays: Mapping[str, NDArray[np.float32]]  # every array that the module's docstring names

    def mean(self, observations: torch.Tensor) -> torch.Tensor:
        """Mean actions [B, A] of observations [B, D], not clipped, on their device."""
        part = {name: torch.as_tensor(value, device=observations.device) for name, value in self.arrays.items()}
        hidden = (observations - part["in_shift"]) / (part["in_scale"] + _SCALE_FLOOR)
        hidden = torch.tanh(hidden @ part["w0"].T + part["b0"])  # [B, H]
        hidden = torch.tanh(hidden @ part["w1"].T + part["b1"])  # [B, G]
        return (hidden @ part["w2"].T + part["b2"]) * part["out_scale"] + part["out_shift"]

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """Mean actions clipped to [-1, 1]; nothing is drawn."""
        return self.mean(observations).clamp(-1.0, 1.0)

    @property
    def log_std(self) -> NDArray[np.float32] | None:
        """Logarithm of the Gaussian's standard deviations, [A]; None where the file does not tell."""
        return self.arrays.get("log_std")


def read_policy(path: Path, observation_size: int, action_size: int) -> DapgPolicy:
    """Reads a policy and checks it against its task.

    Args:
        path: an .npz as in the module's docstring.
        observation_size: D of the task.
        action_size: A of the task.

    Raises:
        InvalidFileError: missing, not such a file, for another task, or with numbers that are not finite.
    """
    arrays = read_npz(path, "a DAPG policy", _LAYERS, ("in_shift", "in_scale", "out_shift", "out_scale", "log_std"))
    first, second = (arrays[name].shape[0] if arrays[name].ndim == 2 else 0 for name in ("w0", "w1"))
    trivial: dict[str, NDArray[Any]] = {
        "in_shift": np.zeros(observation_size),
        "in_scale": np.ones(observation_size),
        "out_shift": np.zeros(action_size),
        "out_scale": np.ones(action_size),
    }
    shapes = {
        "w0": (first, observation_size),
        "b0": (first,),
        "w1": (second, first),
        "b1": (second,),
        "w2": (action_size, second),
        "b2": (action_size,),
    } | {name: value.shape for name, value in trivial.items()}
    if "log_std" in arrays:
        shapes["log_std"] = (action_size,)
    arrays = trivial | arrays
    for name, shape in shapes.items():
        _check_array(path, name, arrays[name], shape)
    return DapgPolicy(arrays={name: arrays[name].astype(np.float32) for name in shapes})


def _check_array(path: Path, name: str, value: NDArray[Any], shape: tuple[int, ...]) -> None:
    if value.shape != shape or 0 in shape:
        raise InvalidFileError(
            f"{path}: array '{name}' is {list(value.shape)}; expected {list(shape)}. Is the policy of another task?"
        )
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        raise InvalidFileError(f"{path}: array '{name}' holds something other than finite numbers.")
