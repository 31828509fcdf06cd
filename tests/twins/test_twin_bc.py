"""Deep behavior cloning on a finite problem with one-hot states and actions, against the exact empirical policy."""

from __future__ import annotations

import numpy as np
import torch

from ampl.finite_problem import FiniteProblem
from continuous.algorithms.bc.bc import Imitation
from continuous.algorithms.bc.config import BCConfig
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.experiments.finite import encoded, transition_table
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
