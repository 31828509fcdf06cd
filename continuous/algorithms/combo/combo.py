"""Deep COMBO: conservative critics on data and rollouts of the model, K seeds side by side.

Source: Yu et al., "COMBO: Conservative Offline Model-Based Policy Optimization" (arXiv 2102.08363, 2021), Algorithm 1:

    train the dynamics models on D                                              `EnsembleDynamics.fit`
    for every epoch:
        roll the model out from states of D with the policy, into D_model       `roll_out`
        critics: Eq. 3 on batches of D and D_model, half and half               `ConservativeLearner`
        policy: Eq. 4, soft actor-critic's                                      `SoftActorCritic.improve`

Eq. 3 pushes values down at states of rho and actions of the policy, and up at the data. rho is the batch's states, or
the model's alone (`conservative_states`); which actions are pushed down is CQL(H)'s choice, as in the paper's code.
"""

from __future__ import annotations

from collections.abc import Sequence

from continuous.algorithms.combo.config import COMBOConfig, ConservativeStates
from continuous.algorithms.cql.learner import ConservativeLearner
from continuous.algorithms.model_based import ModelBasedSAC
from continuous.algorithms.offline import Surroundings
from continuous.replay.buffers import TransitionTable


class COMBO(ModelBasedSAC[ConservativeLearner, COMBOConfig]):
    """COMBO for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "combo"

    def __init__(
        self, table: TransitionTable, config: COMBOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = ConservativeLearner(*sizes, config.learner, seeds, table.rows.device)

    def update(self) -> None:
        """One update of soft actor-critic with conservative critics."""
        real, rows = self.real_rows, self.schedule.batch_size
        first = real if self.settings.conservative_states is ConservativeStates.MODEL else 0
        batch = self.mixed_batch()
        noise, next_noise = self.policy_noise()
        draws = self.learner.draw_actions(self.streams["updates"], rows - first)
        self.learner.update_conservatively(batch, noise, next_noise, draws, data_rows=real, first=first)
