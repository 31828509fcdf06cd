"""Whether an MDP and a model of it, which a user may have built separately, are the same but for their dynamics."""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidDiscountError, InvalidDistributionError, InvalidRewardError, InvalidShapeError
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats

_REMEDY = "expected the same. Build the model with mdp.with_dynamics."


def check_same_space(mdp: FiniteMDP, model: FiniteMDP) -> None:
    """Raises InvalidShapeError unless both have the same numbers of states and actions."""
    if mdp.reward.shape != model.reward.shape:
        raise InvalidShapeError(
            f"{mdp.name} has {mdp.reward.shape} states and actions and {model.name} {model.reward.shape}; {_REMEDY}"
        )


def check_model(mdp: FiniteMDP, model: FiniteMDP, *, same_reward: bool = True) -> None:
    """Checks that a model differs from the MDP in its dynamics alone, and with `same_reward=False` in its reward.

    Raises:
        InvalidShapeError: another number of states or actions.
        InvalidDiscountError, InvalidDistributionError, InvalidRewardError: another discount, initial distribution or
            reward; the message has the first entry that differs.
    """
    check_same_space(mdp, model)
    if mdp.discount != model.discount:
        raise InvalidDiscountError(
            f"{mdp.name} has discount {mdp.discount!r} and {model.name} {model.discount!r}; {_REMEDY}"
        )
    differs = _first_difference("initial", mdp, model, mdp.initial, model.initial)
    if differs:
        raise InvalidDistributionError(differs)
    differs = _first_difference("reward", mdp, model, mdp.reward, model.reward) if same_reward else ""
    if differs:
        raise InvalidRewardError(differs)


def _first_difference(name: str, mdp: FiniteMDP, model: FiniteMDP, ours: Floats, theirs: Floats) -> str:
    if ours is theirs or np.array_equal(ours, theirs):
        return ""
    index = tuple(int(i) for i in np.argwhere(ours != theirs)[0])
    where = f"{name}[{', '.join(map(str, index))}]"
    return f"{where} of {mdp.name} is {float(ours[index])!r} and of {model.name} {float(theirs[index])!r}; {_REMEDY}"
