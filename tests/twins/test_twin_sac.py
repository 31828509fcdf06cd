"""Soft actor-critic as a whole on a finite problem whose future depends on actions, against soft policy iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.experiments.finite import encoded
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tabular.exact.occupancy import one_step_value, state_value
from tabular.exact.policy import softmax_policy, uniform_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats

S, GRID, SEEDS = 3, 101, (0, 1)
TEMPERATURE, DISCOUNT = 0.2, 0.8
BASE = np.array([0.0, 1.0, 2.0])  # r(s, a) = BASE[s] - (a - FAVORITE[s])^2
FAVORITE = np.array([-0.3, 0.2, -0.4])
LOW = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])  # P(. | s, -1)
HIGH = np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])  # P(. | s, 1); in between P is linear in a


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A policy and its soft value, [..., S] each."""

    value: Floats
    mean: Floats  # of the action
    std: Floats
    entropy: Floats  # nats


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def problem(actions: Floats, discount: float) -> FiniteMDP:
    """The MDP with these actions only, [S, A]."""
    share = ((1.0 + actions) / 2.0)[..., None]
    dynamics = (1.0 - share) * LOW[:, None] + share * HIGH[:, None]  # [S, A, S']
    return FiniteMDP(dynamics, BASE[:, None] - (actions - FAVORITE[:, None]) ** 2, np.full(S, 1.0 / S), discount)


def soft_value(mdp: FiniteMDP, policy: Floats, bonus: Floats) -> Floats:
    """V of a policy that is paid a bonus, [S, A], for its entropy, [S]."""
    return state_value(FiniteMDP(mdp.dynamics, mdp.reward + bonus, mdp.initial, mdp.discount), policy)


def soft_policy_iteration(discount: float) -> Solution:
    """The optimum on a grid over [-1, 1]; entropies are those of densities: -log(probability / spacing)."""
    spacing = 2.0 / GRID
    actions = -1.0 + spacing * (np.arange(GRID) + 0.5)
    mdp = problem(np.tile(actions, (S, 1)), discount)
    policy = uniform_policy(mdp)
    for _ in range(30):
        value = soft_value(mdp, policy, -TEMPERATURE * np.log(policy / spacing))
        policy, before = softmax_policy(one_step_value(mdp, value), TEMPERATURE), policy
    np.testing.assert_allclose(policy, before, atol=1e-12)
    mean, entropy = policy @ actions, -(policy * np.log(policy / spacing)).sum(axis=1)
    return Solution(value=value, mean=mean, std=np.sqrt(policy @ actions**2 - mean**2), entropy=entropy)


def trained(steps: int) -> list[Solution]:
    """What soft actor-critic has found, at times over the last third of its training."""
    config = SoftActorCriticConfig(
        discount=DISCOUNT, target_rate=0.02, critic_learning_rate=2e-3, policy_learning_rate=1e-3,
        temperature_learning_rate=0.0, initial_log_temperature=float(np.log(TEMPERATURE)), hidden=(32, 32),
        policy=SquashedGaussianConfig(hidden=(32,)),
    )  # fmt: skip
    sac, streams = SoftActorCritic(S, 1, config, SEEDS), SeedStreams(SEEDS, "updates")
    found = []
    for step in range(steps):
        sac.update(transitions(256, streams), streams.normal(256, 1), streams.normal(256, 1))
        if step >= steps * 2 // 3 and step % 25 == 0:
            found.append(solution_of(sac))
    return found


def transitions(rows: int, streams: SeedStreams) -> Batch:
    """From uniform states and actions; states are one-hot."""
    state = one_hot(streams.integers(S, rows), S).float()
    action = 2.0 * streams.uniform(rows, 1) - 1.0
    next_state, reward, terminal = outcome(state, action, streams)
    return Batch(state=state, action=action, reward=reward, next_state=next_state, terminal=terminal)


