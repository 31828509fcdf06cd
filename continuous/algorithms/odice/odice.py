"""Deep O-DICE: values by an orthogonal gradient, the policy by weighted cloning, K seeds side by side.

Source: Mao et al., "ODICE: Revealing the Mystery of Distribution Correction Estimation via Orthogonal-gradient Update"
(ICLR 2024), Algorithm 1 and its code:

    scale rewards, in locomotion
    for every update:
        forward and backward gradient of the dual, made orthogonal              `ODICELearner.update`, `add_orthogonal`
        one step of V, and of its slow copy
        the policy: cloning of the data's actions, weighted

The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ampl.interfaces import Actor, State
from continuous.algorithms.odice.config import RETURN_RANGE, ODICEConfig
from continuous.algorithms.odice.learner import ODICELearner
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.algorithms.sac.policy import saved_best_action
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class ODICE(OfflineAlgorithm[ODICELearner, ODICEConfig]):
    """O-DICE for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "o-dice"

    def __init__(
        self, table: TransitionTable, config: ODICEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        span = table.return_range if config.scales_rewards else None
        self._trained = table.changed(reward=table.reward * (RETURN_RANGE / span)) if span else table
        sizes = (table.observation_size, table.action_size)
        self.learner = ODICELearner(*sizes, config.learner, seeds, table.rows.device)

    def update(self) -> None:
        """One update of everything."""
        self.learner.update(self._trained.sample(self.schedule.batch_size, self.streams["updates"]))

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> Actor:
        """See the base."""
        return saved_best_action(sizes, settings["learner"]["policy"], state)
