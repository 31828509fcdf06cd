"""Everything that needs a GPU, in one command and a given time: correctness, rates, and the longest training that fits.

    python -m benchmarks.gpu --out DIR [--minutes 9]

1. Recorded steps (CUDA graphs) against eager ones from equal states; `benchmarks.gpu_comparison`.
2. Rates of AMPL's inner steps, eager and recorded, with one seed and with five; see `benchmarks.ampl_steps`.
3. The table of `ampl bench`: every hot loop, and how much of its time the matrix products need.
4. Throughput with 1 to 64 stacked seeds, and its picture; `benchmarks.gpu_scaling`.
5. As published, five seeds, on a re-created maze2d-umaze-v1, until the time is over: AMPL, then MOPO.

Parts 3 to 5 need MuJoCo, the training whatever `ampl train` needs; where a package is missing they are left out.
DIR gets results.json, scaling.png and training.tar.gz (settings, metrics and results without checkpoints), and keeps
the runs. Called again with the same DIR on the same GPU, all the time goes to the training, from its last checkpoint.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ampl.errors import AmplError, InvalidArgumentError
from ampl.files import write_json
from benchmarks.ampl_steps import WHAT, Step, learner_and_sampler, our_steps
from benchmarks.gpu_comparison import agrees, compare, fit_steps
from benchmarks.records import print_table

TASK, SEEDS = "maze2d-umaze-v1", "0,1,2,3,4"
ALGORITHMS = ("ampl", "mopo")
ROUNDS = 3
FIT_STEPS = 1000  # of the model in one timing, as many as in a model-epoch: recording them counts little
MEASURING_SHARE = 0.5  # of the time, at most, before the training; scaling gives way
LOOP_SECONDS = 2.0  # that each hot loop is measured for
CLOSING_SECONDS = 25.0  # for the training to end and for the archive
PACKAGES = ("mujoco", "gymnasium", "h5py", "tyro", "rich", "safetensors")  # of the training


def main() -> int:
    """Runs all parts; the exit code is 1 if recorded steps differ from eager ones, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything together")
    arguments = parser.parse_args()
    try:
        check_gpu()
    except AmplError as error:
        print(f"gpu: error: {error}", file=sys.stderr)
        return 2
    start = time.monotonic()
    deadline = start + 60.0 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.json"
    where = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    results = measured(path, where) or measure(arguments.out, where, start + 60.0 * arguments.minutes * MEASURING_SHARE)
    write_json(path, results | {"training": "not yet"})
    results["training"] = train(arguments.out, deadline - CLOSING_SECONDS)
    write_json(path, results)
    archive(arguments.out)
    print(f"differences: {results['differences']}; training: {results['training']}")
    return int(not agrees(results["differences"]))


def measure(out: Path, where: Mapping[str, str], deadline: float) -> dict[str, Any]:
    """Parts 1 to 4; each is printed when it is done, as the next may fail."""
    results: dict[str, Any] = {**where, "differences": compare("cuda")}
    print(f"differences: {results['differences']}", flush=True)
    results["rows"] = rates("cuda")
    print_table(("what", "seeds", "recorded", "per_second", "ratio"), results["rows"])
    if importlib.util.find_spec("mujoco") is None:
        print("hot loops and scaling are left out: mujoco is not installed")
        return results
    from benchmarks.gpu_scaling import draw, scaling
    from continuous.bench.measuring import measure_all
    from continuous.bench.workload import PUBLISHED

    loops = measure_all(PUBLISHED, "cuda", 1, seconds=LOOP_SECONDS, rounds=ROUNDS)
    results["loops"] = [asdict(loop) for loop in loops]
    print_table(("loop", "seeds", "per_second", "utilization"), results["loops"])
    results["scaling"] = scaling("cuda", deadline)
    print_table(("what", "seeds", "per_second"), results["scaling"])
    if not draw(results["scaling"], where["device"], out / "scaling.png"):
        print("scaling.png is left out: matplotlib is not installed, or there was no time.")
    return results


def check_gpu() -> None:
    """Raises InvalidArgumentError unless PyTorch can use a GPU."""
    if not torch.cuda.is_available():
        raise InvalidArgumentError("PyTorch finds no usable GPU; benchmarks.ampl_steps measures on a CPU.")


def measured(path: Path, where: Mapping[str, str]) -> dict[str, Any] | None:
    """What an earlier call measured in the same place, or None."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found if where.items() <= found.items() else None


def rates(device: str, rounds: int = ROUNDS, fit_count: int = FIT_STEPS) -> list[dict[str, Any]]:
    """Steps a second, times seeds; ratios are of recorded to eager. Rollouts are never recorded."""
    rows: list[dict[str, Any]] = []
    for seeds in ([0], [0, 1, 2, 3, 4]):
        eager: dict[str, float] = {}
        for capture in (False, True):
            learner, sampler = learner_and_sampler(seeds, device)
            fit = partial(fit_steps, learner.model, sampler.table, seeds, fit_count, capture=capture)
            steps = our_steps(seeds, device, capture=capture) | {"dynamics steps": fit}
            for what in WHAT:
                if capture and what == "rollout transitions":
                    continue
                best = len(seeds) * max([finished(steps[what], device) for _ in range(rounds + 1)][1:])
                rows.append({"what": what, "seeds": len(seeds), "recorded": capture, "per_second": best})
                rows[-1] |= {"ratio": best / eager[what]} if capture else {}
                eager.setdefault(what, best)
    return rows


def finished(step: Step, device: str) -> float:
    """Steps a second, until the device has finished them."""
    start = time.perf_counter()
    done = step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return done / (time.perf_counter() - start)


def train(out: Path, deadline: float) -> str:
    """The algorithms as published, one after the other until the deadline; says what became of them."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return f"left out: {', '.join(missing)} not installed"
    environment = os.environ | {"D4RL_DATASET_DIR": str(out / "data")}
    options = [TASK, "--seeds", SEEDS, "--device", "cuda", "--out", str(out / "runs"), "--resume"]
    commands = [["train", algorithm, *options] for algorithm in ALGORITHMS]
    if not any((out / "data").glob("*.hdf5")):
        commands.insert(0, ["data", "make", TASK])
    for command in commands:
        code = run_until(["-m", "ampl", *command], environment, deadline)
        if code is None:
            return f"ampl {command[0]} {command[1]} interrupted: call again to go on"
        if code != 0:
            return f"ampl {command[0]} {command[1]} ended with exit code {code}"
    return "complete"


def run_until(
    arguments: Sequence[str], environment: Mapping[str, str], deadline: float, closing: float = CLOSING_SECONDS
) -> int | None:
    """Runs Python and returns the exit code, or None if it was interrupted as it was not done by the deadline.

    What does not end within `closing` seconds of the interruption is killed: files are written atomically.
    """
    process = subprocess.Popen([sys.executable, *arguments], env=environment)
    try:
        return process.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(closing)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def archive(out: Path) -> None:
    """training.tar.gz: the run directories without checkpoints and weights."""
    with tarfile.open(out / "training.tar.gz", "w:gz") as tar:
        for path in sorted((out / "runs").rglob("*")):
            if path.is_file() and path.suffix in (".json", ".csv"):
                tar.add(path, path.relative_to(out))


if __name__ == "__main__":
    sys.exit(main())
