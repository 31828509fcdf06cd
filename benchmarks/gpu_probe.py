"""The first minute on a GPU: the numbers that decide how a campaign is run there.

    python -m benchmarks.gpu_probe OUT.json [--device cpu]

nodes        microseconds of a small dependent kernel in a recording, by the bytes that it reads and writes
streams      of drawing from 1, 5 and 64 random streams in a recording
adam         of torch's fused Adam on the critics of 1, 5 and 45 seeds, beside one plain pass over as many numbers
products     of the batched products of MOPO, AMPL and the model's fit, in float32 and TF32, and the TFLOP/s that is
trainings    MOPO updates a second, all trainings together, by how many run side by side (five seeds each)

An item that fails is noted, and the others go on. On a CPU, for a rehearsal, nothing is recorded and counts are small.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ampl.files import write_json
from benchmarks.records import command_line, device_name
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams

SHAPES = (  # copies, rows, in, out of a batched product
    (10, 256, 256, 256),  # MOPO, five seeds: a critic's hidden layer,
    (10, 256, 256, 1),  # its last layer,
    (10, 256, 14, 256),  # and its first
    (90, 256, 256, 256),  # the same for 45 seeds
    (10, 512, 400, 300),  # AMPL, five seeds: a critic's second layer
    (5, 1024, 400, 300),  # and the policy's
    (5, 3072, 400, 300),  # a weight network's
    (35, 256, 200, 200),  # the model's fit
)
CRITIC = ((2, 14, 256), (2, 1, 256), (2, 256, 256), (2, 1, 256), (2, 256, 1), (2, 1, 1))
WIDTHS = (1, 2, 4, 6, 8)  # trainings side by side
UPDATES = 300


def nodes(device: str, *, quick: bool) -> dict[str, float]:
    """Microseconds of one node, by bytes."""
    found = {}
    for size in (1024, 65_536, 655_360, 5_898_240):
        values = torch.randn(size, device=device)

        def step(values: torch.Tensor = values) -> None:
            for _ in range(2 if quick else 20):
                values.mul_(0.999)

        found[f"{8 * size} bytes"] = microseconds(step, device, quick=quick) / (2 if quick else 20)
    return found


def streams(device: str, *, quick: bool) -> dict[str, float]:
    """Microseconds of 256 x 3 normal numbers for each of K seeds."""
    found = {}
    for count in (1, 5, 64):
        drawn = SeedStreams(range(count), "probe", device)

        def step(drawn: SeedStreams = drawn) -> None:
            drawn.normal(256, 3)

        found[f"{count} seeds"] = microseconds(step, device, [drawn], quick=quick)
    return found


def adam(device: str, *, quick: bool) -> dict[str, float]:
    """Microseconds of one step on the critics of K seeds, and of a plain pass over the same numbers."""
    found = {}
    for seeds in (1, 5, 45):
        values = [torch.randn(shape, device=device) for _ in range(seeds) for shape in CRITIC]
        lists = [[value.clone().abs_() for value in values] for _ in range(4)]
        counts = [torch.ones((), device=device) for _ in values]
        flat = torch.randn(sum(value.numel() for value in values), device=device)

        def step(lists: Any = lists, counts: Any = counts) -> None:
            torch._fused_adam_(
                *lists, [], counts, lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False,
                maximize=False,
            )  # fmt: skip

        def one_pass(flat: torch.Tensor = flat, other: torch.Tensor = flat.clone()) -> None:  # noqa: B008
            flat.lerp_(other, 0.5)

        found[f"fused Adam, {seeds} seeds"] = microseconds(step, device, quick=quick)
        found[f"one pass over {flat.numel()} numbers"] = microseconds(one_pass, device, quick=quick)
    return found


def products(device: str, *, quick: bool) -> dict[str, dict[str, float]]:
    """Microseconds and TFLOP/s of every shape and precision."""
    found = {}
    before = torch.get_float32_matmul_precision()
    for precision in ("highest", "high"):
        torch.set_float32_matmul_precision(precision)
        for copies, rows, inputs, outputs in SHAPES:
            left = torch.randn(copies, rows, inputs, device=device)
            right = torch.randn(copies, inputs, outputs, device=device)
            spent = microseconds(partial(_multiply, left, right), device, quick=quick)
            teraflops = 2e-6 * copies * rows * inputs * outputs / spent
            found[f"{precision} {copies}x{rows}x{inputs}x{outputs}"] = {"us": spent, "tflops": teraflops}
    torch.set_float32_matmul_precision(before)
    return found


def trainings(device: str, *, quick: bool) -> dict[str, float]:
    """MOPO updates a second of all trainings together, by how many there are, each on a stream of its own."""
    from benchmarks.gpu_comparison import mopo
    from continuous.algorithms.mopo.config import MOPOConfig

    made = []
    for number in range(1 if quick else max(WIDTHS)):
        owner = mopo(range(5 * number, 5 * number + (1 if quick else 5)), device, MOPOConfig(penalty_weight=1.0))
        owner.buffer.append(owner.table.sample(10_000, owner.streams["updates"]))
        made.append(Repetition(owner.update, [owner.streams["updates"]], device))
    beside = [torch.cuda.Stream() if device == "cuda" else None for _ in made]
    found = {}
    for width in WIDTHS[:1] if quick else WIDTHS:
        for count in (20, 2 if quick else UPDATES):  # the first ones record
            start = time.perf_counter()
            for _ in range(max(1, count // 10)):
                for repetition, stream in zip(made[:width], beside, strict=False):
                    with torch.cuda.stream(stream):  # nothing on a CPU
                        repetition.run(2 if quick else 10)
            _wait(device)
        done = max(1, count // 10) * (2 if quick else 10) * width
        found[f"{width} side by side"] = done / (time.perf_counter() - start)
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "nodes": nodes,
    "streams": streams,
    "adam": adam,
    "products": products,
    "trainings": trainings,
}


def microseconds(
    step: Callable[[], None], device: str, drawn: Sequence[SeedStreams] = (), *, quick: bool = False
) -> float:
    """Of one step, recorded where the device can."""
    repetition, count = Repetition(step, drawn, device), 2 if quick else 500
    repetition.run(20)
    _wait(device)
    start = time.perf_counter()
    repetition.run(count)
    _wait(device)
    return (time.perf_counter() - start) / count * 1e6


def widest(found: dict[str, Any]) -> int:
    """How many trainings side by side gave the most updates a second; one if that was not measured."""
    rates = {int(name.split()[0]): rate for name, rate in found.get("trainings", {}).items() if "side by side" in name}
    return max(rates, key=rates.__getitem__, default=1)


def _multiply(left: torch.Tensor, right: torch.Tensor) -> None:
    torch.bmm(left, right)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> int:
    """Measures everything and writes it after each item; returns the exit code."""
    parser = command_line(__doc__)
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    device = arguments.device
    found: dict[str, Any] = {"torch": torch.__version__, "device": device_name(device)}
    failed = 0
    for part, measure in PARTS.items():
        start = time.perf_counter()
        try:
            found[part] = measure(device, quick=device == "cpu")
        except Exception:  # whatever it is, the other items go on
            found[part], failed = {"failed": traceback.format_exc()[-1500:]}, 1
        found[part]["seconds"] = time.perf_counter() - start
        print(part, json.dumps(found[part], indent=1), flush=True)
        write_json(arguments.out, found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
