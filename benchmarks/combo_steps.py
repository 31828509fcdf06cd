"""How many of COMBO's and MOBILE's updates a second: this project against the usual way of writing them.

    python -m benchmarks.combo_steps

Updates with their batches at Hopper's sizes, on one thread; contestants take turns, and rates are the best of eight by
the processor's time, so that other work on the machine counts least. "usual, detached" keeps the policy's graph out of
COMBO's critics, which the common implementations do not. Both algorithms spend their time in products of thousands of
rows, which no way of writing makes fewer. Writes results/combo_steps.json.
"""

from __future__ import annotations

import time

import torch

from benchmarks.ampl_steps import ROWS, Step, compared, ours, repeated, report, synthetic_data, usual
from benchmarks.plain_combo import CONSERVATIVE_WEIGHT, INCONSISTENCY_WEIGHT, PlainCOMBO, PlainMOBILE
from benchmarks.plain_mopo import PlainMOPO
from benchmarks.records import command_line
from continuous.algorithms.combo.combo import COMBO
from continuous.algorithms.combo.config import COMBOConfig, learner
from continuous.algorithms.mobile.config import MOBILEConfig
from continuous.algorithms.mobile.mobile import MOBILE
from continuous.commands.bench.loops import no_surroundings, synthetic_table

FILL, UPDATES, ROUNDS = 50_000, 2, 8  # rows of the model's buffer, updates of a turn, and turns
WHAT = ("COMBO updates", "MOBILE updates")


def main() -> None:
    """Measures everything and prints the table."""
    command_line(__doc__).parse_args()
    contestants = {
        "usual": usual(1, plain_steps()),
        "usual, detached": usual(1, {WHAT[0]: steps_of(PlainCOMBO(synthetic_data(), FILL, detached=True))}),
        "ours": ours(1, our_steps()),
    }
    report("combo_steps", compared(contestants, WHAT, 1, ROUNDS, time.process_time))


def plain_steps() -> dict[str, Step]:
    """The usual way."""
    torch.manual_seed(0)
    data = synthetic_data()
    return {WHAT[0]: steps_of(PlainCOMBO(data, FILL)), WHAT[1]: steps_of(PlainMOBILE(data, FILL))}


def steps_of(plain: PlainMOPO) -> Step:
    """Updates of one, its model buffer full."""
    plain.made.add({name: column[:FILL] for name, column in plain.real.columns.items()})
    return repeated(lambda: plain.update(plain.mixed()), UPDATES)


def our_steps() -> dict[str, Step]:
    """This project's way, the model buffers full."""
    table, around = synthetic_table(ROWS, "cpu"), no_surroundings()
    combo = COMBO(table, COMBOConfig(learner=learner(CONSERVATIVE_WEIGHT)), [0], around)
    mobile = MOBILE(table, MOBILEConfig(penalty_weight=INCONSISTENCY_WEIGHT), [0], around)
    for owner in (combo, mobile):
        owner.buffer.append(table.sample(FILL, owner.streams["rollouts"]))
    return {WHAT[0]: repeated(combo.update, UPDATES), WHAT[1]: repeated(mobile.update, UPDATES)}


if __name__ == "__main__":
    main()
