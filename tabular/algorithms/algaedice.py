"""AlgaeDICE on a finite MDP, exactly: policy gradient for the return less a divergence from the data.

Source: Nachum et al., "AlgaeDICE: Policy Gradient from Arbitrary Experience" (2019). An epoch is a few steps of the
maximum over policies; the minimum over nu, which is known in closed form, gives the gradient. The maximum is OptiDICE's
optimum, and how far the policy is below it is recorded. What stands in for the sampled parts, and why:

- dynamics and data distribution: OptiDICE's, see `tabular/algorithms/optidice.py`;
- f: that of the published code, f* = |y|^1.5 / 1.5, is x^3 / 3;
- actor: L-BFGS on the logits, with the exact gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ampl.errors import check_at_least
from ampl.interfaces import Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner
from tabular.alignment.maximin import ascend
from tabular.alignment.surrogate import check_coefficient
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler
from tabular.dice.regularized_optimum import regularized_optimum
from tabular.dice.regularized_return import RegularizedReturn
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP

VARIANTS = {
    "main": "f = x^3 / 3, as published",
    "chi-squared": "f = (x - 1)^2",
    "kl": "f = x log x - x + 1",
}
"""What each is."""

KINDS: dict[str, Divergence] = {"main": Cubic(), "chi-squared": ChiSquared(), "kl": KullbackLeibler()}


@dataclass(frozen=True, kw_only=True)
class AlgaeDICEConfig(OfflineConfig):
    """Hyperparameters of tabular AlgaeDICE."""

    alpha: float = 0.01  # coefficient of the divergence from the data, in units of r_max
    actor_iterations: int = 5  # of L-BFGS an epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        check_coefficient(self.alpha)
        check_at_least("actor_iterations", self.actor_iterations, 1)


class AlgaeDICELearner(OfflineLearner):
    """One seed of AlgaeDICE; its model is fitted once."""

    def __init__(self, mdp: FiniteMDP, config: AlgaeDICEConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self._kind = KINDS[variant]
        self.recorded = {"divergence": self._kind.name}
        self._unit = max(mdp.reward_bound, 1e-300)
        self._alpha = config.alpha * self._unit
        self._actor_iterations = config.actor_iterations

    @cached_property
    def _objective(self) -> RegularizedReturn:
        return RegularizedReturn(self.model, occupancy(self.model, self.estimated_behavior), self._alpha, self._kind)

    @cached_property
    def _optimum(self) -> float:
        return regularized_optimum(self.model, self.estimated_behavior, self._alpha, self._kind).value

    def improve_policy(self) -> Metrics:
        """A few steps up; `weights` are then those of the policy."""
        found = ascend(self._objective, self.policy, self._actor_iterations, self._unit)
        dual = self._objective.inner(found.policy)
        self.weights = dual.weights
        return dict(self.change_policy(found.policy, dual.action_value)) | {
            "policy/objective": dual.value,
            "policy/below_optimum": self._optimum - dual.value,
        }


ALGAEDICE = ExactFactory(name="algaedice", variants=VARIANTS, published=AlgaeDICEConfig(), learner=AlgaeDICELearner)
