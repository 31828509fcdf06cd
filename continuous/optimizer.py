"""Adam over stacked parameters: every seed has its own moments and step count, and may be left out of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from continuous.networks import FlatParameters, Gradient


class StackedAdam:
    """PyTorch's fused Adam on the parameters of K seeds.

    Args:
        parameters: their stack's first axis is the seeds, K.
        learning_rate: step size.
        betas: decay of the two moments.
        weight_decay: coupled L2 penalty of parameters by name; 0 for those not named.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: Mapping[str, float] | None = None,
    ) -> None:
        decays = dict.fromkeys(parameters.views, 0.0) | dict(weight_decay or {})
        views = {name: view.detach() for name, view in parameters.views.items()}
        self._parts = [[view[seed] for view in views.values()] for seed in range(parameters.stack[0])]  # [K][names]
        groups = [
            {"params": list(parts), "weight_decay": decays[name]}
            for name, parts in zip(views, zip(*self._parts, strict=True), strict=True)
        ]
        on_gpu = parameters.values.device.type == "cuda"  # where steps are recorded and replayed
        self._adam = torch.optim.Adam(groups, lr=learning_rate, betas=betas, fused=True, capturable=on_gpu)
        for part in [part for parts in self._parts for part in parts]:
            self._adam.state[part] = {
                "step": torch.zeros((), device=part.device),
                "exp_avg": torch.zeros_like(part),
                "exp_avg_sq": torch.zeros_like(part),
            }

    @torch.no_grad()
    def step(self, gradient: Gradient, active: Sequence[bool] | None = None) -> None:
        """One step.

        Args:
            gradient: of all seeds.
            active: which seeds take it; the others keep parameters, moments and step count. All, if not given.
        """
        for index, parts in enumerate(self._parts):
            takes = active is None or active[index]
            for part, slope in zip(parts, gradient, strict=True):
                part.grad = slope[index] if takes else None
        self._adam.step()

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Moments, as vectors, and step count of one seed."""
        states = [self._adam.state[part] for part in self._parts[index]]
        moments = {
            name: torch.cat([state[name].flatten() for state in states]).cpu().numpy()
            for name in ("exp_avg", "exp_avg_sq")
        }
        return moments | {"step": states[0]["step"].cpu().numpy().copy()}

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Puts one seed back to where `state` was taken."""
        first = 0
        for part in self._parts[index]:
            own, last = self._adam.state[part], first + part.numel()
            own["step"].copy_(torch.from_numpy(np.array(state["step"])).reshape(()))
            for name in ("exp_avg", "exp_avg_sq"):
                own[name].copy_(torch.from_numpy(np.array(state[name][first:last])).view(part.shape))
            first = last


def clip_norm(gradient: Gradient, max_norm: float) -> Gradient:
    """The gradient, each seed's scaled down where its own norm over all parameters exceeds `max_norm`."""
    squares = torch.stack([slope.flatten(1).square().sum(1) for slope in gradient])  # [names, K]
    scale = (max_norm / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)  # [K]
    return [slope * scale.view(-1, *[1] * (slope.dim() - 1)) for slope in gradient]
