"""Hypothesis strategies for finite MDPs and policies, the ugly ones included.  Source: theory.md, section 8.

A structure and a seed are drawn, never single floats: examples are fast, and shrinking leads to the smallest, plainest
structure that fails. The first entry of each list below is the plainest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from tabular.exact.occupancy import occupancy
from tabular.exact.policy import mix_policies, random_policy
from tabular.mdps.generators import random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import DenseDynamics, Floats, Occupancy, Policy, Reward, StateDistribution, Weights
from tabular.weights.operator import exact_weights

DISCOUNTS = (0.5, 0.0, 0.1, 0.75, 0.9, 0.99, 0.999)
DYNAMICS = ("dense", "half zero", "deterministic", "absorbing", "unreachable", "skewed")
REWARDS = ("signed", "nonnegative", "zero")
STARTS = ("everywhere", "point mass", "half zero")
POLICIES = ("full", "uniform", "half zero", "deterministic", "skewed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A true MDP, a model that misses no possible next state, and a policy that the behavior policy covers."""

    mdp: FiniteMDP
    model: FiniteMDP
    policy: Policy
    behavior: Policy

    @cached_property
    def policy_occupancy(self) -> Occupancy:
        return occupancy(self.mdp, self.policy)

    @cached_property
    def behavior_occupancy(self) -> Occupancy:
        return occupancy(self.mdp, self.behavior)

    @cached_property
    def weights(self) -> Weights:
        return exact_weights(self.mdp, self.policy, self.behavior)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of numpy generators."""
    return st.integers(0, 2**32 - 1)


@st.composite
def mdps(
    draw: st.DrawFn,
    *,
    discounts: Sequence[float] = DISCOUNTS,
    dynamics: Sequence[str] = DYNAMICS,
    rewards: Sequence[str] = REWARDS,
    starts: Sequence[str] = STARTS,
    max_states: int = 6,
    max_actions: int = 4,
    dense_only: bool = False,
) -> FiniteMDP:
    """Finite MDPs of one to `max_states` states, dense or sparse, with r_max = 1 stated."""
    n_states = draw(st.integers(1, max_states))
    n_actions = draw(st.integers(1, max_actions))
    kind = draw(st.sampled_from(dynamics))
    start_kind = draw(st.sampled_from(starts))
    reward_kind = draw(st.sampled_from(rewards))
    discount = draw(st.sampled_from(discounts))
    generator = np.random.default_rng(draw(seeds()))
    initial = _start(start_kind, n_states, generator)
    table = _dynamics(kind, n_states, n_actions, generator)
    if kind == "unreachable":  # nothing starts in the last state, and no other state leads there
        initial = _without_last(initial)
        table[:-1] = _without_last(table[:-1])
    reward = _reward(reward_kind, n_states, n_actions, generator)
    mdp = FiniteMDP(table, reward, initial, discount, reward_bound=1.0, name=f"{kind}-{n_states}x{n_actions}")
    return mdp if dense_only or not draw(st.booleans()) else mdp.to_sparse()


@st.composite
def policies(draw: st.DrawFn, mdp: FiniteMDP, kinds: Sequence[str] = POLICIES) -> Policy:
    """Policies of an MDP, [S, A], with and without zeros."""
    kind = draw(st.sampled_from(kinds))
    return _policy(kind, mdp.n_states, mdp.n_actions, np.random.default_rng(draw(seeds())))


@st.composite
def mdp_model_and_policies(draw: st.DrawFn, *, same_support: bool = False, mdp: FiniteMDP | None = None) -> Case:
    """Cases in which the weights exist and KL(P* || P_hat) is finite.

    Args:
        draw: given by hypothesis.
        same_support: whether the policy takes every action that the behavior policy takes, as D_pi needs.
        mdp: the true MDP, if not any.
    """
    mdp = draw(mdps()) if mdp is None else mdp
    policy = draw(policies(mdp))
    share = draw(st.sampled_from([0.5, 1.0, 0.1]))
    behavior = mix_policies(draw(policies(mdp)), policy, share)
    if same_support:
        policy = mix_policies(policy, behavior, draw(st.sampled_from([0.5, 1.0, 0.1])))
    trust = draw(st.sampled_from([0.5, 1.0, 0.99]))
    generator = np.random.default_rng(draw(seeds()))
    other = random_rows((mdp.n_states, mdp.n_actions, mdp.n_states), generator)
    model = mdp.to_dense().with_dynamics(trust * mdp.to_dense().dynamics + (1.0 - trust) * other, "model")
    return Case(mdp=mdp, model=model.to_sparse() if mdp.is_sparse else model, policy=policy, behavior=behavior)


def distribution_pairs(max_size: int = 6) -> st.SearchStrategy[tuple[Floats, Floats]]:
    """Two distributions over the same few points, [n] each, with and without zeros."""
    return st.builds(_distribution_pair, st.integers(1, max_size), seeds(), st.booleans(), st.booleans())


def _distribution_pair(size: int, seed: int, zeros_in_p: bool, zeros_in_q: bool) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    p, q = random_rows((2, size), generator, 0.7)
    p = _half_zero(p, generator) if zeros_in_p else p
    q = _half_zero(q, generator) if zeros_in_q else q
    return p, q


def _dynamics(kind: str, n_states: int, n_actions: int, generator: np.random.Generator) -> DenseDynamics:
    shape = (n_states, n_actions, n_states)
    rows = random_rows(shape, generator, 0.1 if kind == "skewed" else 1.0)
    if kind == "half zero":
        return _half_zero(rows, generator)
    if kind == "deterministic":
        return _deterministic(rows, generator)
    if kind == "absorbing":
        stays = generator.random(n_states) < 0.5
        rows[stays] = np.eye(n_states)[stays][:, None]
    return rows


def _start(kind: str, n_states: int, generator: np.random.Generator) -> StateDistribution:
    rows = random_rows((n_states,), generator)
    if kind == "point mass":
        return _deterministic(rows, generator)
    return _half_zero(rows, generator) if kind == "half zero" else rows


def _reward(kind: str, n_states: int, n_actions: int, generator: np.random.Generator) -> Reward:
    if kind == "zero":
        return np.zeros((n_states, n_actions))
    return generator.uniform(0.0 if kind == "nonnegative" else -1.0, 1.0, (n_states, n_actions))


def _policy(kind: str, n_states: int, n_actions: int, generator: np.random.Generator) -> Policy:
    if kind == "uniform":
        return np.full((n_states, n_actions), 1.0 / n_actions)
    rows = random_policy(n_states, n_actions, generator, 0.1 if kind == "skewed" else 1.0)
    if kind == "half zero":
        return _half_zero(rows, generator)
    return _deterministic(rows, generator) if kind == "deterministic" else rows


def _half_zero(rows: Floats, generator: np.random.Generator) -> Floats:
    """About half of the entries of each row at zero, at least one left."""
    keep = generator.random(rows.shape) < 0.5
    keep |= _deterministic(rows, generator) > 0.0
    kept = np.where(keep, rows, 0.0)
    return kept / kept.sum(axis=-1, keepdims=True)


def _deterministic(rows: Floats, generator: np.random.Generator) -> Floats:
    """All of each row's mass on one entry."""
    n = rows.shape[-1]
    return np.eye(n)[generator.integers(n, size=rows.shape[:-1])]


def _without_last(rows: Floats) -> Floats:
    """The last entry of each row at zero, if there is another."""
    if rows.shape[-1] == 1:
        return rows
    kept = rows.copy()
    kept[..., -1] = 0.0
    total = kept.sum(axis=-1, keepdims=True)
    first = np.eye(rows.shape[-1])[0]
    return np.where(total > 0.0, kept / np.where(total > 0.0, total, 1.0), first)
