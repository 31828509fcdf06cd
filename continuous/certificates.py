"""Run-time certificates: both sides of the bounds that can be estimated, at states that training never saw.

The states are where the evaluation's episodes start. From each of them the policy's best actions are followed once in
the simulator and once in the model, with the same discount; the critics say what they expect. MOPO's Theorem 4.4 rests
on true return >= penalized return in the model, DAMO's claim is that its value estimate is conservative:

    evaluation/discounted_return_mean   in the simulator
    certificate/model_return            in the model, with rewards r - lambda u (MOPO) or r - alpha R (DAMO)
    certificate/model_penalty           what was subtracted: without it the model promises the sum of both
    certificate/value_estimate          the smaller twin's value, which includes the entropy that training pays for
    certificate/left_share              paths of the model that left ten times the data's range and ended there

Paths in the model end after so many steps that what follows is worth at most 0.1 % of all (688 for a discount of 0.99).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from continuous.dataset import Batch
from continuous.rollout import Model
from continuous.streams import SeedStreams

_TAIL = 1e-3
_RANGE = 10.0  # times the largest absolute value of each observation in the data, or times one if that is more


@torch.no_grad()
def model_returns(
    model: Model,
    act: Callable[[Tensor], Tensor],
    penalty: Callable[[Batch], Tensor],
    start: Tensor,
    *,
    data: Tensor,
    discount: float,
    limit: int,
    seeds: Sequence[int],
) -> dict[str, Tensor]:
    """Discounted returns of a policy in a model, one path from each start.

    Args:
        model: without penalty.
        act: from states [K, E, D] to actions [K, E, A].
        penalty: of transitions [K, E, ...]; what is subtracted from their rewards, [K, E].
        start: [K, E, D].
        data: states of the data, [N, D], for their range.
        discount: in [0, 1].
        limit: most steps of a path, >= 1.
        seeds: K of them; the same random numbers in every epoch.

    Returns:
        The metrics of the model, [K] each.
    """
    streams = SeedStreams(seeds, "certificate", start.device)
    bound = _RANGE * data.abs().amax(0).clamp(min=1.0)
    state, running = start, torch.ones(start.shape[:2], dtype=torch.bool, device=start.device)
    total, charged = torch.zeros_like(start[..., 0]), torch.zeros_like(start[..., 0])
    left = torch.zeros_like(running)
    for step in range(horizon(discount, limit)):
        action = act(state)
        next_state, reward, terminal = model.step(state, action, streams)
        batch = Batch(state=state, action=action, reward=reward, next_state=next_state, terminal=terminal)
        subtracted = penalty(batch)
        total += discount**step * torch.where(running, reward - subtracted, 0.0)
        charged += discount**step * torch.where(running, subtracted, 0.0)
        outside = ~(next_state.abs() <= bound).all(-1)  # also where not a number
        left |= running & outside
        running = running & ~terminal & ~outside
        state = torch.where(running[..., None], next_state, start)
    return {
        "certificate/model_return": total.mean(-1),
        "certificate/model_penalty": charged.mean(-1),
        "certificate/left_share": left.float().mean(-1),
    }


def horizon(discount: float, limit: int) -> int:
    """Steps after which at most 0.1 % of a constant reward's discounted sum is left, or `limit` if that is less."""
    if discount <= 0.0:
        return 1
    if discount >= 1.0:
        return limit
    return min(limit, math.ceil(math.log(_TAIL) / math.log(discount)))
