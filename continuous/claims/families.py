"""Where the linear-Gaussian cases of `ampl verify` come from: random problems of several sizes, and adversarial ones.

A case is named by its specification, from which it is rebuilt bit for bit in any process.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from ampl.claims.cases import CaseSpec
from continuous.claims.case import Case
from continuous.linear_gaussian.families import random_covariance, random_mdp, random_policy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP, closed_loop
from continuous.linear_gaussian.rewards import BoundedReward

DISCOUNTS = (0.0, 0.1, 0.3, 0.5, 0.75, 0.9, 0.97, 0.99, 0.995)
_SPREADS = (1e-3, 0.1, 0.5, 1.0)  # of a policy's actions; the first is all but deterministic
_WIDE = ((77.2, 0.29), (1e8, 1e-4))  # a model's variance, where the true one is 1, and the weight in the reward's bell
N_WIDE = len(_WIDE) * len(DISCOUNTS)
"""Members of the family "wide", in which nothing is random."""

Parts = tuple[LinearGaussianMDP, LinearDynamics, AffineGaussianPolicy, AffineGaussianPolicy]


def build_case(spec: CaseSpec) -> Case:
    """The case of a specification; the same specification gives the same case in any process."""
    generator = np.random.default_rng([spec.seed, zlib.crc32(spec.family.encode()), spec.index])
    seed = int(generator.integers(2**31))
    mdp, model, policy, behavior = FAMILIES[spec.family](spec.index, generator)
    return Case(mdp=mdp, model=model, policy=policy, behavior=behavior, family=spec.family, seed=seed)


def _random(index: int, generator: np.random.Generator) -> Parts:
    """Up to six state and three action coordinates; models and behavior policies near and far."""
    size = int(generator.integers(1, 7)), int(generator.integers(1, 4))
    mdp = random_mdp(
        *size,
        generator,
        discount=float(generator.choice(DISCOUNTS)),
        radius=float(generator.choice([0.3, 0.7, 0.9])),
    )
    mdp = _with_reward(mdp, float(10.0 ** generator.uniform(-2.0, 1.0)) * mdp.reward.matrix)
    policy = random_policy(mdp.dynamics, generator, radius=0.95, spread=float(generator.choice(_SPREADS)))
    behavior = _near_or_far(mdp.dynamics, policy, generator)
    return mdp, _perturbed(mdp.dynamics, (policy, behavior), generator), policy, behavior


def _exact(index: int, generator: np.random.Generator) -> Parts:
    """The model is the truth; on even indices the policy is the behavior policy as well."""
    mdp, _, policy, behavior = _random(index, generator)
    return mdp, mdp.dynamics, policy, policy if index % 2 == 0 else behavior


def _scalar(index: int, generator: np.random.Generator) -> Parts:
    """One state and one action coordinate, and short horizons: integrals over (s, a) are sums over a grid."""
    mdp = random_mdp(1, 1, generator, discount=float(generator.choice(DISCOUNTS[:6])), radius=0.7)
    policy = random_policy(mdp.dynamics, generator, radius=0.8)
    behavior = _near_or_far(mdp.dynamics, policy, generator)
    return mdp, _perturbed(mdp.dynamics, (policy, behavior), generator), policy, behavior


def _drift(index: int, generator: np.random.Generator) -> Parts:
    """Theorem 1's slack driven down: one state that keeps its noise, a narrow reward, a model shifted by little.

    With pi = pi_b the policy part of D_pi is zero. Under s' = s + noise the mean of s_t moves by t times the shift and
    its variance grows like t, so the last state says as much about the shift as the whole path: nothing is lost in the
    data processing that the proof uses. Near discount 0 only the first step counts, and the reward's flank is put where
    half of the sharp bound is met up to the factor exp(-1/2), the most that a bell-shaped reward can reach where the
    model is shifted by little; `_wide` comes nearer.
    """
    discount = (0.01, *DISCOUNTS[1:])[index % len(DISCOUNTS)]
    decay = float(generator.choice([0.0, 1.0])) if index >= len(DISCOUNTS) else 1.0
    lasts = 1.0 + (decay * discount / (1.0 - discount))  # steps whose noise is in a state
    relative = float(generator.uniform(0.3, 2.0)) if index >= len(DISCOUNTS) else 1.0
    weight = relative / lasts
    start = float(generator.uniform(0.7, 1.3) if index >= len(DISCOUNTS) else 1.0) * np.sqrt(lasts + 1.0 / weight)
    shift = float(10.0 ** generator.uniform(-3.0, 0.0))
    still = _scalar_policy(0.0, 0.0, 1.0)
    origin = start * (1.0 - decay)  # without memory the noise is added to a constant
    truth, model = (_scalar_dynamics(decay, 0.0, 1.0, offset) for offset in (origin, origin - shift))
    mdp = LinearGaussianMDP(
        truth, np.array([start]), np.array([[1e-4]]), BoundedReward(np.diag([weight, 0.0])), discount
    )
    return mdp, model, still, still


def _wide(index: int, generator: np.random.Generator) -> Parts:
    """Theorem 1's slack driven down further: one state that is nothing but noise, a model far too wide.

    The first variance and weight are those at which a numerical search found the most of half of the sharp bound, 0.735
    near discount 0. In the second the true states lie under the bell and next to none of the model's do: the bound that
    is never vacuous is met but for one percent.
    """
    variance, weight = _WIDE[index // len(DISCOUNTS) % len(_WIDE)]
    discount = (0.001, *DISCOUNTS[1:])[index % len(DISCOUNTS)]
    still = _scalar_policy(0.0, 0.0, 1.0)
    truth, model = (_scalar_dynamics(0.0, 0.0, spread, 0.0) for spread in (1.0, variance))
    mdp = LinearGaussianMDP(truth, np.zeros(1), np.array([[1.0]]), BoundedReward(np.diag([weight, 0.0])), discount)
    return mdp, model, still, still


def _runaway(index: int, generator: np.random.Generator) -> Parts:
    """The policy all but loses control, and the data do not show it: unbounded rewards beyond anything in the data."""
    discount = DISCOUNTS[1 + index % (len(DISCOUNTS) - 1)]
    loop = 1.0 - float(10.0 ** generator.uniform(-4.0, -1.0))  # of the policy; that of the behavior is at most a half
    push = float(generator.uniform(0.0, 1.0))
    less = float(10.0 ** generator.uniform(-4.0, -1.0))
    noise = float(10.0 ** generator.uniform(-2.0, 0.0))
    policy = _scalar_policy(loop - 0.5, push, 0.01)
    behavior = _scalar_policy(float(generator.uniform(-0.8, 0.0)), 0.0, float(generator.uniform(0.01, 0.5)))
    truth, model = (_scalar_dynamics(0.5 - error, 1.0, noise, 0.0) for error in (0.0, less))
    mdp = LinearGaussianMDP(truth, np.array([0.1]), np.array([[0.01]]), BoundedReward(np.diag([1.0, 0.1])), discount)
    return mdp, model, policy, behavior


def _scalar_dynamics(state: float, action: float, variance: float, offset: float) -> LinearDynamics:
    return LinearDynamics(np.array([[state]]), np.array([[action]]), np.array([[variance]]), np.array([offset]))


def _scalar_policy(gain: float, offset: float, variance: float) -> AffineGaussianPolicy:
    return AffineGaussianPolicy(np.array([[gain]]), np.array([offset]), np.array([[variance]]))


FAMILIES: Mapping[str, Callable[[int, np.random.Generator], Parts]] = {
    "random": _random,
    "exact": _exact,
    "scalar": _scalar,
    "drift": _drift,
    "wide": _wide,
    "runaway": _runaway,
}
"""Families of generated cases; each takes an index and a generator."""


def _with_reward(mdp: LinearGaussianMDP, weight: np.ndarray) -> LinearGaussianMDP:
    return LinearGaussianMDP(
        mdp.dynamics, mdp.initial_mean, mdp.initial_covariance, BoundedReward(weight), mdp.discount
    )


def _near_or_far(
    dynamics: LinearDynamics, policy: AffineGaussianPolicy, generator: np.random.Generator
) -> AffineGaussianPolicy:
    """A behavior policy: the policy itself, one near it with more or less noise, or another one."""
    kind = generator.random()
    if kind < 0.1:
        return policy
    if kind < 0.5:
        scale = float(generator.choice([0.5, 1.5, 4.0]))
        shift = 0.1 * np.sqrt(np.diagonal(policy.covariance)) * generator.standard_normal(policy.action_size)
        return AffineGaussianPolicy(policy.gain, policy.offset + shift, scale * policy.covariance)
    return random_policy(dynamics, generator, radius=0.95, spread=float(generator.choice(_SPREADS[1:])))


def _perturbed(
    truth: LinearDynamics, policies: tuple[AffineGaussianPolicy, ...], generator: np.random.Generator
) -> LinearDynamics:
    """A model near or far, with the noise of the truth or another, in which every policy's closed loop is stable."""
    error = float(10.0 ** generator.uniform(-4.0, 0.0))
    covariance = truth.covariance
    if generator.random() < 0.5:
        other = 0.2 * random_covariance(truth.state_size, generator)
        covariance = (1.0 - error) * covariance + error * other
    matrix, offset = (generator.standard_normal(part.shape) for part in (truth.matrix, truth.offset))
    size = truth.state_size
    while True:
        changed = truth.matrix + error * matrix
        model = LinearDynamics(changed[:, :size], changed[:, size:], covariance, truth.offset + error * offset)
        loops = [closed_loop(model, policy)[0] for policy in policies]
        if max(float(np.abs(np.linalg.eigvals(loop)).max()) for loop in loops) <= 0.97:
            return model
        error *= 0.5
