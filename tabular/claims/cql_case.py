"""A case as CQL's claims see it: with alpha, and with the mu whose values are pushed down.  Source: theory.md, 10.

Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020). Its numbers and wording are
quoted from memory; searches of public pages found readers' notes that agree on Eqs. 3 and 4 and on Theorem 3.4, and not
the paper's text.

A case's model stands for the empirical dynamics where a theorem speaks of sampling; C / sqrt(n) is then the smallest
number for which the theorem's assumption holds, the L1 distance of the pair's rows. alpha is drawn for each case, from
0.01 to 10 r_max, and mu is the policy or a random one that the data cover. Values are multiplied by 1 - discount.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from ampl.claims.claim import Measurement
from tabular.bounds.conservative_value import action_ratio
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.claims.aligned_case import at_least
from tabular.claims.case import Case
from tabular.claims.drawn_case import drawn_claim
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.generators import random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Mask, Policy


@dataclass(frozen=True, kw_only=True, eq=False)
class ConservativeCase:
    """A case with alpha and mu."""

    case: Case
    mdp: FiniteMDP
    model: FiniteMDP
    alpha: float
    mu: Policy
    mu_is_policy: bool

    @property
    def scale(self) -> float:
        """r_max + alpha, and more than zero."""
        return max(self.mdp.reward_bound + self.alpha, 1e-3)

    @property
    def covered(self) -> Mask:
        """Pairs that the data have, [S, A]."""
        return self.case.behavior > 0.0

    def value(self, mdp: FiniteMDP, mu: Policy, offset: float, alpha: float | None = None) -> ActionValue:
        """Q of the policy under r - alpha (mu / pi_b - offset), [S, A]: Eq. 1 with offset 0, Eq. 2 with 1."""
        alpha = self.alpha if alpha is None else alpha
        return action_value_of(
            mdp, self.case.policy, mdp.reward - alpha * (action_ratio(mu, self.case.behavior) - offset)
        )

    @cached_property
    def error(self) -> Floats:
        """What an empirical Bellman backup may be off, if values stay within 2 r_max / (1 - discount), [S, A]."""
        largest = 2.0 * self.mdp.reward_bound / (1.0 - self.mdp.discount)
        return self.mdp.discount * largest * 2.0 * next_state_total_variation(self.mdp, self.model)

    def of_policy(self, value: ActionValue) -> Floats:
        """E_pi[Q], [S]."""
        return (self.case.policy * value).sum(axis=1)

    def below(self, lower: Floats, upper: Floats, condition_met: bool = True) -> Measurement:
        """That values are below others wherever they are worst."""
        worst = int(np.argmin(upper - lower))
        return at_least(
            (1.0 - self.mdp.discount) * float(upper.flat[worst]),
            (1.0 - self.mdp.discount) * float(lower.flat[worst]),
            self.scale,
            condition_met,
        )


@lru_cache(maxsize=4)
def _drawn(case: Case) -> ConservativeCase:
    generator = case.generator("cql")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    mu_is_policy = bool(generator.random() < 0.5)
    other = random_rows(case.policy.shape, generator, 0.5) * (case.behavior > 0.0)
    return ConservativeCase(
        case=case,
        mdp=case.mdp.to_dense(),
        model=case.model.to_dense(),
        alpha=alpha,
        mu=case.policy if mu_is_policy else other / other.sum(axis=1, keepdims=True),
        mu_is_policy=mu_is_policy,
    )


conservative_claim = partial(drawn_claim, _drawn, lambda drawn: f"α = {drawn.alpha:.3g}")
"""A claim measured on a `ConservativeCase`."""
