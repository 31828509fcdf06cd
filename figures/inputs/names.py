"""The names of AMPL's main runs, and the command that makes a run."""

from __future__ import annotations

import shlex
from pathlib import Path

ALGORITHM = "ampl"
MAIN = "main"


def train_command(
    task: str, variant: str, seed: int | None = None, algorithm: str = ALGORITHM, out: Path | None = None
) -> str:
    """The command that makes a run, quoted for a shell."""
    words = ["ampl", "train", algorithm, task, "--variant", variant]
    words += [] if seed is None else ["--seeds", str(seed)]
    return shlex.join(words + ([] if out is None else ["--out", str(out)]))
