"""Everything that needs a GPU, in one command and a given time: correctness, rates, and the longest training that fits.

    python -m benchmarks.gpu --out DIR [--minutes 9]

1. Recorded steps (CUDA graphs) against eager ones from equal states: iterations, weight steps.
2. Rates of AMPL's inner steps, eager and recorded, with one seed and with five; see `benchmarks.ampl_steps`.
3. AMPL as published, five seeds, on a re-created maze2d-umaze-v1, until the time is over; called again with the same
   DIR it goes on from its last checkpoint. Needs MuJoCo for evaluations; where that is missing it is left out.

DIR gets results.json and training.tar.gz (settings, metrics and results without checkpoints), and keeps the runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ampl.errors import AmplError, InvalidArgumentError
from ampl.files import write_json
from benchmarks.ampl_steps import WHAT, learner_and_sampler, our_steps, timed
from benchmarks.records import print_table
from continuous.q_moment import QMomentConfig
from continuous.repetition import Repetition
from continuous.streams import SeedStreams

TASK, SEEDS = "maze2d-umaze-v1", "0,1,2,3,4"
TOLERANCE = 1e-4  # between parameters after `COMPARED` recorded and eager steps, relative to their largest
COMPARED = 20
ROUNDS = 3
CLOSING_SECONDS = 25.0  # for the last checkpoint and the archive


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
    deadline = time.monotonic() + 60.0 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    differences, rows = compare("cuda"), rates("cuda")
    print_table(("what", "seeds", "recorded", "per_second"), rows)
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "differences": differences,
        "rows": rows,
        "training": "not yet",
    }
    write_json(arguments.out / "results.json", results)
    results["training"] = train(arguments.out, deadline - CLOSING_SECONDS)
    write_json(arguments.out / "results.json", results)
    archive(arguments.out)
    return int(max(differences.values()) > TOLERANCE)


def check_gpu() -> None:
    """Raises InvalidArgumentError unless PyTorch can use a GPU."""
    if not torch.cuda.is_available():
        raise InvalidArgumentError("PyTorch finds no usable GPU; benchmarks.ampl_steps measures on a CPU.")


def compare(device: str) -> dict[str, float]:
    """Largest relative difference of parameters between recorded and eager steps from equal states."""
    return {
        "iterations": _difference(*(trained_iterations([0, 1], device, capture=capture) for capture in (True, False))),
        "weight steps": _difference(*(trained_weights([0, 1], device, capture=capture) for capture in (True, False))),
    }


def trained_iterations(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The policy's and critics' parameters after some iterations."""
    learner, sampler = learner_and_sampler(seeds, device)

    def pair() -> None:
        for index in range(2):
            learner.update(sampler.draw(256), trains_policy=index == 0, imitates=False)

    Repetition(pair, [sampler.streams], device, capture=capture).run(COMPARED)
    return torch.cat((learner.policy.parameters.values, learner.critic.online.parameters.values))


def trained_weights(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The weight network's parameters after some steps."""
    learner, sampler = learner_and_sampler(seeds, device)
    table, streams = sampler.table, SeedStreams(seeds, "weights", device)
    estimator = QMomentConfig(learning_rate=1e-3).build(
        table.observation_size, table.action_size, seeds, learner.model, device
    )
    step = estimator.start(table, learner.policy, learner.critic, streams)
    Repetition(step, [streams], device, capture=capture).run(COMPARED)
    return estimator.network.parameters.values


def rates(device: str, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Steps a second, times seeds."""
    rows = []
    for seeds in ([0], [0, 1, 2, 3, 4]):
        for capture in (False, True):
            steps = our_steps(seeds, device, capture=capture)
            for what in WHAT:
                best = max([timed(steps[what]) for _ in range(rounds + 1)][1:])
                rows.append({"what": what, "seeds": len(seeds), "recorded": capture, "per_second": len(seeds) * best})
    return rows


def train(out: Path, deadline: float) -> str:
    """AMPL as published until the deadline; says what became of it."""
    missing = [name for name in ("mujoco", "gymnasium", "h5py") if importlib.util.find_spec(name) is None]
    if missing:
        return f"left out: {', '.join(missing)} not installed"
    environment = os.environ | {"D4RL_DATASET_DIR": str(out / "data")}
    if not (out / "data").exists():
        run_until(["data", "make", TASK], environment, deadline)
    command = ["train", "ampl", TASK, "--seeds", SEEDS, "--device", "cuda", "--out", str(out / "runs"), "--resume"]
    code = run_until(command, environment, deadline)
    return "interrupted: call again to go on" if code is None else f"ended with exit code {code}"


def run_until(arguments: Sequence[str], environment: dict[str, str], deadline: float) -> int | None:
    """Runs an `ampl` command; one that is not done by the deadline is interrupted, and None is returned."""
    process = subprocess.Popen([sys.executable, "-m", "ampl", *arguments], env=environment)
    try:
        return process.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(CLOSING_SECONDS)
        return None


def archive(out: Path) -> None:
    """training.tar.gz: the run directories without checkpoints and weights."""
    with tarfile.open(out / "training.tar.gz", "w:gz") as tar:
        for path in sorted((out / "runs").rglob("*")):
            if path.is_file() and path.suffix in (".json", ".csv"):
                tar.add(path, path.relative_to(out))


def _difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())


if __name__ == "__main__":
    sys.exit(main())
