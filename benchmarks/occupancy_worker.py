"""One measurement in one process: `python -m benchmarks.occupancy_worker WHAT SIDE POLICY` prints a JSON row.

Seconds are of the named computation alone, from a FiniteMDP and a policy to the answer; building the world is
`build_seconds` and the process's peak memory includes everything.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from benchmarks.occupancy import POLICIES
from benchmarks.records import command_line
from tabular.exact.linear_solvers import solve_discounted
from tabular.exact.occupancy import state_occupancy, state_value
from tabular.exact.policy import mix_policies, uniform_policy
from tabular.mdps.grid_world import grid_world, shortest_path_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Policy
from tabular.weights.operator import WeightOperator

MEMORY_LIMIT = 8 * 2**30  # bytes of address space a process may take
REPEATS = 21  # at most, of computations shorter than a second; medians are reported


def main() -> None:
    """Measures what the command line names."""
    measurements: dict[str, Callable[[FiniteMDP, Policy], dict[str, Any]]] = {
        "occupancy": own_occupancy,
        "state value": own_state_value,
        "QuantEcon state value": quantecon_state_value,
        "pairs spsolve": pairs_spsolve,
        "pairs dense": pairs_dense,
        "operator T": operator_against_product,
    }
    parser = command_line(__doc__)
    parser.add_argument("what", metavar="WHAT", choices=measurements, help=", ".join(measurements))
    parser.add_argument("side", metavar="SIDE", type=int, help="cells a side; states are the square")
    parser.add_argument("policy", metavar="POLICY", choices=POLICIES, help=", ".join(POLICIES))
    arguments = parser.parse_args()
    what, side, policy_name = arguments.what, arguments.side, arguments.policy
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    start = time.perf_counter()
    mdp = grid_world((side, side), slip=0.0 if policy_name == "directed-no-slip" else 0.1)
    policy = uniform_policy(mdp) if policy_name == "uniform" else shortest_path_policy((side, side))
    row = {"build_seconds": time.perf_counter() - start} | measurements[what](mdp, policy)
    row["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(row))


def own_occupancy(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """Seconds, the L1 residual of the answer (recomputed here) and the method that the solver chose."""
    seconds, occupancy = timed(lambda: state_occupancy(mdp, policy))
    arriving = mdp.push_forward(occupancy[:, None] * policy)  # [S']
    start = (1.0 - mdp.discount) * mdp.initial
    residual = float(np.abs(occupancy - mdp.discount * arriving - start).sum())
    method = solve_discounted(mdp.policy_dynamics(policy), start, mdp.discount, transpose=True).method
    return {"seconds": seconds, "residual": residual, "method": method}


def own_state_value(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """Seconds and the largest residual of the answer."""
    seconds, value = timed(lambda: state_value(mdp, policy))
    reward = np.einsum("sa,sa->s", policy, mdp.reward)
    expected = np.einsum("sa,sa->s", policy, mdp.expect_next(value))
    return {"seconds": seconds, "residual": float(np.abs(value - reward - mdp.discount * expected).max())}


def quantecon_state_value(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """QuantEcon's evaluate_policy on the same MDP in its state-action-pair form, compiled beforehand."""
    from quantecon.markov import DiscreteDP

    def problem(world: FiniteMDP) -> Any:
        states = np.repeat(np.arange(world.n_states), world.n_actions)
        actions = np.tile(np.arange(world.n_actions), world.n_states)
        dynamics = sparse.csr_matrix(world.dynamics)
        return DiscreteDP(world.reward.ravel(), dynamics, world.discount, states, actions)

    problem(grid_world((3, 3))).evaluate_policy(np.zeros(9, dtype=np.int64))  # compile
    decision_process, actions = problem(mdp), policy.argmax(axis=1)
    seconds, value = timed(lambda: decision_process.evaluate_policy(actions))
    return {"seconds": seconds, "largest_difference": float(np.abs(value - state_value(mdp, policy)).max())}


def pairs_spsolve(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """d_pi from (I - discount P_pi^T) d = (1 - discount) mu0 pi over all pairs, by scipy's default sparse solve."""
    seconds, occupancy = timed(lambda: spsolve(_pair_flow(mdp, policy).tocsc(), _pair_start(mdp, policy)))
    return {"seconds": seconds, "largest_difference": _gap(occupancy, mdp, policy)}


def pairs_dense(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """The same equations with a dense matrix."""
    flow = _pair_flow(mdp, policy).toarray()
    seconds, occupancy = timed(lambda: np.linalg.solve(flow, _pair_start(mdp, policy)))
    return {"seconds": seconds, "largest_difference": _gap(occupancy, mdp, policy)}


def operator_against_product(mdp: FiniteMDP, policy: Policy) -> dict[str, Any]:
    """Median seconds of one T w, and its ratio to one product of the same matrix, as [S', S*A] CSR, with a vector."""
    side = int(np.sqrt(mdp.n_states))
    operator = WeightOperator(mdp, mix_policies(policy, shortest_path_policy((side, side)), 0.5), policy)
    weights = np.random.default_rng(0).random(operator.shape)
    transposed, flat = mdp.pair_dynamics.T.tocsr(), weights.ravel()
    product, _ = timed(lambda: transposed @ flat)
    seconds, _ = timed(lambda: operator(weights))
    return {"seconds": seconds, "product_seconds": product, "note": f"{seconds / product:.2f} of one product"}


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    """Median wall seconds of up to `REPEATS` runs within about a second (one run if it takes longer) and the result."""
    seconds: list[float] = []
    while not seconds or (len(seconds) < REPEATS and sum(seconds) < 1.0):
        start = time.perf_counter()
        result = compute()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def _pair_flow(mdp: FiniteMDP, policy: Policy) -> Any:
    """I - discount P_pi^T between pairs, sparse [S*A, S*A]."""
    n_pairs = mdp.n_states * mdp.n_actions
    first_pair = np.arange(0, n_pairs + 1, mdp.n_actions)
    act = sparse.csr_array((policy.ravel(), np.arange(n_pairs), first_pair), shape=(mdp.n_states, n_pairs))
    return sparse.eye_array(n_pairs, format="csr") - mdp.discount * (mdp.dynamics @ act).T


def _pair_start(mdp: FiniteMDP, policy: Policy) -> Floats:
    return np.asarray((1.0 - mdp.discount) * (mdp.initial[:, None] * policy).ravel())


def _gap(occupancy: Floats, mdp: FiniteMDP, policy: Policy) -> float:
    return float(np.abs(occupancy - (state_occupancy(mdp, policy)[:, None] * policy).ravel()).max())


if __name__ == "__main__":
    main()
