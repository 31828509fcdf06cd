"""Half an hour on a machine with a GPU, in commands of ten minutes, each of which goes on where the last one stopped.

    python -m benchmarks.gpu --out DIR [--minutes 9.5] [--data DIR] [--wheels DIR] [--copy-to DIR] [--stop]

install      the wheels that were brought along, and this package, so that `ampl` finds its commands
datasets     hopper, halfcheetah and walker2d, medium, and maze2d are re-created in the background, all at a time; those
             that were brought (medium-replay takes an hour elsewhere) are copied from --data
tests        of recording and of the recorded steps
probe        `benchmarks.gpu_measurements`: how many trainings side by side are fastest, and what TF32 is worth
differences  likewise: recorded steps against eager ones, and TF32 against float32
campaign     `benchmarks.gpu_campaign` in the background: trainings by value, several side by side, five seeds each

A stage that ended well is not repeated; the campaign outlives the command that started it, and the next command
watches it. Every minute DIR/archive.tar.gz (settings, metrics, results, logs, newest policies) and results.json are
written anew and copied to --copy-to. --stop ends the campaign, which saves itself first. Exit code: 1 if a stage
failed; 2 without a GPU. `--device cpu --quick` rehearses everything in small where there is none.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ampl.errors import InvalidFileError
from ampl.files import read_json, write_json
from ampl.runs.checkpoints import newest_whole_epoch
from benchmarks.records import command_line

MADE = ("halfcheetah-medium-v2", "hopper-medium-v2", "walker2d-medium-v2", "maze2d-umaze-v1")
QUICK_MADE = ("hopper-random-v2",)
TESTS = ("tests/continuous/networks/test_repetition.py", "tests/continuous/algorithms/test_recorded_steps.py")
POLICY = ("learner/policy/", "learner/critic/online/", "learner/critic_online/")  # a checkpoint's tensors that choose
POLICY_BYTES = 40 * 2**20  # of all policies in the archive; what does not fit is left out
MINUTE = 60.0


def main() -> int:
    """Does what is left to do within the time; returns the exit code."""
    options = _options()
    end = time.monotonic() + MINUTE * options.minutes
    out = options.out.resolve()
    (out / "data").mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"D4RL_DATASET_DIR": str(out / "data"), "PYTHONUNBUFFERED": "1"}
    if options.wheels is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(out / "site"), os.environ.get("PYTHONPATH")]))
    results = _earlier(out / "results.json")
    for name, command, limit in stages(options, out):
        if results["stages"].get(name, {}).get("exit_code") != 0 and time.monotonic() < end:
            seconds = min(limit, end - time.monotonic())
            results["stages"][name] = found = run(command, out / f"{name}.log", seconds, environment)
            print(f"{name}: exit code {found['exit_code']} after {found['seconds']:.0f} s", flush=True)
            if name == "datasets" and options.data is not None:
                for file in sorted(options.data.glob("*.hdf5")):
                    shutil.copyfile(file, out / "data" / file.name)
            _save(results, out, options.copy_to)
        if name == "device" and results["stages"].get(name, {}).get("exit_code", 0) != 0:
            print("gpu: error: no usable GPU; --device cpu --quick rehearses on a CPU.", file=sys.stderr)
            return 2
    _watch(results, out, options, environment, end)
    return int(any(found["exit_code"] != 0 for found in results["stages"].values()))


def stages(options: argparse.Namespace, out: Path) -> list[tuple[str, list[str], float]]:
    """What comes before the campaign: name, command and limit in seconds."""
    python, device = sys.executable, options.device
    made = QUICK_MADE if options.quick else MADE
    steps = "--steps 3000" if options.quick else ""
    making = f"printf '%s\\n' {' '.join(made)} | xargs -P 6 -I TASK {python} -m ampl data make TASK {steps}"
    found = []
    if options.wheels is not None:
        pip = f"{python} -m pip install --quiet --no-index --no-deps"
        wheels = f"{pip} --upgrade --target {out / 'site'} {options.wheels.resolve()}/*.whl"
        own = f"PYTHONPATH={out / 'site'} {pip} --no-build-isolation --editable ."
        found.append(("install", ["sh", "-c", f"{wheels} && {own}"], 2 * MINUTE))
    usable = "import sys, torch; sys.exit(not torch.cuda.is_available())" if device == "cuda" else "import torch"
    quick = ["--quick"] if options.quick else []
    measuring = [python, "-m", "benchmarks.gpu_measurements", "--device", device, *quick]
    return [
        *found,
        ("device", [python, "-c", usable], MINUTE),
        ("datasets", ["sh", "-c", f"({making}) > {out / 'making.log'} 2>&1 & true"], MINUTE),
        ("tests", [python, "-m", "pytest", "-q", *TESTS], 2 * MINUTE),
        ("probe", [*measuring, "probe", str(out / "probe.json")], 3 * MINUTE),
        (
            "differences",
            [*measuring, "differences", str(out / "differences.json")],
            3 * MINUTE if device == "cuda" else 8 * MINUTE,
        ),
    ]


def run(command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a command in a session of its own, so that what it leaves running outlives us; its end is in the log."""
    start = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=file, start_new_session=True)
        try:
            code = process.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
    return {"exit_code": code, "seconds": time.monotonic() - start, "end": log.read_text(errors="replace")[-2000:]}


