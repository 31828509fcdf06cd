"""Deep OptiDICE's and AlgaeDICE's dual variables on finite problems with one-hot states, against the exact programs.

What minibatches have found is put into the exact dual, which is at least its minimum whatever is put in: the tests say
how little above it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from continuous.algorithms.algaedice.learner import SETTINGS, AlgaeDICEDraws, AlgaeDICELearner, AlgaeDICELearnerConfig
from continuous.algorithms.optidice.learner import AdvantageLoss, OptiDICELearner, OptiDICELearnerConfig
from continuous.experiments.finite import TablePolicy, all_pairs, encoded
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from tabular.bounds.divergences import Cubic, SoftChiSquared
from tabular.dice.regularized_optimum import one_sample_minimum
from tabular.dice.regularized_return import RegularizedReturn
from tabular.exact.dataset import sample_dataset
from tabular.exact.occupancy import action_value, occupancy
from tabular.exact.policy import greedy_policy, optimal_policy, uniform_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats

SEEDS, STATES, ACTIONS = (0, 1), 6, 3


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def finite_mdp(*, deterministic: bool) -> FiniteMDP:
    mdp = random_mdp(STATES, ACTIONS, np.random.default_rng(0), discount=0.8, concentration=0.3)
    return mdp.with_dynamics(np.eye(STATES)[np.asarray(mdp.dynamics).argmax(axis=2)]) if deterministic else mdp


def table_of(mdp: FiniteMDP) -> TransitionTable:
    """50,000 transitions of the uniform policy."""
    data = sample_dataset(mdp, uniform_policy(mdp), 50_000, np.random.default_rng(1))
    return TransitionTable(
        state=encoded(data.state, STATES),
        action=encoded(data.action, ACTIONS),
        reward=torch.tensor(data.reward).float(),
        next_state=encoded(data.next_state, STATES),
        terminal=torch.zeros(data.n_transitions, dtype=torch.bool),
        start_state=encoded(data.start_state, STATES),
    )


def test_optidice_finds_the_minimum_of_what_samples_show_and_its_advantages() -> None:
    mdp, alpha = finite_mdp(deterministic=False), 0.3
    config = OptiDICELearnerConfig(
        alpha=alpha, discount=mdp.discount, hidden=(64,), learning_rate=3e-3, advantage_loss=AdvantageLoss.SQUARED
    )
    learner, streams = OptiDICELearner(STATES, ACTIONS, config, SEEDS), SeedStreams(SEEDS, "updates")
    learner.trains_policy = False
    table = table_of(mdp)
    for _ in range(700):
        learner.update(table.sample(256, streams), table.sample_starts(256, streams), torch.zeros(()))
    value, multiplier = exact_nu(learner), learner.multipliers.views["nu"].detach().double().numpy()
    best = one_sample_minimum(mdp, uniform_policy(mdp), alpha, SoftChiSquared())
    states, actions = all_pairs(STATES, ACTIONS)
    predicted = learner.advantage(torch.cat((states, actions), dim=-1))[..., 0].detach().double().numpy()
    for seed in range(len(SEEDS)):
        residual = mdp.reward[..., None] + mdp.discount * value[seed] - value[seed][:, None, None]
        cost = SoftChiSquared().conjugate((residual - multiplier[seed]) / alpha)
        mass = occupancy(mdp, uniform_policy(mdp))[..., None] * mdp.dynamics
        dual = (1 - mdp.discount) * mdp.initial @ value[seed] + alpha * float((mass * cost).sum())
        assert best <= dual + float(multiplier[seed, 0]) <= best + 0.01
        expected = (mdp.dynamics * residual).sum(axis=2)
        np.testing.assert_allclose(predicted[seed].reshape(STATES, ACTIONS), expected, atol=0.15)


def exact_nu(learner: OptiDICELearner) -> Floats:
    """nu of each state, [K, S]."""
    return np.asarray(learner.nu(torch.eye(STATES))[..., 0].detach().double().numpy())


class _Fixed(TablePolicy):
    """A policy that is not trained and has no entropy."""

    def sample_with_log_probability(self, state: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, ...]:
        action = self.sample(state, noise)[0]
        return action, torch.zeros(action.shape[:-1])


def test_algaedice_finds_the_regularized_return_of_a_policy() -> None:
    mdp, alpha = finite_mdp(deterministic=True), 0.1
    policy = greedy_policy(action_value(mdp, optimal_policy(mdp)))
    networks = replace(SETTINGS, discount=mdp.discount, hidden=(64,), critic_learning_rate=3e-3)
    learner = AlgaeDICELearner(
        STATES, ACTIONS, AlgaeDICELearnerConfig(alpha=alpha, online_share=1.0, learner=networks), SEEDS
    )
    del learner.policy
    learner.policy = _Fixed(policy, len(SEEDS))  # type: ignore[assignment]
    table, streams = table_of(mdp), SeedStreams(SEEDS, "updates")
    for _ in range(1200):
        learner.update_critics(
            AlgaeDICEDraws(
                batch=table.sample(256, streams),
                start_state=table.sample_starts(256, streams),
                next_noise=streams.uniform(256, 1),
                start_noise=streams.uniform(256, 1),
            )
        )
    exact = RegularizedReturn(mdp, occupancy(mdp, uniform_policy(mdp)), alpha**2, Cubic())
    best = exact.inner(policy).value
    states, actions = all_pairs(STATES, ACTIONS)
    found = learner.action_value(states.expand(2, -1, -1), actions.expand(2, -1, -1)).detach().double().numpy()
    for twin in found.reshape(-1, STATES, ACTIONS):
        assert best - 1e-6 <= exact.dual(policy, twin) <= best + 0.01
