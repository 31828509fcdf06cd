"""DAMO's inner minimum and its gradient on sparse MDPs: `python -m benchmarks.damo_inner`.

The closed form for f = (x-1)^2 on 10^4 state-action pairs, against the same minimum as least squares with one unknown a
pair, against the interior-point method, and the envelope-theorem gradient against one finite difference a logit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsmr

from benchmarks.records import command_line, print_table, write_record
from tabular.alignment.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.alignment.policy_objectives import MaximinValue
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import ChiSquared
from tabular.exact.policy import mix_policies, random_policy, uniform_policy
from tabular.mdps.grid_world import grid_world
from tabular.mdps.mdp import FiniteMDP

ALPHA = 0.5
ROUNDS = 3


def main() -> None:
    """Measures everything and prints the table."""
    command_line(__doc__).parse_args()
    rows = [row for mdp in (grid(), random_graph()) for row in measure(mdp)]
    print_table(("mdp", "pairs", "what", "seconds", "ratio"), rows)
    print(f"wrote {write_record('damo_inner', rows).name}")


def measure(mdp: FiniteMDP) -> list[dict[str, Any]]:
    """Best of three of each; ratios are to the closed form."""
    support, occupancies = setting(mdp)
    closed = MaximinValue(support, ALPHA, ChiSquared(), closed_form=True)
    contestants: dict[str, tuple[Callable[[], Any], int]] = {
        "closed form": (lambda: inner_minimum_closed_form(occupancies, ALPHA), ROUNDS),
        "least squares over pairs (LSMR)": (lambda: least_squares(occupancies), 1),
        "value and gradient, policy's occupancies included": (lambda: closed(occupancies.policy), ROUNDS),
    }
    if mdp.name.startswith("grid"):  # on a random graph its factors fill up
        contestants["interior point, ratios >= 0"] = (lambda: inner_minimum(occupancies, ALPHA, ChiSquared()), 1)
    seconds = {name: best_time(call, rounds) for name, (call, rounds) in contestants.items()}
    size = int(mdp.reward.size)
    seconds["gradient by finite differences (one value a logit, extrapolated)"] = size * seconds["closed form"]
    fastest = seconds["closed form"]
    return [
        {"mdp": mdp.name, "pairs": size, "what": what, "seconds": found, "ratio": found / fastest}
        for what, found in seconds.items()
    ]


def setting(mdp: FiniteMDP) -> tuple[TransitionSupport, TransitionOccupancies]:
    """A model whose probabilities are off by up to a half, a uniform behavior policy, a policy halfway to random."""
    generator = np.random.default_rng(0)
    rows = sparse.csr_array(mdp.pair_dynamics).copy()
    rows.data = rows.data * generator.uniform(0.5, 1.5, rows.nnz)
    totals = np.asarray(rows.sum(axis=1)).ravel()
    model = mdp.with_dynamics(sparse.csr_array(sparse.diags_array(1.0 / totals) @ rows))
    behavior = uniform_policy(mdp)
    policy = mix_policies(random_policy(mdp.n_states, mdp.n_actions, generator), behavior, 0.5)
    support = TransitionSupport(mdp, model, behavior)
    return support, support.occupancies(policy)


def grid() -> FiniteMDP:
    """A slippery grid world of 50 x 50 cells."""
    mdp = grid_world((50, 50), slip=0.2, discount=0.99)
    mdp.name = "grid 50 x 50"
    return mdp


def random_graph() -> FiniteMDP:
    """2500 states, four actions, five next states each."""
    generator = np.random.default_rng(1)
    n_pairs = 10_000
    row, column = np.repeat(np.arange(n_pairs), 5), generator.integers(2500, size=n_pairs * 5)
    probability = generator.dirichlet(np.ones(5), size=n_pairs).ravel()
    dynamics = sparse.csr_array((probability, (row, column)), shape=(n_pairs, 2500))
    reward = generator.uniform(-1.0, 1.0, (2500, 4))
    return FiniteMDP(dynamics, reward, np.full(2500, 1.0 / 2500.0), 0.99, reward_bound=1.0, name="random graph")


def least_squares(occupancies: TransitionOccupancies) -> float:
    """The same minimum with one unknown a pair, by a library's iterative solver at the tolerance it manages."""
    support, policy = occupancies.support, occupancies.policy
    entries, n_pairs = len(support.pair), policy.size
    own = sparse.csr_array((np.ones(entries), (np.arange(entries), support.pair)), shape=(entries, n_pairs))
    first = np.arange(0, n_pairs + 1, policy.shape[1])
    choose = sparse.csr_array((policy.ravel(), np.arange(n_pairs), first), shape=(policy.shape[0], n_pairs))
    root = np.sqrt(occupancies.model)
    design = sparse.diags_array(root) @ (own - support.mdp.discount * choose[support.next_state])
    earned = support.reward - ALPHA * occupancies.log_ratio()
    found = lsmr(design, root * earned, atol=1e-10, btol=1e-10, maxiter=20_000)
    return float(occupancies.model @ earned + found[3] ** 2 / (4.0 * ALPHA))


def best_time(call: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest of some calls."""
    best = np.inf
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return float(best)


if __name__ == "__main__":
    main()
