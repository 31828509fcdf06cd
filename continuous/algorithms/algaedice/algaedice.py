"""Deep AlgaeDICE: policy gradient for the return less a divergence from the data, K seeds side by side.

Source: Nachum et al., "AlgaeDICE: Policy Gradient from Arbitrary Experience" (2019), Algorithm 1 and its code:

    for every two updates:
        twice: the critics down the dual                                        `AlgaeDICELearner.update_critics`
        the policy up the same dual, with the weights f*' held fixed
        the temperature of its entropy; slow copies of the critics

The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ampl.interfaces import Actor, State
from continuous.algorithms.algaedice.config import AlgaeDICEConfig
from continuous.algorithms.algaedice.learner import UPDATES, AlgaeDICEDraws, AlgaeDICELearner
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.algorithms.sac.policy import saved_best_action
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class AlgaeDICE(OfflineAlgorithm[AlgaeDICELearner, AlgaeDICEConfig]):
    """AlgaeDICE for several seeds.

    Args:
        table: the offline data; its start states are the first of episodes.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "algaedice"
    updates_at_once = UPDATES

    def __init__(
        self, table: TransitionTable, config: AlgaeDICEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = AlgaeDICELearner(*sizes, config.learner, seeds, table.rows.device)

    def update(self) -> None:
        """Two updates of the critics and one of the policy."""
        self.learner.update_all(self._draws(), self._draws())

    def _draws(self) -> AlgaeDICEDraws:
        streams, rows = self.streams["updates"], self.schedule.batch_size
        batch, start_state = self.real_batch(), self.table.sample_starts(rows, streams)
        next_noise, start_noise = self.learner.policy.noise(streams, 2 * rows).chunk(2, dim=1)
        return AlgaeDICEDraws(batch=batch, start_state=start_state, next_noise=next_noise, start_noise=start_noise)

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> Actor:
        """See the base."""
        return saved_best_action(sizes, settings["learner"]["learner"]["policy"], state)
