"""Everything that needs a GPU, in one command and a given time: correctness, rates, and the longest training that fits.

    python -m benchmarks.gpu --out DIR [--copy-to DIR] [--minutes 9] [--parts ...] [--train ...]

differences  Recorded steps (CUDA graphs) against eager ones from equal states; `benchmarks.gpu_comparison`.
rates        Of AMPL's inner steps, eager and recorded, with one seed and with five; see `benchmarks.ampl_steps`.
loops        The table of `ampl bench`: every hot loop, and how much of its time the matrix products need.
scaling      Throughput with 1 to 64 stacked seeds, and its picture; `benchmarks.gpu_scaling`.
training     As published, five seeds, on a re-created maze2d-umaze-v1: AMPL and MOPO share the time that is left.

The first two are measured twice, with plain float32 products and with TF32, the others with --precision.
Parts run in processes of their own: what fails is noted, and the rest goes on. The loops need MuJoCo, the training what
`ampl train` needs; what is missing is said first. DIR keeps data and runs, and gets results.json, scaling.png and
training.tar.gz (settings, metrics, results, newest policies); these are copied after each part. Called again with the
same DIR, it measures what is not there yet, and goes on with the training from its last checkpoint.
Exit code: 1 if something failed, was missing, or differs between recorded and eager steps; 2 without a GPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, get_args

import torch

from ampl.arithmetic import Arithmetic, Precision
from ampl.entry_points import COMMANDS, announced
from ampl.errors import AmplError, InvalidArgumentError, InvalidFileError, check_at_least
from ampl.files import read_json, write_json
from benchmarks.gpu_comparison import Item, Row, agrees, differences, rates
from benchmarks.gpu_scaling import CLOSING_SECONDS, archive, draw, loops, scaling, train
from benchmarks.records import command_line, print_table
from continuous.arithmetic import arithmetic_on

PARTS: Mapping[str, tuple[Callable[..., Mapping[str, Item]], tuple[str, ...]]] = {
    "differences": (differences, ("what", "after_one", "eager_after_one", "after_all", "eager_after_all")),
    "rates": (rates, ("what", "seeds", "recorded", "per_second", "ratio")),
    "loops": (loops, ("loop", "seeds", "per_second", "utilization")),
    "scaling": (scaling, ("what", "seeds", "per_second")),
}
TWICE: tuple[Precision, ...] = ("highest", "high")  # on a GPU "high" is TF32
COMPARED = {"differences": TWICE, "rates": TWICE}
ALGORITHMS = ("ampl", "mopo")
PACKAGES = {  # beyond those of the other parts
    "loops": ("mujoco", "gymnasium", "glfw", "imageio"),  # the last two for Gymnasium's Hopper
    "training": ("mujoco", "gymnasium", "tyro", "typeguard", "docstring_parser", "rich", "safetensors"),
}
INSTALL = "python -m pip install --no-deps --no-build-isolation -e ."
MEASURING_SHARE = 0.5  # of the time, at most, before the training; what is measured last gives way
PART_SECONDS, GRACE = 120.0, 45.0  # after which nothing more of a part begins, and how long the last may still take


def main() -> int:
    """Runs all parts, and writes the results after each of them."""
    arguments = _options()
    start, end = time.monotonic(), time.monotonic() + 60.0 * arguments.minutes - CLOSING_SECONDS
    device, quick = arguments.device, arguments.quick
    out = arguments.out.resolve() / ("quick" if quick else "")

    def save() -> None:
        results["problems"] = problems(results)
        write_json(out / "results.json", results)
        copy(out, arguments.copy_to)

    try:
        check_at_least("--minutes", arguments.minutes, 1.0)
        where = circumstances(device, arguments.precision, quick=quick)
        results = earlier(out / "results.json", where) | {"missing": missing(arguments.parts, arguments.train)}
        save()  # now, as later it would be a pity
    except (AmplError, OSError) as error:
        print(f"gpu: error: {error}", file=sys.stderr)
        return 2
    for what, why in results["missing"].items():
        print(f"gpu: {what} left out: {why}", file=sys.stderr, flush=True)
    training = [] if "training" in results["missing"] else arguments.train
    latest = start + MEASURING_SHARE * (end - start) if training else end - GRACE
    for part in (part for part in arguments.parts if part not in results["missing"]):
        make, columns = PARTS[part]
        for precision in COMPARED.get(part, (where["precision"],)):
            name = f"{part}, {precision}"
            before = results["measured"].get(name)
            if before and before["rows"] and not before["failures"]:
                continue
            found = measure(make, device, precision, min(latest, time.monotonic() + PART_SECONDS), quick=quick)
            if part == "scaling" and found["rows"]:
                found["failures"] |= attempt(draw, found["rows"], where["device"], out / "scaling.png")
            print(f"{name}: {found['seconds']:.0f} s; no time for {', '.join(found['left_out']) or 'nothing'}")
            print_table(columns, found["rows"])
            for item, failure in found["failures"].items():
                print(f"{item} failed: {failure}")
            sys.stdout.flush()
            results["measured"][name] = found
            attempt(save)
    for left, algorithm in zip(range(len(training), 0, -1), training, strict=True):
        deadline = time.monotonic() + (end - time.monotonic()) / left
        found = train(algorithm, out, device, arguments.precision, deadline, quick=quick)
        found["failures"] |= attempt(archive, out)
        print(f"training, {algorithm}: {found}", flush=True)
        known = results["training"].get(algorithm, {})  # what an earlier call saw and this one did not
        results["training"][algorithm] = known | {key: value for key, value in found.items() if value is not None}
        attempt(save)
    unsaved = attempt(save)
    print("\n".join(["problems:", *results["problems"]]) if results["problems"] else "no problems")
    return int(bool(results["problems"] or unsaved))


def circumstances(device: str, precision: str, *, quick: bool) -> dict[str, Any]:
    """What identifies results.  Raises InvalidArgumentError without the device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidArgumentError("PyTorch finds no usable GPU; --device cpu --quick rehearses on a CPU.")
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return {"device": name, "torch": torch.__version__, "precision": precision, "quick": quick}


