"""Run-time certificates: both sides of the bounds that can be estimated, at states that training never saw.

The states are where the evaluation's episodes start. From each of them the policy's best actions are followed once in
the simulator and once in the model, with the same discount; the critics say what they expect. MOPO's Theorem 4.4 rests
on true return >= penalized return in the model, DAMO's claim is that its value estimate is conservative:

    evaluation/discounted_return_mean   in the simulator
    certificate/model_return            in the model, with rewards r - lambda u (MOPO), r - alpha R (DAMO) or r (AMPL)
    certificate/model_penalty           what was subtracted: without it the model promises the sum of both
    certificate/value_estimate          the smaller twin's value, which includes the entropy that training pays for
    certificate/left_share              paths of the model that left ten times the data's range and ended there

Paths in the model end after so many steps that what follows is worth at most 0.1 % of all (688 for a discount of 0.99).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from continuous.evaluation.evaluator import Visitor
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams

ChargedStep: TypeAlias = Callable[[Tensor, Tensor, SeedStreams], tuple[Tensor, Tensor, Tensor, Tensor]]
_TAIL = 1e-3
_RANGE = 10.0  # times the largest absolute value of each observation in the data, or times one if that is more


class ModelReturns:
    """Discounted returns of a policy in a model, one path from each start, with the same random numbers every time.

    Args:
        step: of the model: next states, rewards, ends, and what is subtracted from the rewards.
        act: from states [K, E, D] and random streams to actions [K, E, A].
        data: states of the data, [N, D], for their range.
        discount: in [0, 1].
        limit: most steps of a path, >= 1.
        seeds: K of them.
        capture: whether steps may be recorded on a GPU: nothing above waits for the host.
    """

    def __init__(
        self,
        step: ChargedStep,
        act: Callable[[Tensor, SeedStreams], Tensor],
        *,
        data: Tensor,
        discount: float,
        limit: int,
        seeds: Sequence[int],
        capture: bool = True,
    ) -> None:
        self._charged_step, self._act = step, act
        self._discount, self._steps, self._limit, self._capture = discount, horizon(discount, limit), limit, capture
        self._bound = _RANGE * data.abs().amax(0).clamp(min=1.0)
        self._streams = SeedStreams(seeds, "certificate", data.device)
        self._beginning = [generator.get_state() for generator in self._streams.generators]
        self._start = self._length = torch.zeros(0)

    @torch.no_grad()
    def __call__(self, start: Tensor) -> dict[str, Tensor]:
        """The metrics of the model, [K] each, from starts [K, E, D]."""
        if start.shape != self._start.shape:
            self._allocate(start)
        self._reset(start)
        self._repetition.run(self._steps)
        return {
            "certificate/model_return": self._total.mean(-1),
            "certificate/model_penalty": self._charged.mean(-1),
            "certificate/left_share": self._left.float().mean(-1),
        }

    @property
    def endless_length(self) -> Tensor:
        """Sum of the discounts of all steps of each path of the last call, [K, E]: also of the endless rest of one that
        was cut. A discount of one has no such sum, and the steps made count alone.
        """
        if self._discount == 1.0:
            return self._length
        return self._length + self._weight * constant_return(self._discount) * self._running

    @torch.no_grad()
    def actions(self, start: Tensor) -> Tensor:
        """What the policy does at starts [K, E, D], drawn as on the first step of a path: [K, E, A]."""
        self._rewind()
        return self._act(start, self._streams)

    @torch.no_grad()
    def follow(self, start: Tensor, visit: Visitor) -> None:
        """Whole episodes in the model from starts [K, E, D]; `visit` is told of every step before it is taken."""
        if start.shape != self._start.shape:
            self._allocate(start)
        self._reset(start)
        for _ in range(self._limit):
            columns = (self._state, self._act(self._state, self._streams), self._running)
            visit(*(column.cpu().numpy().copy() for column in columns))
            self._step()

    def _allocate(self, start: Tensor) -> None:
        paths, device = start.shape[:2], start.device
        self._start, self._state = torch.empty_like(start), torch.empty_like(start)
        self._total, self._charged = torch.empty(paths, device=device), torch.empty(paths, device=device)
        self._length = torch.empty(paths, device=device)
        self._running = torch.empty(paths, dtype=torch.bool, device=device)
        self._left = torch.empty(paths, dtype=torch.bool, device=device)
        self._weight = torch.empty((), device=device)  # discount to the power of the steps made
        self._repetition = Repetition(self._step, [self._streams], device, capture=self._capture)

    def _rewind(self) -> None:
        for generator, state in zip(self._streams.generators, self._beginning, strict=True):
            generator.set_state(state)

    def _reset(self, start: Tensor) -> None:
        self._rewind()
        self._start.copy_(start)
        self._state.copy_(start)
        self._total.zero_()
        self._charged.zero_()
        self._length.zero_()
        self._running.fill_(True)
        self._left.fill_(False)
        self._weight.fill_(1.0)

    @torch.no_grad()
    def _step(self) -> None:
        action = self._act(self._state, self._streams)
        next_state, reward, terminal, subtracted = self._charged_step(self._state, action, self._streams)
        self._total += self._weight * torch.where(self._running, reward - subtracted, 0.0)
        self._length += self._weight * self._running
        self._charged += self._weight * torch.where(self._running, subtracted, 0.0)
        self._weight *= self._discount
        outside = ~(next_state.abs() <= self._bound).all(-1)  # also where not a number
        self._left |= self._running & outside
        self._running &= ~terminal & ~outside
        self._state.copy_(torch.where(self._running[..., None], next_state, self._start))


def constant_return(discount: float) -> float:
    """Discounted sum of an endless reward of one: 1 / (1 - discount), infinite for a discount of one."""
    return 1.0 / (1.0 - discount) if discount < 1.0 else math.inf


def horizon(discount: float, limit: int) -> int:
    """Steps after which at most 0.1 % of a constant reward's discounted sum is left, or `limit` if that is less."""
    if discount <= 0.0:
        return 1
    if discount >= 1.0:
        return limit
    return min(limit, math.ceil(math.log(_TAIL) / math.log(discount)))
