"""How many updates of OptiDICE, O-DICE and AlgaeDICE a second: this project against the usual way of writing them.

    python -m benchmarks.dice_steps

Updates with their batches at Hopper's sizes, on one thread; contestants take turns, and rates are the best of three
rounds by the processor's time. An update of AlgaeDICE is two of its critics and one of its policy. O-DICE spends its
time in products of its policy's layers of 1024 units, which no way of writing makes fewer. Writes
results/dice_steps.json.
"""

from __future__ import annotations

import time

import torch

from benchmarks.ampl_steps import ROUNDS, ROWS, Step, compared, ours, repeated, report, synthetic_data, usual
from benchmarks.plain_dice import PlainAlgaeDICE, PlainODICE, PlainOptiDICE
from benchmarks.records import command_line
from continuous.algorithms.algaedice.algaedice import AlgaeDICE
from continuous.algorithms.algaedice.config import AlgaeDICEConfig
from continuous.algorithms.odice.config import ODICEConfig
from continuous.algorithms.odice.odice import ODICE
from continuous.algorithms.optidice.config import OptiDICEConfig
from continuous.algorithms.optidice.optidice import OptiDICE
from continuous.commands.bench.loops import no_surroundings, synthetic_table

UPDATES = 10  # of a turn
WHAT = ("OptiDICE updates", "O-DICE updates", "AlgaeDICE updates")


def main() -> None:
    """Measures everything and prints the table."""
    command_line(__doc__).parse_args()
    contestants = {"usual": usual(1, plain_steps()), "ours": ours(1, our_steps())}
    report("dice_steps", compared(contestants, WHAT, 1, ROUNDS, time.process_time))


def plain_steps() -> dict[str, Step]:
    """The usual way."""
    torch.manual_seed(0)
    data = synthetic_data()
    optidice, odice, algaedice = PlainOptiDICE(data), PlainODICE(data), PlainAlgaeDICE(data)
    return {
        WHAT[0]: repeated(lambda: optidice.update(optidice.batch(512)), UPDATES),
        WHAT[1]: repeated(lambda: odice.update(odice.batch(256)), UPDATES),
        WHAT[2]: repeated(lambda: algaedice.update([algaedice.batch(256) for _ in range(2)]), UPDATES),
    }


def our_steps() -> dict[str, Step]:
    """This project's way."""
    table, around = synthetic_table(ROWS, "cpu"), no_surroundings()
    owners = (
        OptiDICE(table, OptiDICEConfig(), [0], around),
        ODICE(table, ODICEConfig(), [0], around),
        AlgaeDICE(table, AlgaeDICEConfig(), [0], around),
    )
    return {what: repeated(owner.update, UPDATES) for what, owner in zip(WHAT, owners, strict=True)}


if __name__ == "__main__":
    main()