def earlier(path: Path, where: Mapping[str, Any]) -> dict[str, Any]:
    """The results of an earlier call in the same place, or empty ones."""
    empty = {"where": dict(where), "measured": {}, "training": {}}
    try:
        found = read_json(path)
    except InvalidFileError:
        return empty
    same = isinstance(found, dict) and found.get("where") == where and empty.keys() <= found.keys()
    return found if same else empty


def missing(parts: Sequence[str], algorithms: Sequence[str]) -> dict[str, str]:
    """What has been asked for and cannot be done here, and why."""
    found = {}
    for what in (*(("loops",) if "loops" in parts else ()), *(("training",) if algorithms else ())):
        if absent := [name for name in PACKAGES[what] if importlib.util.find_spec(name) is None]:
            found[what] = f"{', '.join(absent)} not installed; see 'On a machine with a GPU' in benchmarks/README.md"
    if algorithms and "training" not in found and not {"data", "train"} <= announced(COMMANDS).keys():
        found["training"] = f"this package is not installed, so that ampl has no commands; run: {INSTALL}"
    return found


def problems(results: Mapping[str, Any]) -> list[str]:
    """A line for everything that is not as it should be."""
    lines = [f"{what} left out: {why}" for what, why in results["missing"].items()]
    for name, found in [*results["measured"].items(), *results["training"].items()]:
        lines += [f"{name}: {item} failed: {text.splitlines()[-1]}" for item, text in found["failures"].items()]
        if name.startswith("differences"):
            lines += [f"{name}: {row['what']} are not the eager ones" for row in found["rows"] if not agrees(row)]
    return lines


def measure(
    make: Callable[..., Mapping[str, Item]], device: str, precision: Precision, deadline: float, *, quick: bool
) -> dict[str, Any]:
    """Rows of a part, the failures of its items, and which of them there was no time for.

    An item that fails ends its process, as an error of the GPU makes it useless; the next items get another one.
    """
    start = time.monotonic()
    rows: list[Row] = []
    failures: dict[str, str] = {}
    left_out: list[str] = []
    context, begun, going = multiprocessing.get_context("spawn"), list[str](), start < deadline
    if not going:
        left_out.append("all of it")
    while going:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(sender, make, device, precision, deadline, quick, tuple(begun)), daemon=True
        )
        process.start()
        sender.close()
        running, reason, going = "start", "", False
        try:
            while receiver.poll(max(0.0, deadline + GRACE - time.monotonic())):
                kind, content = receiver.recv()
                if kind == "begins":
                    running, going = content, True
                    begun.append(content)
                elif kind == "row":
                    rows.append(content)
                elif kind == "fails":
                    reason = content
                elif kind == "left out":
                    left_out.append(content)
                elif kind == "ends":
                    running = ""
            process.kill()
            reason, going = "killed, as it took too long", False
        except (EOFError, OSError):
            pass  # it has ended
        process.join()
        if not running:
            break
        failures[running] = reason or f"ended with exit code {process.exitcode}"
    return {"rows": rows, "failures": failures, "left_out": left_out, "seconds": time.monotonic() - start}


def work(
    sender: Connection,
    make: Callable[..., Mapping[str, Item]],
    device: str,
    precision: Precision,
    deadline: float,
    quick: bool,
    begun: Sequence[str],
) -> None:
    """The items of a part that have not begun elsewhere, in a process of their own; says everything to `sender`."""
    try:
        with arithmetic_on(torch.device(device), Arithmetic(precision=precision)):
            for name, item in make(device, quick=quick).items():
                if name in begun:
                    continue
                if time.monotonic() > deadline:
                    sender.send(("left out", name))
                    continue
                sender.send(("begins", name))
                for row in item():
                    sender.send(("row", {key: _plain(value) for key, value in row.items()}))
                if device == "cuda":
                    torch.cuda.synchronize()
        sender.send(("ends", None))
    except Exception:  # whatever it is, the rest goes on
        sender.send(("fails", traceback.format_exc()[-2000:].strip()))


def attempt(action: Callable[..., object], *arguments: Any) -> dict[str, str]:
    """Does something that may fail; the failure, if any, by its name, printed and returned."""
    try:
        action(*arguments)
    except Exception as error:
        print(f"gpu: {action.__name__} failed: {error}", file=sys.stderr, flush=True)
        return {action.__name__: traceback.format_exc()[-2000:].strip()}
    return {}


def copy(out: Path, to: Path | None) -> None:
    """Copies what there is to show."""
    for name in ("results.json", "scaling.png", "training.tar.gz"):
        if to is not None and (out / name).exists():
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, to / name)


def _options() -> argparse.Namespace:
    parser = command_line(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for results, data and runs")
    parser.add_argument("--copy-to", type=Path, help="folder that gets the results alone, after each part")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything together (9)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=[*PARTS], help="what to measure; nothing: none")
    parser.add_argument("--train", nargs="*", choices=ALGORITHMS, default=[*ALGORITHMS], help="likewise what to train")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a rehearsal, nothing recorded")
    parser.add_argument("--precision", choices=get_args(Precision), default="highest", help="of what is not compared")
    parser.add_argument("--quick", action="store_true", help="all parts in small, in DIR/quick: only whether they run")
    return parser.parse_args()


def _plain(value: Any) -> Any:
    """A value for JSON, which knows no infinity and nothing that is not a number."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
