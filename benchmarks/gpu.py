"""Everything that needs a GPU, in one command and a given time: correctness, rates, and the longest training that fits.

    python -m benchmarks.gpu --out DIR [--minutes 9]

1. Recorded steps (CUDA graphs) against eager ones from equal states: iterations, dynamics steps, weight steps.
2. Rates of AMPL's inner steps, eager and recorded, with one seed and with five; see `benchmarks.ampl_steps`.
3. AMPL as published, five seeds, on a re-created maze2d-umaze-v1, until the time is over. Needs the packages that
   `ampl train` needs, MuJoCo for evaluations among them; where one is missing it is left out.

DIR gets results.json and training.tar.gz (settings, metrics and results without checkpoints), and keeps the runs.
Called again with the same DIR on the same GPU, all the time goes to the training, from its last checkpoint on.
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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from ampl.errors import AmplError, InvalidArgumentError
from ampl.files import write_json
from benchmarks.ampl_steps import WHAT, Step, learner_and_sampler, our_steps
from benchmarks.records import print_table
from continuous import dynamics_fit
from continuous.dynamics import EnsembleDynamics
from continuous.q_moment import QMomentConfig
from continuous.repetition import Repetition
from continuous.replay import TransitionTable
from continuous.streams import SeedStreams

TASK, SEEDS = "maze2d-umaze-v1", "0,1,2,3,4"
TOLERANCE = 1e-4  # between parameters after `COMPARED` recorded and eager steps, relative to their largest
COMPARED = 20
ROUNDS = 3
FIT_STEPS = 1000  # of the model in one timing, as many as in a model-epoch: recording them counts little
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
    deadline = time.monotonic() + 60.0 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.json"
    where = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    results = measured(path, where) or {**where, "differences": compare("cuda"), "rows": rates("cuda")}
    print_table(("what", "seeds", "recorded", "per_second", "ratio"), results["rows"])
    write_json(path, results | {"training": "not yet"})
    results["training"] = train(arguments.out, deadline - CLOSING_SECONDS)
    write_json(path, results)
    archive(arguments.out)
    print(f"differences: {results['differences']}; training: {results['training']}")
    return int(not agrees(results["differences"]))


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


def agrees(differences: Mapping[str, float]) -> bool:
    """Whether all are within the tolerance; one that is not a number is not."""
    return all(difference <= TOLERANCE for difference in differences.values())


def compare(device: str) -> dict[str, float]:
    """Largest relative difference of parameters between recorded and eager steps from equal states."""
    return {
        "iterations": _difference(*(trained_iterations([0, 1], device, capture=capture) for capture in (True, False))),
        "dynamics steps": _difference(*(fitted([0, 1], device, capture=capture) for capture in (True, False))),
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


def fitted(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The model's parameters after some steps."""
    learner, sampler = learner_and_sampler(seeds, device)
    fit_steps(learner.model, sampler.table, seeds, COMPARED, capture=capture)
    return learner.model.network.members.parameters.values


def fit_steps(model: EnsembleDynamics, table: TransitionTable, seeds: list[int], count: int, *, capture: bool) -> int:
    """Makes so many steps of the model and returns how many; a fit records them unless its `Repetition` is replaced."""
    config = replace(model.config, steps_per_epoch=count, max_steps=count, holdout_limit=1)
    model.network.config = config
    rows, streams = model.standardization.fit(table), SeedStreams(seeds, "model", table.rows.device)
    with patch.object(dynamics_fit, "Repetition", partial(Repetition, capture=capture)):
        dynamics_fit.fit_network(model.network, rows, None, streams, dynamics_fit.LikelihoodLoss())
    return count


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
    """AMPL as published until the deadline; says what became of it."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return f"left out: {', '.join(missing)} not installed"
    environment = os.environ | {"D4RL_DATASET_DIR": str(out / "data")}
    make = ["data", "make", TASK]
    train = ["train", "ampl", TASK, "--seeds", SEEDS, "--device", "cuda", "--out", str(out / "runs"), "--resume"]
    for command in (train,) if any((out / "data").glob("*.hdf5")) else (make, train):
        code = run_until(["-m", "ampl", *command], environment, deadline)
        if code is None:
            return f"ampl {command[0]} interrupted: call again to go on"
        if code != 0:
            return f"ampl {command[0]} ended with exit code {code}"
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


def _difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())


if __name__ == "__main__":
    sys.exit(main())
