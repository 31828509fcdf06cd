"""One seed's numbers in a module as one vector, to compare them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def of_seed(module: nn.Module, index: int) -> Tensor:
    """A copy of everything that its `state_dict` has of one seed."""
    return torch.cat([tensor[index].flatten() for tensor in module.state_dict().values()])
