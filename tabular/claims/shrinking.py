"""From a counterexample to a simpler one: fewer states, actions and transitions, rounder numbers, as false a claim.

A greedy local search without randomness. Each step tries simpler versions of the case in a fixed order and takes the
first that still contradicts the claim as clearly as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.claims.claim import Claim, Measurement
from ampl.errors import AmplError
from tabular.claims.case import Case
from tabular.mdps.mdp import FiniteMDP
from tabular.types import DenseDynamics, Floats, Policy, Reward, StateDistribution

_MOST_PAIRS = 64  # larger cases stay as they are: each trial would take long
_MOST_TRIALS = 1500
_DISTRIBUTIONS = ("dynamics", "model", "policy", "behavior", "initial")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """The arrays of a case, which a step changes one by one."""

    dynamics: DenseDynamics
    model: DenseDynamics
    reward: Reward
    initial: StateDistribution
    policy: Policy
    behavior: Policy
    discount: float


def shrink(claim: Claim, case: Case) -> Case:
    """A simpler case that contradicts the claim as the given one does: with its condition met or not, as clearly.

    Args:
        claim: what is contradicted.
        case: a counterexample; it is returned as it is if it is large, or if its sides are not finite.

    Returns:
        A counterexample with dense dynamics, of at most as many states, actions and transitions.
    """
    search = _Search(claim, case)
    if case.n_pairs > _MOST_PAIRS or not search.contradicts(case):
        return case
    parts, cost = _parts(case), _cost(_parts(case), case.mdp.reward_bound)
    stuck = False
    while not stuck and search.trials < _MOST_TRIALS:
        stuck = True
        for simpler in _simpler(parts, case.mdp.reward_bound):
            simpler_cost = _cost(simpler, case.mdp.reward_bound)
            if simpler_cost < cost and search.accepts(simpler):
                parts, cost, stuck = simpler, simpler_cost, False
                break
    return _built(parts, case)


class _Search:
    """What a simpler case must still do, and how many were tried."""

    def __init__(self, claim: Claim, case: Case) -> None:
        self.claim, self.case = claim, case
        self.trials = 0
        measurement = claim.assess(case)
        assert isinstance(measurement, Measurement)  # a counterexample was measured before
        self.first: Measurement = measurement

    def accepts(self, parts: _Parts) -> bool:
        """Whether a simpler case is one that claims are made for, and contradicts this one."""
        if self.trials >= _MOST_TRIALS or (parts.model[parts.dynamics > 0.0] == 0.0).any():
            return False  # KL(P* || P_hat) would be infinite
        if (parts.behavior[parts.policy > 0.0] == 0.0).any():
            return False  # the weights would not exist
        if self.case.mdp.reward.any() and not parts.reward.any():
            return False  # without rewards many claims are false for a dull reason
        self.trials += 1
        return self.contradicts(_built(parts, self.case))

    def contradicts(self, case: Case) -> bool:
        """Whether the claim is violated, as clearly as at first and on the same side of its condition."""
        try:
            found = self.claim.assess(case)
        except AmplError:  # the measure found the case to be outside of what it is made for
            return False
        return (
            isinstance(found, Measurement)
            and bool(np.isfinite([found.left, found.right]).all())
            and found.condition_met == self.first.condition_met
            and self.claim.is_violated(found)
            and self.claim.unclearness(found) <= self.claim.unclearness(self.first)
        )


def _parts(case: Case) -> _Parts:
    mdp, model = case.mdp.to_dense(), case.model.to_dense()
    return _Parts(
        dynamics=np.asarray(mdp.dynamics),
        model=np.asarray(model.dynamics),
        reward=mdp.reward,
        initial=mdp.initial,
        policy=case.policy,
        behavior=case.behavior,
        discount=mdp.discount,
    )


def _built(parts: _Parts, origin: Case) -> Case:
    mdp = FiniteMDP(
        parts.dynamics,
        parts.reward,
        parts.initial,
        parts.discount,
        reward_bound=origin.mdp.reward_bound,
        name=origin.mdp.name,
    )
    model = mdp.with_dynamics(parts.model)
    return Case(
        mdp=mdp,
        model=model,
        policy=parts.policy,
        behavior=parts.behavior,
        family=origin.family,
        seed=origin.seed,
    )


def _cost(parts: _Parts, bound: float) -> tuple[float, ...]:
    """How much there is to read, most important first; it falls with every step, so the search ends."""
    arrays = [getattr(parts, name) for name in _DISTRIBUTIONS]
    return (
        parts.reward.shape[0],
        parts.reward.shape[1],
        sum(int(np.count_nonzero(array)) for array in arrays),
        sum(_digits(array) for array in arrays) + _digits(parts.reward / max(bound, 1e-300)) + _digits(parts.discount),
        int((parts.dynamics != parts.model).sum() + (parts.policy != parts.behavior).sum()),
        int(np.count_nonzero(parts.reward)),
    )


def _digits(values: Floats | float) -> int:
    """Digits after the point, at most three a number; none for integers."""
    array = np.asarray(values)
    return sum(int((np.abs(array * scale - np.round(array * scale)) > 1e-13).sum()) for scale in (1.0, 10.0, 100.0))


def _simpler(parts: _Parts, bound: float) -> Iterator[_Parts]:
    """Simpler versions, those that leave out the most first."""
    n_states, n_actions = parts.reward.shape
    for state in range(n_states if n_states > 1 else 0):
        yield from _without_state(parts, state)
    if n_actions > 1:
        yield _followed(parts)
        for action in range(n_actions):
            yield from _without_action(parts, action)
    yield replace(parts, model=parts.dynamics)
    yield replace(parts, behavior=parts.policy)
    for discount in (0.5, 0.9, round(parts.discount, 1), round(parts.discount, 2)):
        if 0.0 < discount < 1.0:
            yield replace(parts, discount=discount)
    yield replace(parts, reward=bound * np.sign(parts.reward))
    for pair in np.ndindex(parts.reward.shape):
        for value in (0.0, bound, -bound, bound * round(float(parts.reward[pair]) / max(bound, 1e-300), 1)):
            yield replace(parts, reward=_with_entry(parts.reward, pair, value))
    yield from _rounder_rows(parts)


def _rounder_rows(parts: _Parts) -> Iterator[_Parts]:
    for name in _DISTRIBUTIONS:
        array: Floats = getattr(parts, name)
        for index in np.ndindex(array.shape[:-1]):
            row = array[index]
            is_certain = np.count_nonzero(row) == 1
            if name == "dynamics" and not is_certain:  # true and model rows at once: they often have one support
                for other in _rounder(parts.model[index]):
                    for mine in _rounder(row):
                        yield replace(
                            parts,
                            dynamics=_with_entry(array, index, mine),
                            model=_with_entry(parts.model, index, other),
                        )
            if name == "policy" and not is_certain:
                for mine in _rounder(row):
                    yield replace(
                        parts,
                        policy=_with_entry(array, index, mine),
                        behavior=_with_entry(parts.behavior, index, mine),
                    )
            candidates = [] if is_certain else [*_rounder(row)]
            if name in ("model", "behavior"):
                origin = parts.dynamics if name == "model" else parts.policy
                candidates.insert(0, origin[index])
            for candidate in candidates:
                changed: dict[str, Any] = {name: _with_entry(array, index, candidate)}
                yield replace(parts, **changed)


def _rounder(row: Floats) -> Iterator[Floats]:
    """All mass on one entry, then without the smallest entry, then in steps of a half, a tenth, a hundredth.

    In tenths and hundredths also with every possible entry kept possible.
    """
    yield np.eye(len(row))[row.argmax()]
    positive = np.flatnonzero(row)
    if len(positive) > 2:
        smallest = positive[row[positive].argmin()]
        kept = np.where(np.arange(len(row)) == smallest, 0.0, row)
        yield _in_steps(kept / kept.sum(), 10)
    for steps in (2, 10, 100):
        yield _in_steps(row, steps)
        if steps > len(positive):
            kept = np.where(row > 0.0, np.maximum(row, 1.0 / steps), 0.0)
            spare = 1.0 - len(positive) / steps
            excess = kept - (row > 0.0) / steps
            yield _in_steps((row > 0.0) / steps + excess * spare / max(excess.sum(), 1e-300), steps)


def _in_steps(row: Floats, steps: int) -> Floats:
    """The distribution in multiples of 1/steps that is nearest (largest remainders are rounded up)."""
    scaled = row * steps
    counts = np.floor(scaled + 1e-9)
    missing = round(steps - counts.sum())
    counts[np.argsort(counts - scaled, kind="stable")[:missing]] += 1.0
    return counts / steps


def _without_state(parts: _Parts, state: int) -> Iterator[_Parts]:
    keep = np.arange(len(parts.initial)) != state
    dynamics, model, initial = (
        _renormalized(array) for array in (parts.dynamics[keep][..., keep], parts.model[keep][..., keep],
                                           parts.initial[keep])
    )  # fmt: skip
    if dynamics is not None and model is not None and initial is not None:
        yield replace(
            parts,
            dynamics=dynamics,
            model=model,
            initial=initial,
            reward=parts.reward[keep],
            policy=parts.policy[keep],
            behavior=parts.behavior[keep],
        )


def _followed(parts: _Parts) -> _Parts:
    """One action, which does what the policy does."""
    one_action = np.ones((len(parts.initial), 1))
    return replace(
        parts,
        dynamics=np.einsum("sa,sat->st", parts.policy, parts.dynamics)[:, None],
        model=np.einsum("sa,sat->st", parts.policy, parts.model)[:, None],
        reward=(parts.policy * parts.reward).sum(axis=1, keepdims=True),
        policy=one_action,
        behavior=one_action,
    )


def _without_action(parts: _Parts, action: int) -> Iterator[_Parts]:
    keep = np.arange(parts.reward.shape[1]) != action
    policy, behavior = _renormalized(parts.policy[:, keep]), _renormalized(parts.behavior[:, keep])
    if policy is not None and behavior is not None:
        yield replace(
            parts,
            dynamics=parts.dynamics[:, keep],
            model=parts.model[:, keep],
            reward=parts.reward[:, keep],
            policy=policy,
            behavior=behavior,
        )


def _renormalized(rows: Floats) -> Floats | None:
    """Rows that sum to one again; None if nothing is left of one of them."""
    sums = rows.sum(axis=-1, keepdims=True)
    return rows / sums if (sums > 0.0).all() else None


def _with_entry(array: Floats, index: tuple[int, ...], value: NDArray[np.float64] | float) -> Floats:
    changed = array.copy()
    changed[index] = value
    return changed
