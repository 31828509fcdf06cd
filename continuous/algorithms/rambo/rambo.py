"""Deep RAMBO: soft actor-critic in a model that is trained against its policy, K seeds side by side.

Source: Rigter et al., "RAMBO-RL: Robust Adversarial Model-Based Offline Reinforcement Learning" (NeurIPS 2022),
Algorithm 1:

    train the dynamics models on D, and the policy to act as the data does      `EnsembleDynamics.fit`, `_clone`
    for every epoch:
        roll the model out from states of D with the policy                     `roll_out`
        soft actor-critic on batches of D and the model, half and half          `SoftActorCritic.update`
        the model against the policy, along paths from states of D              `_oppose`

The published code standardizes what policy and critics see; here they see the data's units, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ampl.interfaces import Array, Metrics
from continuous.algorithms.model_based import ModelBased, ModelBasedSAC
from continuous.algorithms.offline import Surroundings
from continuous.algorithms.rambo.adversary import adversarial_objective
from continuous.algorithms.rambo.config import RAMBOConfig
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.model.loss import LikelihoodLoss
from continuous.networks.repetition import Repetition
from continuous.replay.buffers import TransitionTable

_SUMS = ("adversary/objective", "adversary/advantage_mean", "adversary/likelihood_loss")


class RAMBO(ModelBasedSAC[SoftActorCritic, RAMBOConfig]):
    """RAMBO for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "rambo"
    stream_names = (*ModelBased.stream_names, "cloning", "adversary")

    def __init__(
        self, table: TransitionTable, config: RAMBOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = SoftActorCritic(*sizes, config.learner, seeds, table.rows.device)
        self._sums = {name: torch.zeros(len(seeds), device=self._device) for name in _SUMS}
        self._opposing = Repetition(self._oppose, [self.streams["adversary"]], self._device)
        self._rows: Tensor | None = None  # the data, standardized for the model's likelihood

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """Maximum likelihood; the adversary begins with moments of its own."""
        metrics = super().fit_model(weights)
        self.model.network.restart_optimizers()
        return metrics

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch: rollouts and updates, then the adversary's turn; before the first, behavior cloning."""
        with self.computing():
            if epoch == 1:
                cloning = Repetition(self._clone, [self.streams["cloning"]], self._device)
                cloning.run(self.settings.cloning_steps)
            metrics = super().improve_policy(epoch)
            return [{**one, **other} for one, other in zip(metrics, self._train_adversary(), strict=True)]

    def _clone(self) -> None:
        """One step of the policy up the likelihood of the data's actions."""
        batch, policy = self.table.sample(self.schedule.batch_size, self.streams["cloning"]), self.learner.policy
        loss = -policy.log_probability(batch.state, batch.action).mean(-1)
        self.learner.policy_optimizer.step(policy.network.gradient(loss.sum()))

    def _train_adversary(self) -> Sequence[Metrics]:
        """As many updates of the model as of the policy, along paths of h steps; none without a weight."""
        if self.settings.adversary_weight == 0.0:
            return [{} for _ in self.seeds]
        if self._rows is None:
            self._rows = self.model.standardization.rows(self.table)
        for total in self._sums.values():
            total.zero_()
        paths = max(1, self.schedule.steps_per_epoch // self.schedule.rollout_length)
        self._opposing.run(paths)
        self.model.copy_elites()
        means = torch.stack(list(self._sums.values())).cpu() / (paths * self.schedule.rollout_length)
        return [dict(zip(_SUMS, column, strict=True)) for column in means.T.tolist()]

    def _oppose(self) -> None:
        """A path from states of the data, with one update of the model at each of its steps."""
        streams, rows, model = self.streams["adversary"], self.schedule.batch_size, self.model
        state = self.table.state[streams.integers(self.table.n_transitions, rows)]
        for _ in range(self.schedule.rollout_length):
            with torch.no_grad():
                action = self.learner.policy.act(state, streams)
            noise, shift = streams.normal(rows, state.shape[-1] + 1), streams.integers(model.config.elites, 1)
            objective, advantage, state = adversarial_objective(model, self.learner, state, action, noise, shift)
            likelihood = self._likelihood_loss()
            model.network.update((self.settings.adversary_weight * objective + likelihood).sum())
            for total, value in zip(self._sums.values(), (objective, advantage, likelihood), strict=True):
                total += value.detach()

    def _likelihood_loss(self) -> Tensor:
        """What a step of the model's fit minimizes, [K], on rows of the data, each member's own."""
        assert self._rows is not None
        members, streams, scale = self.model.config.members, self.streams["adversary"], self.model.standardization
        drawn = streams.integers(len(self._rows), members, self.schedule.batch_size)
        inputs, target = self._rows[drawn].tensor_split([len(scale.input_mean)], dim=-1)
        losses = LikelihoodLoss().rows(self.model.network, inputs, target, streams)
        return losses.mean(-1).sum(-1) + self.model.network.bounds_penalty()
