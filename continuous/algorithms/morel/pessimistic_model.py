"""MOReL's pessimistic MDP: the ensemble, which halts at a price where its members disagree too much.

Source: Kidambi et al., "MOReL: Model-Based Offline Reinforcement Learning" (NeurIPS 2020), Definitions 1 and 2, as
its practical version has them: a pair is unknown where

    disc(s, a) = max over i, j of |f_i(s, a) - f_j(s, a)| > threshold

with the members' predicted next states f, in the data's units. The step that halts earns the price once and ends the
path; in the paper's theory HALT goes on to earn it for ever.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from continuous.model.ensemble import EnsembleDynamics, one_elite_each
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable

_CHUNK = 4096  # transitions of the data at a time


class PessimisticModel:
    """A `continuous.model.rollout.Model` that halts.

    Args:
        model: the ensemble, whose elites are asked.
        halt_reward: -kappa, reward units, a scalar.

    Attributes:
        threshold: above which a pair is unknown, in the data's units of state, [K]; kept in checkpoints.
    """

    def __init__(self, model: EnsembleDynamics, halt_reward: Tensor) -> None:
        self._model, self._halt_reward = model, halt_reward
        self.threshold = torch.zeros(len(model.elites), device=model.elites.device)

    def measure(self, table: TransitionTable, coefficient: float) -> None:
        """Sets the threshold: the mean of disc over the data plus `coefficient` times its deviation; inf: none."""
        if math.isinf(coefficient):
            self.threshold.fill_(math.inf)
            return
        seeds = len(self.threshold)
        pairs = zip(torch.split(table.state, _CHUNK), torch.split(table.action, _CHUNK), strict=True)
        found = [self.disagreement(*(rows.expand(seeds, -1, -1) for rows in pair)) for pair in pairs]
        disagreement = torch.cat(found, dim=1).double()  # [K, N]
        self.threshold.copy_(disagreement.mean(1) + coefficient * disagreement.std(1, correction=0))

    def disagreement(self, state: Tensor, action: Tensor) -> Tensor:
        """disc at states [K, B, D] and actions [K, B, A]: [K, B]."""
        return widest(self._model.elite_predictions(state, action)[0][..., 1:])

    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, Tensor, Tensor]:
        """One step from each pair: next states [K, B, D], rewards [K, B], and whether the path ended, [K, B]."""
        next_state, reward, terminal, charge = self.charged_step(state, action, generator)
        return next_state, reward - charge, terminal

    @torch.no_grad()
    def charged_step(
        self, state: Tensor, action: Tensor, generator: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same with the model's own rewards, and what halting takes away of them, [K, B], beside them."""
        shift = generator.integers(self._model.config.elites, 1)
        noise = generator.normal(state.shape[1], state.shape[2] + 1)
        mean, std = self._model.elite_predictions(state, action)
        target = torch.addcmul(one_elite_each(mean, shift), one_elite_each(std, shift), noise)
        next_state, reward, terminal = self._model.finish(state, action, state + target[..., 1:], target[..., 0])
        halted = ~(widest(mean[..., 1:]) <= self.threshold[:, None])  # also where it is not a number
        return next_state, reward, terminal | halted, torch.where(halted, reward - self._halt_reward, 0.0)


def widest(predictions: Tensor) -> Tensor:
    """The largest distance between two members' predictions, [K, E, B, X] to [K, B]."""
    members = range(predictions.shape[1])
    pairs = [(predictions[:, i] - predictions[:, j]).norm(dim=-1) for i in members for j in members[:i]]
    return torch.stack(pairs).amax(0)
