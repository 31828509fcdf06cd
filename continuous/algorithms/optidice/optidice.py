"""Deep OptiDICE: the stationary distribution of the best policy near the data, K seeds side by side.

Source: Lee et al., "OptiDICE: Offline Policy Optimization via Stationary Distribution Correction Estimation" (ICML
2021), Algorithm 1 and its code:

    standardize states and rewards
    for every update:
        nu and lambda down the dual                                             section 3.1, `OptiDICELearner.dual`
        e_phi towards the mean of e over next states                            section 3.1
        the data's policy by maximum likelihood
        after a warm-up the policy by information projection                    section 3.3

The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ampl.interfaces import Actor, State
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.algorithms.optidice.config import OptiDICEConfig
from continuous.algorithms.optidice.learner import OptiDICELearner
from continuous.algorithms.sac.policy import saved_best_action
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class OptiDICE(OfflineAlgorithm[OptiDICELearner, OptiDICEConfig]):
    """OptiDICE for several seeds.

    Args:
        table: the offline data with its own states and rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "optidice"

    def __init__(
        self, table: TransitionTable, config: OptiDICEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        one = min(1, table.n_transitions - 1)  # a single transition has no deviation
        self._mean, self._std = table.state.mean(0), table.state.std(0, correction=one).clamp(min=1e-6)
        reward = (table.reward - table.reward.mean()) / table.reward.std(correction=one).clamp(min=1e-10)
        columns = {name: self._standardized(getattr(table, name)) for name in ("state", "next_state", "start_state")}
        self._trained = table.changed(reward=config.reward_scale * reward, **columns)
        sizes = (table.observation_size, table.action_size)
        self.learner = OptiDICELearner(*sizes, config.learner, seeds, table.rows.device)

    def update(self) -> None:
        """One update of everything."""
        streams, rows = self.streams["updates"], self.schedule.batch_size
        batch, start_state = self._trained.sample(rows, streams), self._trained.sample_starts(rows, streams)
        self.learner.update(batch, start_state, self.learner.policy.noise(streams, rows))

    def begin_epoch(self, epoch: int) -> None:
        """Ends the warm-up in time."""
        before = self.learner.trains_policy
        super().begin_epoch(epoch)
        if self.learner.trains_policy is not before:
            self.forget_recorded()

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(self._standardized(state)).nan_to_num()

    def actor(self, index: int) -> Actor:
        """The same as a copy, on states as the environment gives them."""
        policy = self.learner.policy.snapshot(index)
        return replace(policy, network=policy.network.of_raw(self._mean.cpu().numpy(), self._std.cpu().numpy()))

    def tensors(self) -> dict[str, Tensor]:
        """With the mean and the standard deviation of states, which the policy needs."""
        shared = {"standardization/mean": self._mean, "standardization/std": self._std}
        return super().tensors() | {name: each.expand(len(self.seeds), -1) for name, each in shared.items()}

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> Actor:
        """See the base."""
        policy = saved_best_action(sizes, settings["learner"]["policy"], state)
        network = policy.network.of_raw(state["standardization/mean"], state["standardization/std"])
        return replace(policy, network=network)

    def _standardized(self, state: Tensor) -> Tensor:
        return (state - self._mean) / self._std
