"""A case as the claims of OptiDICE and AlgaeDICE see it: with alpha and f.  Source: theory.md, section 6.

The papers' statements are given as remembered: no copy of the papers was at hand.

The data are the behavior policy's occupancy; alpha, from 0.01 to 10 times the rewards' scale, and f are drawn for each
case. Values of either sign are compared in units of r_max + alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

from tabular.bounds.divergences import ChiSquared, Divergence, KullbackLeibler, SoftChiSquared
from tabular.claims.case import Case
from tabular.claims.drawn_case import drawn_claim
from tabular.dice.regularized_optimum import RegularizedOptimum, regularized_optimum
from tabular.dice.regularized_return import DualMinimum, RegularizedReturn
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, StateValue

FIRST_ORDER = 1e-4  # tolerance of weights, which are as good as the square root of the duality gap
_KINDS: tuple[Divergence, ...] = (ChiSquared(), KullbackLeibler(), SoftChiSquared())


@dataclass(frozen=True, kw_only=True, eq=False)
class DiceCase:
    """A case with alpha and f."""

    case: Case
    mdp: FiniteMDP
    alpha: float
    kind: Divergence

    @property
    def scale(self) -> float:
        """r_max + alpha."""
        return self.mdp.reward_bound + self.alpha

    @property
    def data(self) -> Floats:
        """d_D, [S, A]."""
        return self.case.behavior_occupancy

    @property
    def is_deterministic(self) -> bool:
        """Whether every pair of the data has one next state."""
        return bool(((self.mdp.to_dense().dynamics > 0.0).sum(axis=2)[self.data > 0.0] <= 1).all())

    @cached_property
    def optimum(self) -> RegularizedOptimum:
        """OptiDICE's optimum."""
        return regularized_optimum(self.mdp, self.case.behavior, self.alpha, self.kind)

    @cached_property
    def objective(self) -> RegularizedReturn:
        """AlgaeDICE's objective, a function of the policy."""
        return RegularizedReturn(self.mdp, self.data, self.alpha, self.kind)

    @cached_property
    def inner(self) -> DualMinimum:
        """AlgaeDICE's minimum over nu for the case's policy."""
        return self.objective.inner(self.case.policy)

    def advantage(self, state_value: StateValue) -> Floats:
        """e_nu, [S, A]."""
        return self.mdp.reward + self.mdp.discount * self.mdp.expect_next(state_value) - state_value[:, None]

    def lagrangian(self, state_value: StateValue, weights: Floats | None = None) -> float:
        """L(w, nu) of OptiDICE; with the best w if none is given."""
        slope = self.advantage(state_value) / self.alpha
        weights = self.kind.conjugate_slope(slope) if weights is None else weights
        start = (1.0 - self.mdp.discount) * float(self.mdp.initial @ state_value)
        return start + self.alpha * float((self.data * (weights * slope - self.kind.generator(weights))).sum())

    def one_sample(self, state_value: StateValue) -> float:
        """OptiDICE's L with a sampled next state in place of its mean."""
        following = self.mdp.reward[..., None] + self.mdp.discount * state_value - state_value[:, None, None]
        mass = self.data[..., None] * self.mdp.dynamics
        start = (1.0 - self.mdp.discount) * float(self.mdp.initial @ state_value)
        return start + self.alpha * float((mass * self.kind.conjugate(following / self.alpha)).sum())

    def random_value(self, purpose: str) -> StateValue:
        """nu of up to a few times alpha."""
        return self.alpha * self.case.generator(purpose).normal(size=self.mdp.n_states)


@lru_cache(maxsize=4)
def _drawn(case: Case) -> DiceCase:
    generator = case.generator("dice")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    kind = _KINDS[int(generator.integers(len(_KINDS)))]
    return DiceCase(case=case, mdp=case.mdp.to_dense(), alpha=alpha, kind=kind)


dice_claim = partial(drawn_claim, _drawn, lambda drawn: f"α = {drawn.alpha:.3g}, f of {drawn.kind.name}")
"""A claim measured on a `DiceCase`."""