def _watch(
    results: dict[str, Any], out: Path, options: argparse.Namespace, environment: Mapping[str, str], end: float
) -> None:
    """Starts the campaign unless it runs, and archives what it has until the time is over or it has ended."""
    process = _running(out)
    if process is None and not options.stop:
        command = [sys.executable, "-m", "benchmarks.gpu_campaign", str(out), "--device", options.device]
        command += [] if options.width is None else ["--width", str(options.width)]
        with (out / "campaign.log").open("ab") as log:
            started = subprocess.Popen(
                [*command, *(["--quick"] if options.quick else [])],
                env=dict(environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (out / "campaign.pid").write_text(str(started.pid))
        process = started.pid
    while process is not None and not options.stop and time.monotonic() < end - 5.0:
        time.sleep(min(MINUTE, max(0.0, end - 5.0 - time.monotonic()), 2.0 if options.quick else MINUTE))
        process = _running(out)
        archive(out)
        _save(results, out, options.copy_to)
    if options.stop and process is not None:
        os.killpg(process, signal.SIGTERM)
        while _running(out) is not None and time.monotonic() < end:
            time.sleep(1.0)
    archive(out)
    _save(results, out, options.copy_to)
    lines = (out / "campaign.log").read_text(errors="replace").splitlines() if (out / "campaign.log").exists() else []
    print("\n".join(["campaign: " + ("runs on" if _running(out) else "has ended"), *lines[-12:]]), flush=True)


def _running(out: Path) -> int | None:
    """The process of the campaign, if it runs."""
    try:
        number = int((out / "campaign.pid").read_text())
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        alive = state != "Z" and b"gpu_campaign" in Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return number if alive else None


def archive(out: Path) -> None:
    """archive.tar.gz: what the run directories hold without checkpoints and weights, and the newest policies."""
    left = POLICY_BYTES
    with tarfile.open(out / "archive.tar.gz", "w:gz") as tar:
        for path in [*sorted(out.glob("*.log")), *sorted(out.glob("*.json")), *sorted((out / "runs").rglob("*"))]:
            if path.suffix in (".json", ".csv", ".log") and "checkpoint" not in path.relative_to(out).parts:
                tar.add(path, path.relative_to(out))
        for folder in sorted((out / "runs").rglob("checkpoint")):
            name, policy = newest_policy(folder)
            if 0 < len(policy) <= left:
                entry = tarfile.TarInfo(str((folder.parent / name).relative_to(out)))
                entry.size, entry.mtime = len(policy), time.time()
                tar.addfile(entry, io.BytesIO(policy))
                left -= len(policy)


def newest_policy(folder: Path) -> tuple[str, bytes]:
    """Name and content of a safetensors file with what chooses actions after the newest checkpoint; else nothing."""
    from safetensors import safe_open
    from safetensors.numpy import save

    epoch = newest_whole_epoch(folder)
    if epoch is None:
        return "", b""
    with safe_open(folder / f"epoch_{epoch:04d}" / "state.safetensors", "numpy") as file:
        return f"policy_{epoch:04d}.safetensors", save(
            {name: file.get_tensor(name) for name in file.keys() if name.startswith(POLICY)}  # noqa: SIM118
        )


def _earlier(path: Path) -> dict[str, Any]:
    """The results of an earlier command in the same folder, or empty ones."""
    try:
        found: dict[str, Any] = read_json(path)
    except InvalidFileError:
        return {"stages": {}}
    return found


def _save(results: Mapping[str, Any], out: Path, to: Path | None) -> None:
    """Writes results.json, and copies what there is to show."""
    write_json(out / "results.json", dict(results))
    for name in ("results.json", "probe.json", "differences.json", "archive.tar.gz"):
        if to is not None and (out / name).exists():
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, to / name)


def _options() -> argparse.Namespace:
    parser = command_line(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of everything, the same in every command")
    parser.add_argument("--minutes", type=float, default=9.5, help="that this command may take (9.5)")
    parser.add_argument("--data", type=Path, help="folder with D4RL files that were brought along")
    parser.add_argument("--wheels", type=Path, help="folder with wheels to install first")
    parser.add_argument("--copy-to", type=Path, help="folder that gets the results alone, every minute")
    parser.add_argument("--width", type=int, help="trainings side by side; what the probe found fastest if not given")
    parser.add_argument("--stop", action="store_true", help="end the campaign, and archive")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a rehearsal")
    parser.add_argument("--quick", action="store_true", help="everything in small")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
