"""The names of AMPL's main runs, and the command that makes a run."""

from __future__ import annotations

ALGORITHM = "ampl"
MAIN = "main"


def train_command(task: str, variant: str, seed: int | None = None, algorithm: str = ALGORITHM) -> str:
    """The command that makes a run."""
    command = f"ampl train {algorithm} {task} --variant {variant}"
    return command if seed is None else f"{command} --seeds {seed}"
