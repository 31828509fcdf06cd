"""Deep behavior cloning against exact maximum likelihood.

That is the empirical policy on a finite problem with one-hot states and actions, and an affine regression on a
linear-Gaussian one.
"""

from __future__ import annotations

import numpy as np
import torch

from ampl.finite_problem import FiniteProblem
from continuous.algorithms.bc.bc import Imitation
from continuous.algorithms.bc.config import BCConfig
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.data.linear_gaussian_data import sampled_data
from continuous.data.transitions import transition_table as linear_gaussian_table
from continuous.experiments.finite import encoded, transition_table
from continuous.linear_gaussian.dataset import fit_policy
from continuous.networks.streams import SeedStreams
from continuous.tasks.find import find_task
from tabular.exact.policy import maximum_likelihood_policy
from tabular.experiments.finite_problem import finite_problem


def action_counts(problem: FiniteProblem) -> np.ndarray:
    """N(s, a), [S, A]."""
    counts = np.zeros((problem.n_states, problem.n_actions), dtype=np.int64)
    np.add.at(counts, (problem.state, problem.action), 1)
    return counts


def test_the_mean_of_one_hot_actions_is_the_empirical_policy() -> None:
    """Within 0.01: the squared error's minimum is E[a|s], N(s, a) / N(s) where actions are one-hot."""
    torch.set_num_threads(1)
    problem = finite_problem(0, n_states=4, n_actions=3, n_transitions=1000, n_policies=2, discount=0.8)
    table = transition_table(problem)
    config = BCConfig(learning_rate=3e-3, policy=TanhPolicyConfig(hidden=(32,)))
    deep = Imitation(table, config, [0, 1])
    every_row = table.gather(torch.arange(table.n_transitions).expand(2, -1))
    for _ in range(400):
        deep.update(every_row)
    with torch.no_grad():
        found = deep.policy.best_action(encoded(np.arange(4), 4).expand(2, -1, -1)).numpy()
    exact = maximum_likelihood_policy(action_counts(problem))
    np.testing.assert_allclose(found, np.broadcast_to(exact, found.shape), atol=0.01)
    assert np.abs(exact - 1.0 / 3.0).max() > 0.1  # a uniform policy would have been told apart


def test_the_gaussian_policy_is_the_affine_regression_of_linear_gaussian_data() -> None:
    """On lqr-pointmass: mean actions off by 0.01, root mean square, where they spread by 0.08; the noise by 1 %."""
    torch.set_num_threads(1)
    task, seeds = find_task("lqr-pointmass"), (0, 1)
    table = linear_gaussian_table(sampled_data(task), task)
    deep = Imitation(table, BCConfig(policy=TanhPolicyConfig(hidden=(8,), gaussian=True)), seeds)
    streams = SeedStreams(seeds, "updates")
    for rate in (1e-2, 1e-3):
        deep.optimizer.set_learning_rate(rate)
        for _ in range(300):
            deep.update(table.sample(1024, streams))
    with torch.no_grad():
        mean = deep.policy.best_action(table.state.expand(len(seeds), -1, -1)).double().numpy()
        std = deep.policy.log_std.exp().numpy()
    state, action = (rows.double().numpy() for rows in (table.state, table.action))
    exact = fit_policy(state, action)
    affine = state @ exact.gain.T + exact.offset
    assert affine.std() > 0.08
    assert np.sqrt(((mean - affine) ** 2).mean(axis=(1, 2))).max() < 0.01
    np.testing.assert_allclose(std, np.broadcast_to(np.sqrt(exact.covariance), std.shape), rtol=0.01)
