"""MOReL on a finite MDP, with every component exact: plan in a model in which unknown pairs end all hope.

Source: Kidambi et al., "MOReL: Model-Based Offline Reinforcement Learning" (NeurIPS 2020), Algorithm 1. A pair is
unknown where the model's row may be off by more than a total variation; the detectors stand in for the disagreement of
an ensemble of networks. States in which episodes have ended are known.
"""

from __future__ import annotations

from dataclasses import dataclass

from ampl.errors import check_at_least, check_fraction
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.pessimistic_learner import PessimisticConfig, PessimisticLearner
from tabular.algorithms.uncertainty import bootstrap_disagreement, spread_by_counts
from tabular.bounds.pessimistic_mdp import pessimistic_mdp, with_halt
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.exact.occupancy import action_value
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Mask

VARIANTS = {
    "main": "a pair's total variation is taken for sqrt(k / n) / 2, n rows of its cell with k different next states",
    "ensemble": "it is taken for the largest of a bootstrap model's rows from the ensemble's mean",
    "true-detector": "it is known: no detector could be better",
}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class MOReLConfig(PessimisticConfig):
    """Hyperparameters of tabular MOReL."""

    threshold: float = 0.25  # alpha: pairs of a larger total variation are unknown
    halt_penalty: float = 1.0  # kappa, in units of r_max a step
    n_members: int = 7  # of the ensemble

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction("threshold", self.threshold)
        check_at_least("halt_penalty", self.halt_penalty, 0.0)
        check_at_least("n_members", self.n_members, 2, "One model cannot disagree with itself.")


class MOReLLearner(PessimisticLearner):
    """One seed of MOReL."""

    def __init__(self, mdp: FiniteMDP, config: MOReLConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, variant, seed)
        self._config, self._variant, self._seed = config, variant, seed

    def pessimistic_value(self) -> ActionValue:
        """The action value in the pessimistic MDP."""
        mdp = pessimistic_mdp(self.model, self.unknown(), self._config.halt_penalty * self.unit)
        return action_value(mdp, with_halt(self.policy))[:-1]

    def unknown(self) -> Mask:
        """U, [S, A].  Source: MOReL, Definition 2."""
        return (self._total_variation() > self._config.threshold) & ~self.mdp.absorbing[:, None]

    def _total_variation(self) -> Floats:
        if self._variant == "true-detector":
            return next_state_total_variation(self.mdp, self.model)
        if self._variant == "ensemble":
            config = self._config
            return bootstrap_disagreement(self.counts, self.cells, config.n_members, config.smoothing, self._seed) / 2.0
        return spread_by_counts(self.counts, self.cells) / 2.0


MOREL = ExactFactory(name="morel", variants=VARIANTS, published=MOReLConfig(), learner=MOReLLearner)
