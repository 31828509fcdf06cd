"""One seed's part of what the stacked seeds hold, for a checkpoint.

Everything that is trained is a `torch.nn.Module` whose buffers, and so the tensors of its `state_dict`, have the K
seeds on their first axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import InvalidShapeError

T = TypeVar("T")


def seed_state(tensors: Mapping[str, Tensor], index: int) -> dict[str, NDArray[Any]]:
    """A copy of one seed's slice of each tensor, such as of a `state_dict`; dots in its names become slashes."""
    return {_key(name): tensor.detach()[index].cpu().numpy().copy() for name, tensor in tensors.items()}


@torch.no_grad()
def load_seed_state(tensors: Mapping[str, Tensor], index: int, state: Mapping[str, NDArray[Any]]) -> None:
    """Puts one seed's slices back, in place, so that recorded steps see them.

    Raises:
        InvalidShapeError: the state lacks one, or has it in another shape.
    """
    for key, slot in ((_key(name), tensor[index]) for name, tensor in tensors.items()):
        if key not in state or state[key].shape != slot.shape:
            found = list(state[key].shape) if key in state else "none"
            raise InvalidShapeError(f"'{key}' has shape {found} where it was saved; expected {list(slot.shape)}.")
        slot.copy_(torch.from_numpy(np.array(state[key])))


def prefixed(prefix: str, state: Mapping[str, T]) -> dict[str, T]:
    """A component's state under its own name: keys become `prefix/key`."""
    return {f"{prefix}/{name}": value for name, value in state.items()}


def without_prefix(prefix: str, state: Mapping[str, T]) -> dict[str, T]:
    """The entries that `prefixed` put under `prefix`, with their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}


def _key(name: str) -> str:
    return name.replace(".", "/")
