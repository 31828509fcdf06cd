"""Where the cases of `ampl verify` come from: random MDPs, adversarial families and real environments.

A case is named by its specification (family, index), from which it is rebuilt bit for bit; so processes exchange
specifications, and a worst case is found again without being kept.  Source: theory.md, sections 4 and 8.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from ampl.claims.cases import CaseSpec
from tabular.claims.case import Case
from tabular.exact.dataset import sample_dataset
from tabular.exact.dynamics import maximum_likelihood
from tabular.exact.occupancy import action_value
from tabular.exact.policy import (
    epsilon_greedy_policy,
    mix_policies,
    optimal_policy,
    random_policy,
    softmax_policy,
    uniform_policy,
)
from tabular.mdps.environments import ENVIRONMENTS, environment_mdp
from tabular.mdps.generators import (
    chain_mdp,
    detour_mdp,
    fork_mdp,
    random_dynamics,
    random_reward,
    random_rows,
)
from tabular.mdps.grid_world import grid_world
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.mdp_files import load_mdp_with
from tabular.types import DenseDynamics, Floats, Policy, Reward, StateDistribution

DISCOUNTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.75, 0.9, 0.97, 0.99, 0.999)


def build_case(spec: CaseSpec) -> Case:
    """The case of a specification; the same specification gives the same case in any process."""
    family_number = zlib.crc32(spec.family.encode())
    generator = np.random.default_rng([spec.seed, family_number, spec.index])
    case_seed = int(generator.integers(2**31))
    if spec.family in FAMILIES:
        mdp, model, policy, behavior = FAMILIES[spec.family](spec.index, generator)
    else:
        given, beside = _given_mdp(spec.family)
        mdp, model, policy, behavior = _on_given_mdp(given, spec.index, generator, **beside)
    return Case(mdp=mdp, model=model, policy=policy, behavior=behavior, family=spec.family, seed=case_seed)


Parts = tuple[FiniteMDP, FiniteMDP, Policy, Policy]


def _random(index: int, generator: np.random.Generator) -> Parts:
    """Small MDPs of every shape, ugly ones among them: one state, absorbing or unreachable states, zero rewards."""
    n_states, n_actions = int(generator.integers(1, 7)), int(generator.integers(1, 4))
    dynamics = _random_structure(n_states, n_actions, generator)
    mdp = FiniteMDP(
        dynamics,
        _random_reward(n_states, n_actions, generator),
        _random_initial(n_states, generator),
        float(generator.choice(DISCOUNTS)),
        reward_bound=1.0,
        name=f"random-{index}",
    )
    policy = random_policy(n_states, n_actions, generator, float(generator.choice([0.05, 0.5, 2.0])))
    if generator.random() < 0.2:  # zero-probability actions
        policy = np.eye(n_actions)[policy.argmax(axis=1)]
    return mdp, mdp.with_dynamics(_perturbed(dynamics, generator)), policy, _behavior_near_or_far(policy, generator)


def _fork(index: int, generator: np.random.Generator) -> Parts:
    """Theorem 1's extremal family, from coarse to the limit, at every discount."""
    discount = DISCOUNTS[index % len(DISCOUNTS)]
    margin = 0.4 * 0.5 ** (index // len(DISCOUNTS) % 10)
    policy = np.ones((3, 1))
    return fork_mdp(discount, 0.5 + margin), fork_mdp(discount, 0.5 - margin), policy, policy


def _detour(index: int, generator: np.random.Generator) -> Parts:
    """States that are visited but never started from: pi = pi_b on even indices, a random pi on odd ones."""
    mdp = detour_mdp(DISCOUNTS[index // 2 % len(DISCOUNTS)])
    policy = random_policy(2, 2, generator)
    behavior = policy if index % 2 == 0 else _behavior_near_or_far(policy, generator)
    return mdp, mdp.with_dynamics(_perturbed(mdp.to_dense().dynamics, generator)), policy, behavior


def _chain(index: int, generator: np.random.Generator) -> Parts:
    """Corridors of 2 to 30 states with an absorbing end, with and without slipping."""
    length = int(generator.integers(2, 31))
    mdp = chain_mdp(length, discount=float(generator.choice(DISCOUNTS)), slip=0.2 * (index % 2))
    policy = random_policy(length, 2, generator)
    return mdp, mdp.with_dynamics(_perturbed(mdp.to_dense().dynamics, generator)), policy, mix_policies(
        policy, uniform_policy(mdp), float(generator.uniform(0.1, 0.9))
    )  # fmt: skip


def _grid(index: int, generator: np.random.Generator) -> Parts:
    """Grid worlds of up to 36 cells with slipping moves and a goal that ends the episode."""
    size = int(generator.integers(2, 7))
    mdp = grid_world((size, size), slip=0.2 * (index % 2), discount=float(generator.choice(DISCOUNTS[3:]))).to_dense()
    return _on_given_mdp(mdp, index, generator)


FAMILIES: Mapping[str, Callable[[int, np.random.Generator], Parts]] = {
    "random": _random,
    "fork": _fork,
    "detour": _detour,
    "chain": _chain,
    "grid": _grid,
}
"""Families of generated cases; each takes an index and a generator."""


def _on_given_mdp(
    mdp: FiniteMDP,
    index: int,
    generator: np.random.Generator,
    *,
    policy: Policy | None = None,
    behavior: Policy | None = None,
    model: DenseDynamics | None = None,
) -> Parts:
    """What is given; else a softmax or epsilon-greedy policy, a broader behavior policy, a model fitted to its data."""
    if policy is None:
        value = action_value(mdp, optimal_policy(mdp))
        if index % 2:
            policy = softmax_policy(value, temperature=max(float(np.ptp(value)), 1e-3) / 10.0)
        else:
            policy = epsilon_greedy_policy(value, 0.1)
        if behavior is not None:  # the policy takes none of the actions that it never takes
            kept = np.where(behavior > 0.0, policy, 0.0)
            mass = kept.sum(axis=1, keepdims=True)
            policy = np.where(mass > 0.0, kept / np.maximum(mass, np.finfo(np.float64).tiny), behavior)
    if behavior is None:
        behavior = mix_policies(policy, uniform_policy(mdp), float(generator.choice([0.1, 0.5, 0.9])))
    if model is not None:
        return mdp, mdp.with_dynamics(model), policy, behavior
    data = sample_dataset(mdp, behavior, 20 * mdp.n_states * mdp.n_actions, generator)
    possible = (mdp.to_dense().dynamics > 0.0) * 1e-2
    stray = np.eye(mdp.n_states)[generator.integers(mdp.n_states, size=policy.shape)] * 1e-2
    fitted = maximum_likelihood(data.transition_counts() + possible + stray)
    return mdp, mdp.with_dynamics(fitted), policy, behavior


def _given_mdp(name: str) -> tuple[FiniteMDP, Mapping[str, Floats]]:
    """A toy-text environment by name, otherwise an MDP file by path, and what stands beside the MDP there."""
    return (_environment(name), {}) if name in ENVIRONMENTS else _mdp_in(Path(name).resolve())


@cache
def _environment(name: str) -> FiniteMDP:
    return environment_mdp(name)


@cache
def _mdp_in(path: Path) -> tuple[FiniteMDP, Mapping[str, Floats]]:
    mdp, beside = load_mdp_with(path)
    return mdp.to_dense(), beside


def _random_structure(n_states: int, n_actions: int, generator: np.random.Generator) -> DenseDynamics:
    concentration = float(generator.choice([0.05, 0.5, 2.0]))
    dynamics = random_dynamics(n_states, n_actions, generator, concentration)
    kind = generator.random()
    if kind < 0.2:  # deterministic, often with unreachable states
        dynamics = np.eye(n_states)[dynamics.argmax(axis=2)]
    elif kind < 0.4:  # the last state is absorbing
        dynamics[-1] = np.eye(n_states)[-1]
    return dynamics


def _random_reward(n_states: int, n_actions: int, generator: np.random.Generator) -> Reward:
    kind = generator.random()
    if kind < 0.1:
        return np.zeros((n_states, n_actions))
    reward = random_reward(n_states, n_actions, generator, nonnegative=kind < 0.4)
    return np.sign(reward) if kind > 0.7 else reward


def _random_initial(n_states: int, generator: np.random.Generator) -> StateDistribution:
    initial = random_rows((n_states,), generator)
    return np.eye(n_states)[initial.argmax()] if generator.random() < 0.4 else initial


def _perturbed(dynamics: DenseDynamics, generator: np.random.Generator) -> DenseDynamics:
    """A model near or far from the truth that misses none of its next states, so that every KL is finite."""
    other = random_dynamics(dynamics.shape[0], dynamics.shape[1], generator, float(generator.choice([0.1, 1.0])))
    share = float(10.0 ** generator.uniform(-3.0, -0.02))
    return (1.0 - share) * dynamics + share * other


def _behavior_near_or_far(policy: Policy, generator: np.random.Generator) -> Policy:
    """A behavior policy that covers the policy: equal to it, near it, or far from it."""
    kind = generator.random()
    if kind < 0.1:
        return policy
    other = random_rows(policy.shape, generator)
    return mix_policies(policy, other, 0.3 if kind < 0.5 else 0.98)
