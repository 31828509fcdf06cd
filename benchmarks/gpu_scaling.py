"""How long things take: every hot loop, 1 to 64 stacked seeds, and the training itself, with its projected end.

Parts of `benchmarks.gpu`. The loops need MuJoCo, the picture of the scaling Matplotlib, the training all that `ampl
train` does.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ampl.arithmetic import Arithmetic
from ampl.checkpoints import checkpoint_epochs, is_whole
from benchmarks.ampl_steps import learner_and_sampler
from benchmarks.gpu_comparison import ROUNDS, Item, Row, mopo
from continuous.bench.workload import PUBLISHED
from continuous.repetition import Repetition
from continuous.schedule import Schedule

LOOP_SECONDS = 2.0  # that each hot loop is measured for
STACKS = (1, 2, 4, 8, 16, 32, 64)
STACK_SECONDS = 0.5  # that each is timed for, about
PERIOD = PUBLISHED.ampl.schedule.policy_period  # AMPL iterations with one update of the policy

TASK, SEEDS, EPOCHS = "maze2d-umaze-v1", "0,1,2,3,4", 1000
QUICK = ("--epochs", "3", "--steps-per-epoch", "8")  # of a training that only shows that it runs
CLOSING_SECONDS = 25.0  # for a training to end, and for the archive
POLICY = ("learner/policy", "learner/critic/online", "learner/critic_online")  # tensors of a checkpoint that choose
POLICY_BYTES = 14 * 2**20  # of all policies in the archive; what does not fit is left out


def loops(device: str, *, quick: bool) -> Mapping[str, Item]:
    """By algorithm and number of stacked seeds, its hot loops; quick ones are short and of one seed."""
    from continuous.bench.loops import ampl_loops, damo_loops, mopo_loops

    makers = {"AMPL": ampl_loops, "MOPO": mopo_loops, "DAMO": damo_loops}
    counts = (1,) if quick else PUBLISHED.seeds
    return {
        f"{name}, {count} stacked": partial(loop_rows, maker, count, device, quick)
        for name, maker in makers.items()
        for count in counts
    }


def loop_rows(maker: Callable[..., Sequence[Any]], count: int, device: str, quick: bool) -> Iterator[Row]:
    """The loops that one function makes, each measured when the one before it is done."""
    from continuous.bench.measuring import measure

    workload, seconds, rounds = (PUBLISHED.quick(), 0.1, 1) if quick else (PUBLISHED, LOOP_SECONDS, ROUNDS)
    arithmetic = Arithmetic(precision=torch.get_float32_matmul_precision())  # type: ignore[arg-type]
    for loop in maker(workload, range(count), device, arithmetic):
        yield asdict(measure(loop, device, seconds=seconds, rounds=rounds))


def scaling(device: str, *, quick: bool) -> Mapping[str, Item]:
    """By the number of stacked seeds, AMPL's iterations and MOPO's updates; quick ones of two numbers."""
    stacks, seconds = (STACKS[:2], 0.01) if quick else (STACKS, STACK_SECONDS)
    return {f"{count} stacked": partial(throughput, count, device, seconds) for count in stacks}


def throughput(count: int, device: str, seconds: float) -> Iterator[Row]:
    """Units a second, all seeds together."""
    for name, make, units in (("AMPL iteration", ampl_iterations, PERIOD), ("MOPO update", mopo_updates, 1)):
        rate = _per_second(make(range(count), device), device, seconds)
        yield {"what": name, "seeds": count, "per_second": rate * units * count}


def ampl_iterations(seeds: Sequence[int], device: str) -> Repetition:
    """As many of AMPL's iterations as its policy is updated once in, on synthetic data."""
    learner, sampler = learner_and_sampler(list(seeds), device)

    def iterations() -> None:
        for index in range(PERIOD):
            learner.update(sampler.draw(256), trains_policy=index == 0, imitates=False)

    return Repetition(iterations, [sampler.streams], device)


def mopo_updates(seeds: Sequence[int], device: str) -> Repetition:
    """MOPO's updates on synthetic data, with a full model buffer."""
    owner = mopo(seeds, device, PUBLISHED.mopo)
    streams = owner.streams["updates"]
    owner.buffer.append(owner.table.sample(owner.buffer.capacity, streams))
    return Repetition(owner.update, [streams], device)


