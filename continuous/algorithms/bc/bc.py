"""Deep behavior cloning: the policy does at every state of the data what the data does there, K seeds side by side.

    pi:  min  E_D |pi(s) - a|^2,   or  max  E_D[log pi(a|s)]  for a Gaussian

The loop is `ampl.training.train`'s. Nothing is valued, so there is no certificate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from ampl.errors import InvalidArgumentError
from ampl.interfaces import State
from continuous.algorithms.bc.config import BCConfig
from continuous.algorithms.bc.policy import PolicyAdam, TanhPolicy, saved_tanh_action
from continuous.algorithms.learner import Learner
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.networks.acting import TanhAction
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, TransitionTable


class Imitation(Learner):
    """The policy of K seeds and its update."""

    metrics = ("policy/loss", "policy/squared_distance")
    policy: TanhPolicy

    def __init__(self, table: TransitionTable, config: BCConfig, seeds: Sequence[int]) -> None:
        device = table.rows.device
        super().__init__(len(seeds), device)
        self._config = config
        self.policy = TanhPolicy(table.observation_size, table.action_size, config.policy, seeds, device)
        self.policy.fit_inputs(table)
        self.optimizer = PolicyAdam(self.policy, config.learning_rate)

    @property
    def discount(self) -> float:
        """gamma."""
        return self._config.discount

    def update(self, batch: Batch) -> None:
        """One step of the policy."""
        inputs = self.policy.inputs(batch.state)
        distance = (self.policy.of_inputs(inputs) - batch.action).square().mean(-1)  # [K, B]
        if self.policy.spread is None:
            loss = distance.mean(-1)
        else:
            loss = -self.policy.log_probability(inputs, batch.action).mean(-1)
        self.optimizer.step(loss.sum())
        self.record(loss, distance)


class BehaviorCloning(OfflineAlgorithm[Imitation, BCConfig]):
    """Behavior cloning for several seeds; arguments as of `OfflineAlgorithm`."""

    name = "bc"

    def __init__(
        self, table: TransitionTable, config: BCConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        self.learner = Imitation(table, config, seeds)

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: BCConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """On the share of the data that is imitated."""
        share = settings.best_share
        return cls(table if share == 1.0 else best(table, share), settings, seeds, surroundings)

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> TanhAction:
        """See `OfflineAlgorithm`."""
        return saved_tanh_action(sizes, settings["policy"], state)

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    def update(self) -> None:
        """One update on rows of the data."""
        self.learner.update(self.real_batch())


def best(table: TransitionTable, share: float) -> TransitionTable:
    """The share of the transitions whose episodes have the largest returns, in the data's order, at least one.

    Raises:
        InvalidArgumentError: the returns are not known.
    """
    if table.episode_return is None:
        raise InvalidArgumentError("best_share is below 1, but the returns of the data's episodes are not known.")
    count = math.ceil(share * table.n_transitions)
    rows = table.episode_return.argsort(descending=True, stable=True)[:count].sort().values
    return table.selected(rows)
