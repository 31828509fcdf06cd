"""OptiDICE on a finite MDP, solved exactly: the occupancy of the best return less a divergence from the data.

Source: Lee et al., "OptiDICE: Offline Policy Optimization via Stationary Distribution Correction Estimation" (ICML
2021). One epoch is all: the convex program is solved to its optimum, with the duality gap as its certificate. What
stands in for the sampled parts, and why:

- dynamics: those fitted to the data, so that the dual has the mean over next states and not one sample of them;
- data distribution: what the estimated behavior policy visits under these dynamics, as in the paper's code;
- policy: w d_D, normalized in each state; the estimated behavior policy's where the optimum never goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ampl.interfaces import Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner
from tabular.alignment.surrogate import check_coefficient
from tabular.bounds.divergences import ChiSquared, Divergence, KullbackLeibler, SoftChiSquared
from tabular.dice.regularized_optimum import regularized_optimum
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.operator import density_ratio

VARIANTS = {
    "main": "f = (x - 1)^2, whose weights can be zero",
    "soft": "f = (x - 1)^2 / 2 above x = 1 and x log x - x + 1 below, as in deep OptiDICE",
    "kl": "f = x log x - x + 1",
}
"""What each is."""

KINDS: dict[str, Divergence] = {"main": ChiSquared(), "soft": SoftChiSquared(), "kl": KullbackLeibler()}


@dataclass(frozen=True, kw_only=True)
class OptiDICEConfig(OfflineConfig):
    """Hyperparameters of tabular OptiDICE."""

    alpha: float = 0.01  # coefficient of the divergence from the data, in units of r_max

    def __post_init__(self) -> None:
        super().__post_init__()
        check_coefficient(self.alpha)


class OptiDICELearner(OfflineLearner):
    """One seed of OptiDICE."""

    def __init__(self, mdp: FiniteMDP, config: OptiDICEConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self._kind = KINDS[variant]
        self.recorded = {"divergence": self._kind.name}
        self._alpha = config.alpha * max(mdp.reward_bound, 1e-300)

    def improve_policy(self) -> Metrics:
        """The program's optimum; `weights` are then those of the policy."""
        found = regularized_optimum(self.model, self.estimated_behavior, self._alpha, self._kind)
        self.weights = density_ratio(found.occupancy, occupancy(self.model, self.estimated_behavior))
        return dict(self.change_policy(found.policy, found.advantage + found.state_value[:, None])) | {
            "policy/objective": found.value,
            "policy/duality_gap": found.gap,
        }


OPTIDICE = ExactFactory(
    name="optidice", variants=VARIANTS, published=OptiDICEConfig(), learner=OptiDICELearner, epochs=1
)
