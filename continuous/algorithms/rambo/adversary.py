"""RAMBO's adversary: the model is moved to where the policy's value is lower, and held by the likelihood of the data.

    min over the model of  weight * E[A log P_hat(s', r | s, a)] - E_D[log P_hat]
    A = r + gamma (1 - d) min_j Q_j(s', pi(s')) - min_j Q_j(s, a),   standardized over the batch

Source: Rigter et al., "RAMBO-RL: Robust Adversarial Model-Based Offline Reinforcement Learning" (NeurIPS 2022), the
model gradient with the state-action value as its baseline, and the published code's choices: P_hat is the elites'
mixture over reward and next state, pi(s') the policy's mean, Q_j the critics as they are trained.
"""

from __future__ import annotations

import torch
from torch import Tensor

from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.model.ensemble import EnsembleDynamics, mixture_log_density, one_elite_each

_TRIFLE = 1e-6


def adversarial_objective(
    model: EnsembleDynamics, learner: SoftActorCritic, state: Tensor, action: Tensor, noise: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """E[A log P_hat], whose gradient by the model's parameters is the policy gradient of the value.

    Args:
        model: of K seeds.
        learner: whose policy and critics value what the model draws.
        state: [K, B, D].
        action: of the policy, [K, B, A].
        noise: standard normal, for rewards and next states, [K, B, D + 1].
        shift: which elite draws which row, as of `continuous.model.ensemble.dealing`.

    Returns:
        The objective and the mean of A before it is standardized, [K] each, and the next states drawn, [K, B, D].
    """
    scale = model.standardization
    mean, log_std = (of_elites(model, each) for each in model.network(scale.inputs(state, action)[:, None]))
    std = log_std.exp()  # [K, elites, B, D + 1]
    with torch.no_grad():
        drawn = torch.addcmul(one_elite_each(mean, shift), one_elite_each(std, shift), noise)  # standardized
        next_state, reward, terminal = model.finish(state, action, scale.next_state(state, drawn), scale.reward(drawn))
        next_action = learner.policy.best_action(next_state)
        next_value = learner.action_value(next_state, next_action).amin(1)
        value = reward + learner.discount * ~terminal * next_value
        advantage = value - learner.action_value(state, action).amin(1)  # [K, B]
        middle = advantage.mean(-1, keepdim=True)
        standardized = (advantage - middle) / (advantage.std(-1, correction=0, keepdim=True) + _TRIFLE)
    log_density = mixture_log_density((drawn[:, None] - mean) / std, std)
    return (standardized * log_density).mean(-1), middle[:, 0], next_state


def of_elites(model: EnsembleDynamics, values: Tensor) -> Tensor:
    """The elites' part of what all members say, [K, E, B, X] to [K, elites, B, X]."""
    return values.gather(1, model.elites[:, :, None, None].expand(-1, -1, *values.shape[2:]))
