"""Cases for DAMO: a model that stays within the truth's transitions, so that every log ratio is finite."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.exact.policy import mix_policies, random_policy, uniform_policy
from tabular.mdps.mdp import FiniteMDP
from tests.strategies import Case, mdp_model_and_policies, mdps

ALPHAS = (1.0, 0.1, 0.02, 10.0)


def within_truth(case: Case) -> FiniteMDP:
    """The case's model without the transitions that the truth forbids, in the truth's storage."""
    dynamics = case.mdp.to_dense().dynamics
    rows = case.model.to_dense().dynamics * (dynamics > 0.0)
    model = case.mdp.to_dense().with_dynamics(rows / rows.sum(axis=-1, keepdims=True))
    return model.to_sparse() if case.mdp.is_sparse else model


@st.composite
def aligned_occupancies(
    draw: st.DrawFn, *, dynamics: Sequence[str] | None = None, discounts: Sequence[float] | None = None
) -> TransitionOccupancies:
    """Occupancies of a policy in the truth, in a model within the truth's support, and in the data."""
    options = {}
    if dynamics is not None:
        options["dynamics"] = dynamics
    if discounts is not None:
        options["discounts"] = discounts
    case = draw(mdp_model_and_policies(mdp=draw(mdps(**options))))
    support = TransitionSupport(case.mdp, within_truth(case), case.behavior)
    return support.occupancies(case.policy)


def random_support(seed: int, n_states: int = 5, n_actions: int = 3, discount: float = 0.9) -> TransitionSupport:
    """A dense random MDP, a model that is 30 % wrong, and a broad behavior policy."""
    generator = np.random.default_rng(seed)
    dynamics = generator.dirichlet(np.ones(n_states), (n_states, n_actions))
    reward = generator.uniform(-1.0, 1.0, (n_states, n_actions))
    mdp = FiniteMDP(dynamics, reward, generator.dirichlet(np.ones(n_states)), discount, reward_bound=1.0)
    model = mdp.with_dynamics(0.7 * dynamics + 0.3 * generator.dirichlet(np.ones(n_states), (n_states, n_actions)))
    behavior = mix_policies(random_policy(n_states, n_actions, generator), uniform_policy(mdp), 0.5)
    return TransitionSupport(mdp, model, behavior)
