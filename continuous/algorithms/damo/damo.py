"""Deep DAMO: dual alignment maximin optimization on data and rollouts of the model, K seeds side by side.

Source: Zhou et al., "Dual Alignment Maximin Optimization for Offline Model-based RL" (arXiv 2502.00850, 2025),
Algorithm 1:

    train the dynamics models on D_env                                          `EnsembleDynamics.fit`
    for every epoch:
        roll the model out from states of D_env with the policy                 `roll_out`
        for every update:
            classifier: real against model transitions, half and half           Eqs. 3-4
            critic: minimum of Eq. 2 on 5 % real and 95 % model rows            `DAMOLearner.update_dual_critics`
            actor: maximum of the same objective                                Eq. 2, stabilized

The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from ampl.interfaces import State
from continuous.algorithms.damo.config import DAMOConfig, Starts
from continuous.algorithms.damo.learner import DAMODraws, DAMOLearner
from continuous.algorithms.model_based import ModelBasedSAC
from continuous.algorithms.offline import Surroundings
from continuous.algorithms.sac.policy import saved_best_action
from continuous.networks.acting import BestAction
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, TransitionTable


class DAMO(ModelBasedSAC[DAMOLearner, DAMOConfig]):
    """DAMO for several seeds.

    Args:
        table: the offline data with its own rewards, and the start states that `config.starts` names.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "damo"

    def __init__(
        self, table: TransitionTable, config: DAMOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = DAMOLearner(*sizes, config.learner, seeds, table.rows.device)

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: DAMOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """With the start states that the settings name; the table's own are where episodes begin."""
        if settings.starts is Starts.DATA:
            table = table.changed(start_state=table.state.clone())
        return cls(table, settings, seeds, surroundings)

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> BestAction:
        """See `OfflineAlgorithm`; soft actor-critic's settings are inside DAMO's."""
        return saved_best_action(sizes, settings["learner"]["learner"]["policy"], state)

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and alpha R; nothing without data alignment."""
        next_state, reward, terminal = self.model.step(state, action, streams)
        aligned = self.learner.aligned(Batch(state, action, reward, next_state, terminal))
        return next_state, reward, terminal, reward - aligned.reward

    def update(self) -> None:
        """One update of classifier, critics and actor."""
        streams, rows = self.streams["updates"], self.schedule.batch_size
        penalized = self.learner.damo.classifier.gradient_penalty > 0.0
        batch = self.mixed_batch()
        real, imagined = (source.sample(rows // 2, streams) for source in (self.table, self.buffer))
        start_state = self.table.sample_starts(rows, streams)
        noise = self.learner.policy.noise(streams, 3 * rows).chunk(3, dim=1)  # one kernel a seed on a GPU
        self.learner.update_all(
            DAMODraws(
                batch=batch,
                real=real,
                imagined=imagined,
                start_state=start_state,
                noise=noise[0],
                next_noise=noise[1],
                start_noise=noise[2],
                mixing=streams.uniform(rows // 2) if penalized else None,
            )
        )
