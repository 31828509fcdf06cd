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
from typing import Any, Self

from torch import Tensor

from ampl.interfaces import Actor, State
from continuous.algorithms.bc.policy import saved_tanh_action
from continuous.algorithms.iql.iql import reward_scale
from continuous.algorithms.odice.config import ODICEConfig
from continuous.algorithms.odice.learner import ODICELearner
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class ODICE(OfflineAlgorithm[ODICELearner, ODICEConfig]):
    """O-DICE for several seeds.

    Args:
        table: the offline data, rewards scaled.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "o-dice"

    def __init__(
        self, table: TransitionTable, config: ODICEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = ODICELearner(*sizes, config.learner, seeds, table.rows.device)

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: ODICEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """With rewards scaled so that the episodes' returns span what the settings say."""
        span = settings.return_range
        scale = 1.0 if span is None else reward_scale(table, span, only_complete=True)
        return cls(table.changed(reward=scale * table.reward), settings, seeds, surroundings)

    def update(self) -> None:
        """One update of everything."""
        self.learner.update(self.real_batch())

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> Actor:
        """See the base."""
        return saved_tanh_action(sizes, settings["learner"]["policy"], state)
