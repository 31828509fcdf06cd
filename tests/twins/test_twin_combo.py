"""Deep COMBO's critics for a fixed policy on a finite problem with one-hot states, against the exact fixed point."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from continuous.algorithms.combo.combo import COMBO
from continuous.algorithms.combo.config import VARIANTS, COMBOConfig
from continuous.algorithms.config import Schedule
from continuous.algorithms.cql.learner import ConservativeConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from tabular.bounds.conservative_value import mixed_mdp
from tabular.exact.occupancy import action_value
from tabular.exact.policy import softmax_policy, uniform_policy
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Policy
from tests.continuous.algorithms.small_ampl import surroundings
from tests.twins.test_twin_cql import ACTIONS, SEEDS, critics_on_grid, policy_on_grid
from tests.twins.test_twin_sac import DISCOUNT, S, outcome, problem, transitions

WEIGHT = 4.0  # of the conservative term beside an error that is not halved: beta is half of it
LENGTH = 2  # h
ATTRACTION = 0.5  # of the last state, in the model alone


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


class WrongModel:
    """The problem's own steps, but half of them end in the last state."""

    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, ...]:
        next_state, reward, terminal = outcome(state, action, generator)
        attracted = generator.uniform(state.shape[1], 1) < ATTRACTION
        return torch.where(attracted, torch.eye(S)[-1], next_state), reward, terminal


def combo(variant: str) -> COMBO:
    """On 30,000 transitions of uniform states and actions; policy and temperature stay as they are drawn."""
    learner = ConservativeConfig(
        discount=DISCOUNT, target_rate=0.05, critic_learning_rate=3e-3, policy_learning_rate=0.0,
        temperature_learning_rate=0.0, hidden=(32, 32), policy=SquashedGaussianConfig(hidden=(32,)),
        conservative_weight=WEIGHT, sampled_actions=8,
    )  # fmt: skip
    schedule = Schedule(
        steps_per_epoch=20, starts_per_step=100, rollout_length=LENGTH, batch_size=128, real_fraction=0.5
    )
    batch = transitions(30_000, SeedStreams(SEEDS, "data"))
    table = TransitionTable(**{name: column[0] for name, column in batch._asdict().items()}, start_state=batch.state[0])
    config = VARIANTS[variant](COMBOConfig(learner=learner, schedule=schedule))
    deep = COMBO(table, config, SEEDS, surroundings())
    deep.rollout_model = WrongModel  # type: ignore[method-assign, assignment]
    return deep


def exact_value(mdp: FiniteMDP, model: FiniteMDP, policy: Policy, states_of_data: float, beta: float) -> ActionValue:
    """The fixed point of COMBO's Eq. 5 where softmax(Q) is pushed down at the states of rho, [S, A].

    Args:
        mdp: of the data, whose states and actions are uniform.
        model: of the rollouts, LENGTH steps from states of the data.
        policy: of backup and rollouts, [S, A].
        states_of_data: their share in rho; the others are the rollouts'.
        beta: of the penalty, beside an error that is halved.
    """
    steps = [mdp.initial]
    while len(steps) < LENGTH:
        steps.append(steps[-1] @ model.policy_dynamics(policy))
    visited = np.mean(steps, axis=0)
    rho = states_of_data * mdp.initial + (1.0 - states_of_data) * visited
    data, rollouts = mdp.initial[:, None] * uniform_policy(mdp), visited[:, None] * policy
    value, before = action_value(mdp, policy), np.inf
    while np.abs(value - before).max() > 1e-9:
        pushed_down = rho[:, None] * softmax_policy(value, 1.0)
        mixed, ratio = mixed_mdp(model, mdp, data, rollouts, 0.5, pushed_down)
        before, value = value, 0.9 * value + 0.1 * action_value_of(mixed, policy, mdp.reward - beta * ratio)
    return value


@pytest.mark.parametrize(("variant", "states_of_data"), [("main", 0.5), ("model-states", 0.0)])
def test_deep_critics_converge_to_the_exact_fixed_point_of_combo(variant: str, states_of_data: float) -> None:
    """Within 0.3 at every state and action, averaged over the last third of 800 updates; values range over 2.

    Told apart are values without the penalty or with one twice as large, those of a model without error, and the
    other variant's.
    """
    deep, found = combo(variant), []
    for epoch in range(1, 41):
        deep.run_epoch(epoch)
        if epoch > 26:
            found.append(critics_on_grid(deep.learner))
    average = np.mean(found, axis=0)[0]
    (policy,) = policy_on_grid(deep.learner)
    mdp = problem(np.tile(ACTIONS, (S, 1)), DISCOUNT)
    model = mdp.with_dynamics((1.0 - ATTRACTION) * mdp.dynamics + ATTRACTION * np.eye(S)[-1])
    exact = exact_value(mdp, model, policy, states_of_data, WEIGHT / 2.0)
    np.testing.assert_allclose(average, exact, atol=0.3, rtol=0.0)
    for other in (
        exact_value(mdp, model, policy, states_of_data, 0.0),
        exact_value(mdp, model, policy, states_of_data, WEIGHT),
        exact_value(mdp, mdp, policy, states_of_data, WEIGHT / 2.0),
        exact_value(mdp, model, policy, 0.5 - states_of_data, WEIGHT / 2.0),
    ):
        assert np.abs(other - average).max() > 0.9
