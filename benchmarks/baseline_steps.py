"""How many of CQL's and TD3+BC's updates a second: this project against the usual way of writing them.

    python -m benchmarks.baseline_steps

Updates with their batches at Hopper's sizes, on one thread; contestants take turns, and rates are the best of three
rounds. Writes results/baseline_steps.json.
"""

from __future__ import annotations

import torch

from benchmarks.ampl_steps import ROUNDS, ROWS, Step, compared, ours, repeated, report, synthetic_data, usual
from benchmarks.plain_baselines import POLICY_PERIOD, PlainCQL, PlainTD3BC
from benchmarks.records import command_line
from continuous.algorithms.cql.config import CQLConfig
from continuous.algorithms.cql.cql import CQL
from continuous.algorithms.td3_bc.config import TD3BCConfig
from continuous.algorithms.td3_bc.td3_bc import TD3BC
from continuous.commands.bench.loops import no_surroundings, synthetic_table

CQL_UPDATES, TD3BC_UPDATES = 6, 100  # of a turn
WHAT = ("CQL updates", "TD3+BC updates")


def main() -> None:
    """Measures everything and prints the table."""
    command_line(__doc__).parse_args()
    contestants = {"usual": usual(1, plain_steps()), "ours": ours(1, our_steps())}
    report("baseline_steps", compared(contestants, WHAT, 1, ROUNDS))


def plain_steps() -> dict[str, Step]:
    """The usual way."""
    torch.manual_seed(0)
    cql, td3_bc = PlainCQL(synthetic_data(), 1), PlainTD3BC(synthetic_data())
    return {
        WHAT[0]: repeated(lambda: cql.update(cql.mixed()), CQL_UPDATES),
        WHAT[1]: repeated(td3_bc.update, TD3BC_UPDATES),
    }


def our_steps() -> dict[str, Step]:
    """This project's way."""
    table, around = synthetic_table(ROWS, "cpu"), no_surroundings()
    cql, td3_bc = CQL(table, CQLConfig(), [0], around), TD3BC(table, TD3BCConfig(), [0], around)
    pairs = repeated(td3_bc.update, TD3BC_UPDATES // POLICY_PERIOD)  # as many as the policy is updated once in
    return {WHAT[0]: repeated(cql.update, CQL_UPDATES), WHAT[1]: lambda: POLICY_PERIOD * pairs()}


if __name__ == "__main__":
    main()
