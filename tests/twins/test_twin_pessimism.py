"""MOReL's pessimistic model and RAMBO's adversary on finite problems with one-hot states, against the exact ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from continuous.algorithms.morel.pessimistic_model import PessimisticModel
from continuous.algorithms.rambo.adversary import adversarial_objective
from continuous.experiments.finite import all_pairs, encoded
from continuous.model.standardization import Standardization
from continuous.networks.streams import SeedStreams
from tabular.bounds.pessimistic_mdp import pessimistic_mdp, with_halt
from tabular.exact.occupancy import action_value, expected_return, occupancy, state_value
from tabular.exact.policy import deterministic_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP

S, A = 6, 3
ELITES = torch.arange(2)[None]
MDP = random_mdp(S, A, np.random.default_rng(0), discount=0.8)


def finished(_state: Tensor, _action: Tensor, next_state: Tensor, reward: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """No episode ends by a rule or a bound."""
    return next_state, reward, torch.zeros(reward.shape, dtype=torch.bool)


def test_paths_of_morels_model_earn_the_exact_return_of_the_pessimistic_mdp() -> None:
    """From every pair, 150 steps of two deterministic members that disagree about a fourth of the pairs.

    Deep HALT is paid once, the exact one for ever: there the pair itself has the deep price, and HALT earns nothing.
    """
    generator = np.random.default_rng(1)
    following, unknown = generator.integers(S, size=(S, A)), generator.random((S, A)) < 0.25
    other = np.where(unknown, (following + 1) % S, following)
    mdp, price = MDP.with_dynamics(np.eye(S)[following]), -3.0
    policy = deterministic_policy(generator.integers(A, size=S), A)
    states, actions = (rows[None] for rows in all_pairs(S, A))
    reward = torch.tensor(mdp.reward.reshape(-1, 1)).float()
    means = torch.stack([torch.cat((reward, encoded(to.ravel(), S) - states[0]), dim=1) for to in (following, other)])

    def elite_predictions(state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        mean = means[:, state.argmax(-1) * A + action.argmax(-1)].movedim(0, 1)
        return mean, torch.zeros_like(mean)

    ensemble: Any = SimpleNamespace(
        config=SimpleNamespace(elites=2), elites=ELITES, elite_predictions=elite_predictions, finish=finished
    )
    deep, streams = PessimisticModel(ensemble, torch.tensor(price)), SeedStreams((0,), "steps")
    deep.threshold.fill_(0.5)  # members that disagree are sqrt(2) apart
    acts = torch.tensor(policy).float()
    state, action, found, alive = states, actions, torch.zeros(1, S * A), torch.ones(1, S * A)
    for step in range(150):
        state, earned, terminal = deep.step(state, action, streams)
        found += mdp.discount**step * alive * earned
        alive *= ~terminal
        action = state @ acts
    charged = FiniteMDP(mdp.dynamics, np.where(unknown, price, mdp.reward), mdp.initial, mdp.discount)
    exact = action_value(pessimistic_mdp(charged, unknown, 0.0), with_halt(policy))[:-1]
    np.testing.assert_allclose(found.reshape(S, A), exact, atol=1e-5)
    assert (np.abs(exact - action_value(mdp, policy)) > 0.1)[~unknown].any()  # halting later matters, too


def test_rambos_gradient_is_that_of_the_exact_return_by_the_models_logits() -> None:
    """Proposition 1 along a random direction, to 1e-4, against a central difference of the exact return.

    The model's mean next state is a row of probabilities, so that linear values of it are exact expectations. The noise
    has mean zero and covariance one exactly; what standardizes the advantages is undone.
    """
    generator, dynamics = np.random.default_rng(2), MDP.to_dense().dynamics
    policy, direction = generator.dirichlet(np.ones(A), S), generator.normal(size=dynamics.shape)
    value = state_value(MDP, policy)
    points = np.sqrt(S + 1.0) * np.concatenate((np.eye(S + 1), -np.eye(S + 1)))
    states, actions = (rows.repeat_interleave(len(points), 0)[None] for rows in all_pairs(S, A))
    noise = torch.tensor(np.tile(points, (S * A, 1))).float()[None]
    logits = torch.tensor(np.log(dynamics)).float().requires_grad_()
    rewards, values, advantages = (
        torch.tensor(array).float() for array in (MDP.reward, value, action_value(MDP, policy) - value[:, None])
    )

    def network(inputs: Tensor) -> tuple[Tensor, Tensor]:
        state, action = inputs.split((S, A), dim=-1)
        pair = state.argmax(-1), action.argmax(-1)
        mean = torch.cat((rewards[pair][..., None], logits.softmax(-1)[pair] - state), dim=-1)
        return mean.expand(-1, 2, -1, -1), torch.zeros_like(mean).expand(-1, 2, -1, -1)  # both elites are the same

    def twins(state: Tensor, action: Tensor) -> Tensor:
        """Q; an action of zeros is the policy's own."""
        return (state @ values + ((state @ advantages) * action).sum(-1))[:, None].expand(-1, 2, -1)

    def own(state: Tensor) -> Tensor:
        return state.new_zeros(*state.shape[:-1], A)

    model: Any = SimpleNamespace(standardization=Standardization(S, A), network=network, elites=ELITES, finish=finished)
    learner: Any = SimpleNamespace(discount=MDP.discount, policy=SimpleNamespace(best_action=own), action_value=twins)
    shift = torch.zeros(1, 1, dtype=torch.long)
    objective, mean_advantage, _ = adversarial_objective(model, learner, states, actions, noise, shift)
    (slope,) = torch.autograd.grad(objective.sum(), logits)
    spread = np.sqrt(1.0 + MDP.discount**2 * value @ value)  # of the advantages
    found = S * A * spread * (occupancy(MDP, policy)[:, :, None] * slope.double().numpy() * direction).sum()

    def moved_return(step: float) -> float:
        return expected_return(MDP.with_dynamics(softmax(np.log(dynamics) + step * direction, axis=2)), policy)

    assert abs(float(mean_advantage)) < 1e-5  # Bellman's equation
    np.testing.assert_allclose(found, (moved_return(1e-4) - moved_return(-1e-4)) / 2e-4, rtol=1e-4)
