"""The behavior policy: a Gaussian squashed by tanh, with D4RL's names and orientation of the weights.

D4RL stores them as `metadata/policy/<name>` with shapes (out, in). Actions are sampled, also by an expert.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear, softplus

from ampl.errors import InvalidFileError, InvalidShapeError
from ampl.files import SIGNATURE, check_regular_file, check_replaceable, write_atomically
from ampl.json_text import parse_json

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
LAYERS = ("fc0", "fc1", "last_fc", "last_fc_log_std")
NAMES = tuple(f"{layer}/{part}" for layer in LAYERS for part in ("weight", "bias"))


class TanhGaussianPolicy:
    """pi(a|s): two hidden layers of rectified linear units, then mean and log standard deviation before tanh.

    Args:
        parameters: float32 tensors under `NAMES`, weights (out, in); they are copied.

    Raises:
        InvalidShapeError: layers do not fit together, or a name is missing.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        missing = [name for name in NAMES if name not in parameters]
        if missing:
            raise InvalidShapeError(f"the policy lacks '{missing[0]}'; expected {', '.join(NAMES)}.")
        self.parameters = {name: parameters[name].detach().to(torch.float32).contiguous().clone() for name in NAMES}
        self._check_shapes()
        # one product gives mean and log standard deviation
        layers = (("fc0",), ("fc1",), ("last_fc", "last_fc_log_std"))
        self._layers = [
            tuple(torch.cat([self.parameters[f"{name}/{part}"] for name in names]) for part in ("weight", "bias"))
            for names in layers
        ]

    @property
    def observation_size(self) -> int:
        """D."""
        return int(self.parameters["fc0/weight"].shape[1])

    @property
    def action_size(self) -> int:
        """A."""
        return int(self.parameters["last_fc/weight"].shape[0])

    @torch.inference_mode()
    def sample(self, observations: NDArray[Any], noise: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Actions drawn for states.

        Args:
            observations: [n, D]; used in float32.
            noise: standard normal, [n, A]; zeros give the most likely action before tanh.

        Returns:
            Actions in [-1, 1], [n, A], and the logarithms of their probability densities, [n].
        """
        flowing = torch.from_numpy(np.ascontiguousarray(observations, dtype=np.float32))
        for weight, bias in self._layers[:-1]:
            flowing = linear(flowing, weight, bias).relu_()
        mean, log_std = linear(flowing, *self._layers[-1]).chunk(2, dim=1)
        log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        before_squash = torch.addcmul(mean, log_std.exp(), noise)
        return before_squash.tanh().numpy(), log_density(before_squash, noise, log_std).numpy()

    def _check_shapes(self) -> None:
        shapes = {name: list(tensor.shape) for name, tensor in self.parameters.items()}
        for layer, fan_in in zip(LAYERS, (None, "fc0", "fc1", "fc1"), strict=True):
            weight, bias = shapes[f"{layer}/weight"], shapes[f"{layer}/bias"]
            expected_in = shapes[f"{fan_in}/bias"][0] if fan_in else weight[-1]
            if len(weight) != 2 or bias != weight[:1] or weight[1] != expected_in:
                raise InvalidShapeError(
                    f"{layer} has weight {weight} and bias {bias}; expected [out, {expected_in}] and [out]."
                )
        if shapes["last_fc/bias"] != shapes["last_fc_log_std/bias"]:
            raise InvalidShapeError("last_fc and last_fc_log_std of the policy have different numbers of actions.")


def log_density(before_squash: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
    """log pi(a|s) of a = tanh(u), u = mean + std * noise: the normal density minus log(1 - a^2), stable for large u.

    Args:
        before_squash: u, [n, A].
        noise: [n, A].
        log_std: [n, A].

    Returns:
        [n], in nats.
    """
    normal = noise.square().mul_(-0.5).sub_(log_std).sub_(0.5 * math.log(2.0 * math.pi))
    squash = 2.0 * (math.log(2.0) - before_squash - softplus(-2.0 * before_squash))
    return (normal - squash).sum(1)


def save_policy(path: Path, policy: TanhGaussianPolicy, metadata: Mapping[str, Any]) -> None:
    """Writes weights and how they came about as safetensors, atomically.

    Raises:
        ForeignFileError: `path` is taken by something else.
        InvalidFileError: it cannot be written.
    """
    from safetensors.torch import save

    check_replaceable(path)
    data = save(policy.parameters, metadata={"format": SIGNATURE, "policy": json.dumps(dict(metadata))})
    write_atomically(path, lambda file: _write(file, data))


def load_policy(path: Path) -> tuple[TanhGaussianPolicy, dict[str, Any]]:
    """The policy in a file, and how it came about (empty if the file does not say).

    Raises:
        InvalidFileError: missing, not safetensors, or without the layers of such a policy.
    """
    from safetensors import SafetensorError, safe_open

    expected = f"Expected safetensors with the tensors {', '.join(NAMES)}."
    check_regular_file(path, expected)
    try:
        with safe_open(path, framework="pt") as file:
            parameters = {name: file.get_tensor(name) for name in NAMES}
            metadata = parse_json((file.metadata() or {}).get("policy", "{}"))
        if not isinstance(metadata, dict):
            raise ValueError("what it says of itself is no object")
        return TanhGaussianPolicy(parameters), metadata
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidFileError(f"{path} cannot be read as a policy ({type(error).__name__}). {expected}") from error
    except InvalidShapeError as error:
        raise InvalidFileError(f"{path}: {error}") from error


def _write(file: Any, data: bytes) -> None:
    file.write(data)