def outcome(state: torch.Tensor, action: torch.Tensor, streams: SeedStreams) -> tuple[torch.Tensor, ...]:
    """Next states, rewards, and that nothing ends."""
    low, high, base, favorite = (torch.tensor(array, dtype=torch.float32) for array in (LOW, HIGH, BASE, FAVORITE))
    cumulative = torch.lerp(state @ low, state @ high, (1.0 + action) / 2.0).cumsum(-1)
    following = (streams.uniform(state.shape[1], 1) >= cumulative[..., :-1]).sum(-1)
    reward = state @ base - (action[..., 0] - state @ favorite).square()
    return one_hot(following, S).float(), reward, torch.zeros(following.shape, dtype=torch.bool)


@torch.no_grad()
def solution_of(sac: SoftActorCritic) -> Solution:
    """By quadrature under each seed's policy, [K, S]; the value is what the critics say: min_j Q_j plus entropy."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    noise = torch.tensor(np.tile(nodes, S), dtype=torch.float32)[:, None].expand(len(SEEDS), -1, -1)
    state = encoded(np.repeat(np.arange(S), 40), S).expand(len(SEEDS), -1, -1)
    action, log_probability = sac.policy.sample_with_log_probability(state, noise)
    value = sac.action_value(state, action).amin(1)
    rows = torch.stack((value, action[..., 0], action[..., 0].square(), -log_probability)).double().numpy()
    value, mean, square, entropy = rows.reshape(4, len(SEEDS), S, 40) @ (weights / weights.sum())
    return Solution(value=value + TEMPERATURE * entropy, mean=mean, std=np.sqrt(square - mean**2), entropy=entropy)


def true_value(mean: Floats, std: Floats, entropy: Floats) -> Floats:
    """The soft value of a policy, [S]: P is linear in the action and r quadratic, so that its moments say it all."""
    bonus = TEMPERATURE * entropy - std**2
    return soft_value(problem(mean[:, None], DISCOUNT), np.ones((S, 1)), bonus[:, None])


@pytest.fixture(scope="module")
def found() -> list[Solution]:
    return trained(3000)


def test_the_exact_optimum_looks_ahead_and_values_states_apart() -> None:
    """Ten times as far as the next test's tolerances, for values, and seven times, for actions."""
    exact, myopic = soft_policy_iteration(DISCOUNT), soft_policy_iteration(0.0)
    assert np.abs(np.diff(exact.value)).min() > 1.0
    assert np.abs(exact.value - myopic.value).min() > 1.0
    assert np.abs(exact.mean - myopic.mean).min() > 0.2
    np.testing.assert_allclose(true_value(exact.mean, exact.std, exact.entropy), exact.value, atol=1e-9)
    np.testing.assert_array_less(true_value(myopic.mean, myopic.std, myopic.entropy), exact.value - 0.2)


def test_soft_actor_critic_finds_the_soft_optimum(found: list[Solution]) -> None:
    """Each state and seed, averaged over the last third of the updates.

    Values to 0.1, on the whole from below, for the smaller twin is taken; means of the action to 0.03, standard
    deviations to 0.025.
    """
    exact = soft_policy_iteration(DISCOUNT)
    for name, tolerance in (("value", 0.1), ("mean", 0.03), ("std", 0.025)):
        average = np.mean([getattr(one, name) for one in found], axis=0)  # [K, S]
        expected = np.broadcast_to(getattr(exact, name), average.shape)
        np.testing.assert_allclose(average, expected, atol=tolerance, rtol=0.0, err_msg=name)
    assert np.mean([one.value - exact.value for one in found]) < 0.0


def test_the_last_policy_is_truly_worth_the_soft_optimum(found: list[Solution]) -> None:
    """Its exact soft value: at most 0.04 below in each state, and nowhere above."""
    exact, last = soft_policy_iteration(DISCOUNT), found[-1]
    for seed in range(len(SEEDS)):
        gap = exact.value - true_value(last.mean[seed], last.std[seed], last.entropy[seed])
        assert gap.min() > 0.0
        assert gap.max() < 0.04
