"""Files of behavior policies: safetensors with D4RL's names and orientation of the weights.

D4RL stores them as `metadata/policy/<name>` with shapes (out, in).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ampl.errors import InvalidFileError, InvalidShapeError
from ampl.files import SIGNATURE, check_regular_file, check_replaceable, write_bytes
from ampl.json_text import parse_json
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig

# of each layer of the network; the last one holds mean and log standard deviation side by side
_LAYERS = (("fc0",), ("fc1",), ("last_fc", "last_fc_log_std"))
NAMES = tuple(f"{name}/{part}" for names in _LAYERS for name in names for part in ("weight", "bias"))


def layers_of(policy: SquashedGaussian) -> dict[str, Tensor]:
    """A copy of the parameters of a policy of one seed with two hidden layers, under `NAMES`, weights (out, in)."""
    layers = {}
    for layer, names in enumerate(_LAYERS):
        weight, bias = (policy.network.views[f"{part}{layer}"].detach()[0] for part in ("weight", "bias"))
        for name, rows, offsets in zip(names, weight.T.chunk(len(names)), bias[0].chunk(len(names)), strict=True):
            layers[f"{name}/weight"] = rows.clone(memory_format=torch.contiguous_format)
            layers[f"{name}/bias"] = offsets.clone()
    return layers


def policy_of(layers: Mapping[str, Tensor]) -> SquashedGaussian:
    """The policy, of one seed, with these parameters under `NAMES`.

    Raises:
        InvalidShapeError: layers do not fit together, or a name is missing.
    """
    missing = [name for name in NAMES if name not in layers]
    if missing:
        raise InvalidShapeError(f"the policy lacks '{missing[0]}'; expected {', '.join(NAMES)}.")
    _check_shapes({name: list(layers[name].shape) for name in NAMES})
    hidden = (len(layers["fc0/bias"]), len(layers["fc1/bias"]))
    sizes = (layers["fc0/weight"].shape[1], len(layers["last_fc/bias"]))
    policy = SquashedGaussian(*sizes, SquashedGaussianConfig(hidden=hidden), [0])
    views = policy.network.views
    for layer, names in enumerate(_LAYERS):
        views[f"weight{layer}"].detach().copy_(torch.cat([layers[f"{name}/weight"] for name in names]).T)
        views[f"bias{layer}"].detach().copy_(torch.cat([layers[f"{name}/bias"] for name in names]))
    return policy


def save_policy(path: Path, policy: SquashedGaussian, metadata: Mapping[str, Any]) -> None:
    """Writes weights and how they came about as safetensors, atomically.

    Raises:
        ForeignFileError: `path` is taken by something else.
        InvalidFileError: it cannot be written.
    """
    from safetensors.torch import save

    check_replaceable(path)
    data = save(layers_of(policy), metadata={"format": SIGNATURE, "policy": json.dumps(dict(metadata))})
    write_bytes(path, data)


def load_policy(path: Path) -> tuple[SquashedGaussian, dict[str, Any]]:
    """The policy in a file, and how it came about (empty if the file does not say).

    Raises:
        InvalidFileError: missing, not safetensors, or without the layers of such a policy.
    """
    from safetensors import SafetensorError, safe_open

    expected = f"Expected safetensors with the tensors {', '.join(NAMES)}."
    check_regular_file(path, expected)
    try:
        with safe_open(path, framework="pt") as file:
            layers = {name: file.get_tensor(name) for name in NAMES}
            metadata = parse_json((file.metadata() or {}).get("policy", "{}"))
        if not isinstance(metadata, dict):
            raise ValueError("what it says of itself is no object")
        return policy_of(layers), metadata
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidFileError(f"{path} cannot be read as a policy ({type(error).__name__}). {expected}") from error
    except InvalidShapeError as error:
        raise InvalidFileError(f"{path}: {error}") from error


def _check_shapes(shapes: Mapping[str, list[int]]) -> None:
    for layer, below in (("fc0", None), ("fc1", "fc0"), ("last_fc", "fc1"), ("last_fc_log_std", "fc1")):
        weight, bias = shapes[f"{layer}/weight"], shapes[f"{layer}/bias"]
        fan_in = shapes[f"{below}/bias"][0] if below else weight[-1]
        if len(weight) != 2 or bias != weight[:1] or weight[1] != fan_in:
            raise InvalidShapeError(f"{layer} has weight {weight} and bias {bias}; expected [out, {fan_in}] and [out].")
    if shapes["last_fc/bias"] != shapes["last_fc_log_std/bias"]:
        raise InvalidShapeError("last_fc and last_fc_log_std of the policy have different numbers of actions.")
