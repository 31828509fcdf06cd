"""What the exact algorithms with a pessimistic value share: evaluate pi, improve it, record the estimate."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from ampl.errors import check_at_least
from ampl.interfaces import Metrics
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner, advantage_scale, positive_softmax
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Policy


@dataclass(frozen=True, kw_only=True)
class PessimisticConfig(OfflineConfig):
    """The data, the model class and the policy."""

    temperature: float = 0.02  # of the policy, in units of the largest advantage

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("temperature", self.temperature, 1e-6)


class PessimisticLearner(OfflineLearner):
    """One seed; a subclass says what the action value of a policy is thought to be.

    Attributes:
        unit: r_max, the unit of the settings that are rewards.
        temperature: as in the settings.
    """

    def __init__(self, mdp: FiniteMDP, config: PessimisticConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self.recorded = {"variant": variant}
        self.unit = max(mdp.reward_bound, 1e-300)
        self.temperature = config.temperature

    @abstractmethod
    def pessimistic_value(self) -> ActionValue:
        """The action value of the current policy as the algorithm estimates it, [S, A], in reward units."""

    def improve_policy(self) -> Metrics:
        """Exact evaluation, and a policy that is better by it."""
        value = self.pessimistic_value()
        return self.change_policy(self.improved(value), value)

    def improved(self, value: ActionValue) -> Policy:
        """The softmax of the values, nearly greedy."""
        return positive_softmax(value / (self.temperature * advantage_scale(value)))

    def evaluate(self) -> Metrics:
        """Beside the truth: what the algorithm takes for the return, in the same unit."""
        start_value = self.mdp.initial @ (self.policy * self.pessimistic_value()).sum(axis=1)
        return dict(super().evaluate()) | {"evaluation/value_estimate": float((1.0 - self.mdp.discount) * start_value)}
