"""Finite MDPs to test claims on: random ones, structured ones, and the adversarial families of theory.md.

Sources of randomness are explicit generators. Grid worlds of any size are in `grid_world.py`, Gymnasium's toy-text
environments in `environments.py`.
"""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction
from tabular.mdps.mdp import FiniteMDP
from tabular.types import DenseDynamics, Reward


def random_mdp(
    n_states: int,
    n_actions: int,
    generator: np.random.Generator,
    *,
    discount: float = 0.9,
    concentration: float = 1.0,
    nonnegative_reward: bool = False,
) -> FiniteMDP:
    """Rows and initial distribution from a symmetric Dirichlet, rewards uniform in [-1, 1] (or [0, 1]); r_max = 1."""
    return FiniteMDP(
        random_dynamics(n_states, n_actions, generator, concentration),
        random_reward(n_states, n_actions, generator, nonnegative_reward),
        random_rows((n_states,), generator, concentration),
        discount,
        reward_bound=1.0,
        name=f"random-{n_states}x{n_actions}",
    )


def chain_mdp(n_states: int, *, discount: float = 0.9, slip: float = 0.0) -> FiniteMDP:
    """A corridor: action 0 steps left, 1 steps right, reversed with probability `slip`; reaching the right end pays 1.

    Starts at the left end; the right end is absorbing and earns nothing more.
    """
    check_at_least("n_states", n_states, 2)
    check_fraction("slip", slip)
    states = np.arange(n_states)
    left, right = np.maximum(states - 1, 0), np.minimum(states + 1, n_states - 1)
    to_left, to_right = np.eye(n_states)[left], np.eye(n_states)[right]
    dynamics = np.stack([(1 - slip) * to_left + slip * to_right, slip * to_left + (1 - slip) * to_right], axis=1)
    dynamics[-1] = np.eye(n_states)[-1]
    reward = dynamics[:, :, -1].copy()  # expected reward of arriving at the right end
    reward[-1] = 0.0
    return FiniteMDP(dynamics, reward, np.eye(n_states)[0], discount, reward_bound=1.0, name=f"chain-{n_states}")


def fork_mdp(discount: float, success: float) -> FiniteMDP:
    """Theorem 1's extremal family: one step decides between an absorbing state that pays +1 and one that pays -1.

    Three states, one action: the start leads to the good state with probability `success`. With success 1/2 + eps in
    truth and 1/2 - eps in the model, |J - J_hat| / (discount r_max / (1-discount) sqrt(D)) tends to
    sqrt(2 (1-discount)) as eps goes to 0.  Source: theory.md, section 4.
    """
    check_fraction("success", success)
    dynamics = np.zeros((3, 1, 3))
    dynamics[0, 0] = 0.0, success, 1.0 - success
    dynamics[1, 0, 1] = dynamics[2, 0, 2] = 1.0
    reward = np.array([[0.0], [1.0], [-1.0]])
    return FiniteMDP(dynamics, reward, np.array([1.0, 0.0, 0.0]), discount, reward_bound=1.0, name="fork")


def detour_mdp(discount: float) -> FiniteMDP:
    """Starts in one state and passes through another where mu0 is zero: even pi = pi_b is no sup-norm contraction.

    Two states, two actions: state 0 leads to state 1, which stays under action 0 and returns under action 1.
    """
    dynamics = np.zeros((2, 2, 2))
    dynamics[0, :, 1] = 1.0
    dynamics[1, 0, 1] = dynamics[1, 1, 0] = 1.0
    reward = np.array([[0.0, 0.0], [1.0, 0.0]])
    return FiniteMDP(dynamics, reward, np.array([1.0, 0.0]), discount, reward_bound=1.0, name="detour")


def random_dynamics(
    n_states: int, n_actions: int, generator: np.random.Generator, concentration: float = 1.0
) -> DenseDynamics:
    """Independent rows from a symmetric Dirichlet, [S, A, S']; nearly deterministic if the concentration is small."""
    return random_rows((n_states, n_actions, n_states), generator, concentration)


def random_reward(n_states: int, n_actions: int, generator: np.random.Generator, nonnegative: bool = False) -> Reward:
    """Rewards uniform in [-1, 1], or in [0, 1], [S, A]."""
    return generator.uniform(0.0 if nonnegative else -1.0, 1.0, (n_states, n_actions))


def random_rows(shape: tuple[int, ...], generator: np.random.Generator, concentration: float = 1.0) -> DenseDynamics:
    """Distributions along the last axis from a symmetric Dirichlet; no entry falls below 1e-12 of its row's largest.

    A Gamma(c) variable is a Gamma(c + 1) one times U^(1/c). The product is taken in logs: for small c whole rows may
    underflow. The floor keeps every KL between two rows finite.
    """
    if not 0.0 < concentration < np.inf:
        raise InvalidArgumentError(f"concentration is {concentration!r}; expected a positive number.")
    logs = np.log(generator.standard_gamma(concentration + 1.0, shape))
    logs -= generator.standard_exponential(shape) / concentration  # log U^(1/c)
    rows = np.exp(logs - logs.max(axis=-1, keepdims=True)) + 1e-12
    return rows / rows.sum(axis=-1, keepdims=True)
