"""How long `import ampl` and `ampl --help` take, and which heavy packages they load.

    python -m benchmarks.startup

Medians of `REPEATS` fresh interpreters, after one that fills the file cache. Writes results/startup.json.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.records import command_line, print_table, write_record

REPEATS = 7
HEAVY = ("torch", "scipy", "numpy", "matplotlib", "gymnasium", "mujoco", "h5py", "tensorboard", "tyro", "rich")
_HELP = "import sys; sys.argv = ['ampl', '--help']; from ampl.command_line.main import main; main()"
CASES = {
    "python -c pass": "pass",
    "import ampl": "import ampl",
    "import tabular": "import tabular",
    "ampl --help": _HELP,
}


def main() -> None:
    """Measures every case."""
    command_line(__doc__).parse_args()
    rows = [{"what": what} | measure(code) for what, code in CASES.items()]
    print_table(("what", "seconds", "loaded"), rows)
    print(f"wrote {write_record('startup', rows).name}")


def measure(code: str) -> dict[str, Any]:
    """Median seconds of a fresh interpreter that runs `code`, and the heavy packages in it at the end."""
    at_exit = f"lambda: print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    report = f"import atexit, sys; atexit.register({at_exit})"
    loaded = run([sys.executable, "-c", f"{report}\n{code}"]).stderr.splitlines()[-1].split()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run([sys.executable, "-c", code])
        seconds.append(time.perf_counter() - start)
    return {"seconds": median(seconds), "loaded": ", ".join(loaded) or "none of them"}


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A finished process; its failure ends the benchmark with what it wrote."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{command[-1]!r} failed:\n{result.stderr}")
    return result


if __name__ == "__main__":
    main()
