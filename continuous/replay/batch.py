"""Transitions on a device, as an update takes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B transitions on a device."""

    state: torch.Tensor  # s, [B, D]
    action: torch.Tensor  # a, [B, A]
    reward: torch.Tensor  # r, [B]
    next_state: torch.Tensor  # s', [B, D]
    terminal: torch.Tensor  # bool, [B]; a time-out is no terminal
