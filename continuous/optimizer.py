"""Adam over stacked parameters: every seed has its own moments and step count, and may be left out of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from continuous.networks import FlatParameters, Gradient

_EPSILON = 1e-8


class StackedAdam:
    """Adam on the parameters of K seeds, by the kernel behind `torch.optim.Adam(fused=True)`.

    The kernel is called directly: around it, the optimizer class spends as long again on small networks, and it wants
    one step count for all seeds. A test compares the two.

    Args:
        parameters: their stack's first axis is the seeds, K.
        learning_rate: step size, until `set_learning_rate` changes it.
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
        self._betas = betas
        self._learning_rate = torch.tensor(learning_rate, device=parameters.values.device)  # [], read by recorded steps
        self._parameters = parameters
        self._first, self._second = parameters.frozen(), parameters.frozen()  # moments
        self._first.values.zero_()
        self._second.values.zero_()
        self._counts = list(torch.zeros(parameters.stack[0], device=parameters.values.device))  # of steps, [] each
        decays = dict.fromkeys(parameters.views, 0.0) | dict(weight_decay or {})
        names = list(parameters.views)
        self._groups = {
            decay: [index for index, name in enumerate(names) if decays[name] == decay]
            for decay in dict.fromkeys(decays[name] for name in names)
        }
        owners = (parameters, self._first, self._second)
        self._parts = [
            [[view.detach()[seed] for view in owner.views.values()] for owner in owners]
            for seed in range(parameters.stack[0])
        ]  # [K][values and moments][names]

    def set_learning_rate(self, value: float) -> None:
        """Changes the step size from the next step on; not part of the state, as schedules know it from the epoch."""
        self._learning_rate.fill_(value)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the kernel cannot be traced
    @torch.no_grad()
    def step(self, gradient: Gradient, active: Sequence[bool] | None = None) -> None:
        """One step.

        Args:
            gradient: of all seeds.
            active: which seeds take it; the others keep parameters, moments and step count. All, if not given.
        """
        seeds = [seed for seed in range(len(self._parts)) if active is None or active[seed]]
        if not seeds:
            return
        torch._foreach_add_([self._counts[seed] for seed in seeds], 1.0)
        for decay, names in self._groups.items():
            places = [(seed, name) for seed in seeds for name in names]
            values, first, second = ([self._parts[seed][what][name] for seed, name in places] for what in range(3))
            torch._fused_adam_(
                values,
                [gradient[name][seed] for seed, name in places],
                first,
                second,
                [],
                [self._counts[seed] for seed, _ in places],
                lr=self._learning_rate,
                beta1=self._betas[0],
                beta2=self._betas[1],
                weight_decay=decay,
                eps=_EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Moments, as vectors, and step count of one seed."""
        return {
            "first_moment": self._first.of_seed(index).cpu().numpy(),
            "second_moment": self._second.of_seed(index).cpu().numpy(),
            "step": self._counts[index].cpu().numpy().copy(),
        }

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Puts one seed back to where `state` was taken."""
        self._first.set_seed(index, torch.from_numpy(np.array(state["first_moment"])))
        self._second.set_seed(index, torch.from_numpy(np.array(state["second_moment"])))
        self._counts[index].fill_(float(state["step"]))


def clip_norm(gradient: Gradient, max_norm: float) -> Gradient:
    """The gradient, each seed's scaled down where its own norm over all parameters exceeds `max_norm`."""
    squares = torch.stack([slope.flatten(1).square().sum(1) for slope in gradient])  # [names, K]
    scale = (max_norm / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)  # [K]
    return [slope * scale.view(-1, *[1] * (slope.dim() - 1)) for slope in gradient]