def draw(rows: Sequence[Mapping[str, Any]], device: str, path: Path) -> None:
    """Draws the rows of the scaling, of which there are some."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row["what"] for row in rows):
        points = [(row["seeds"], row["per_second"]) for row in rows if row["what"] == name]
        (line,) = axes.loglog(*zip(*points, strict=True), marker="o", label=f"{name}s")
        first_seeds, first = points[0]
        linear = [first * seeds / first_seeds for seeds, _ in points]
        axes.loglog([seeds for seeds, _ in points], linear, color=line.get_color(), linestyle=":", linewidth=1.0)
    axes.set_xticks(list(dict.fromkeys(row["seeds"] for row in rows)))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.set_xlabel("stacked seeds")
    axes.set_ylabel("a second, all seeds together")
    axes.set_title(f"{device}   (dotted: as many times one seed)", fontsize=10)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def train(algorithm: str, out: Path, device: str, precision: str, deadline: float, *, quick: bool) -> dict[str, Any]:
    """One algorithm as published, from its last checkpoint until the deadline: what became of it, and its pace."""
    options = ["--seeds", "0,1" if quick else SEEDS, "--device", device, "--precision", precision]
    options += ["--out", str(out / "runs"), "--resume"]
    if quick:
        options += [*QUICK, *(("--miw-steps", "3") if algorithm == "ampl" else ())]
    commands = {f"train {algorithm}": options}
    if not any((out / "data").glob("*.hdf5")):
        commands = {"data make": ["--steps", "3000"] if quick else [], **commands}
    seen: list[tuple[float, int]] = []
    table, log = out / "runs" / TASK / algorithm / "main" / "seed0" / "metrics.csv", out / f"{algorithm}.log"
    for command, options in commands.items():
        seen.clear()
        arguments = ["-m", "ampl", *command.split(), TASK, *options]
        environment = os.environ | {"D4RL_DATASET_DIR": str(out / "data")}
        code = run_until(arguments, environment, deadline, log, partial(look, table, seen))
        if code is None:
            return {"became": f"{command} interrupted: call again to go on", "failures": {}} | pace(algorithm, seen)
        if code != 0:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            failure = f"ended with exit code {code}: {''.join(last)}"
            return {"became": "failed", "failures": {command: failure}} | pace(algorithm, seen)
    return {"became": "complete", "failures": {}} | pace(algorithm, seen)


def run_until(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    deadline: float,
    log: Path,
    watch: Callable[[], None] = lambda: None,
    closing: float = CLOSING_SECONDS / 2,
) -> int | None:
    """Runs Python and returns the exit code, or None if it was interrupted as it was not done by the deadline.

    What does not end within `closing` seconds of the interruption is killed: files are written atomically. What it
    says is appended to a log, and `watch` is called all the time.
    """
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=file, stderr=file)
        while process.poll() is None and time.monotonic() < deadline:
            watch()
            time.sleep(0.05)
        watch()
        if process.poll() is not None:
            return process.returncode
        process.send_signal(signal.SIGINT)
        try:
            process.wait(closing)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return None


def look(table: Path, seen: list[tuple[float, int]]) -> None:
    """Notes when how many epochs were in a metrics.csv, if that has changed."""
    epochs = max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
    if seen and epochs < seen[-1][1]:  # a resumed run goes back to its last checkpoint
        seen.clear()
    if not seen or epochs > seen[-1][1]:
        seen.append((time.monotonic(), epochs))


def pace(algorithm: str, seen: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """Seconds of an epoch and hours of the whole protocol, all seeds together, from when how many epochs were seen.

    An epoch's is the median over the later half of them, as AMPL only imitates in its first 40. A refit of AMPL that
    was not seen counts like what came before the first epoch, which is the first fit and loading the data.
    """
    found: dict[str, Any] = {"epochs": seen[-1][1] if seen else 0}
    found |= dict.fromkeys(("start_seconds", "seconds_per_epoch", "refit_seconds", "projected_hours"))
    steps = [(after, (later - sooner) / (after - before)) for (sooner, before), (later, after) in pairwise(seen)]
    period = Schedule().retrain_period if algorithm == "ampl" else EPOCHS
    refitted = [seconds for epoch, seconds in steps[1:] if epoch % period == 1]
    plain = [seconds for epoch, seconds in steps[1:] if epoch % period != 1]
    if not plain:
        return found
    each = median(plain[len(plain) // 2 :])
    start = seen[1][0] - seen[0][0] - each
    refit = median(refitted) - each if refitted else None
    hours = (start + EPOCHS * each + (EPOCHS - 1) // period * (start if refit is None else refit)) / 3600.0
    whole = seen[0][1] == 0 or refit is not None or period == EPOCHS  # else nothing says how long a refit takes
    found |= {"start_seconds": start, "seconds_per_epoch": each, "refit_seconds": refit}
    return found | {"projected_hours": hours if whole else None}


def archive(out: Path) -> None:
    """training.tar.gz: what the run directories hold without checkpoints and weights, and the newest policies."""
    left = POLICY_BYTES
    with tarfile.open(out / "training.tar.gz", "w:gz") as tar:
        for path in [*sorted(out.glob("*.log")), *sorted((out / "runs").rglob("*"))]:
            if path.suffix in (".json", ".csv", ".log") and "checkpoint" not in path.relative_to(out).parts:
                tar.add(path, path.relative_to(out))
        for run in sorted(path.parent for path in (out / "runs").rglob("checkpoint")):
            name, policy = newest_policy(run)
            if 0 < len(policy) <= left:
                entry = tarfile.TarInfo(str((run / name).relative_to(out)))
                entry.size, entry.mtime = len(policy), time.time()
                tar.addfile(entry, io.BytesIO(policy))
                left -= len(policy)


def newest_policy(run: Path) -> tuple[str, bytes]:
    """Name and content of a safetensors file with what chooses actions after the newest checkpoint; else nothing."""
    from safetensors import safe_open
    from safetensors.numpy import save

    folder = run / "checkpoint"
    epoch = next((epoch for epoch in checkpoint_epochs(folder) if is_whole(folder, epoch)), None)
    if epoch is None:
        return "", b""
    with safe_open(folder / f"epoch_{epoch:04d}" / "state.safetensors", "numpy") as file:
        return f"policy_{epoch:04d}.safetensors", save(
            {name: file.get_tensor(name) for name in POLICY if name in file.keys()}  # noqa: SIM118
        )


def _per_second(repetition: Repetition, device: str, seconds: float) -> float:
    def timed(count: int) -> float:
        start = time.perf_counter()
        repetition.run(count)
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(5)  # warms up, and records on a GPU
    count = max(1, round(5 * seconds / timed(5)))
    return count / timed(count)
