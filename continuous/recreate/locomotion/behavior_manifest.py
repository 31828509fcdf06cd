"""The manifest of a folder of `ampl data train-behavior`: what was asked for, with which versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch

from ampl import __version__
from ampl.errors import ExistingRunError
from ampl.files import SIGNATURE, read_json, write_json


def about(robot: str, seed: int, config: Mapping[str, Any]) -> dict[str, Any]:
    """Where a result comes from, as JSON holds it."""
    packages = {"ampl-testbed": __version__, "mujoco": mujoco.__version__, "torch": torch.__version__}
    return {
        "robot": robot,
        "seed": seed,
        "config": json.loads(json.dumps(config)),
        "command": f"ampl data train-behavior {robot} --seed {seed}",
        "versions": packages | {"numpy": np.__version__, "python": platform.python_version()},
    }


def write_or_check_manifest(path: Path, wanted: Mapping[str, Any]) -> None:
    """Writes what was asked for, as `about` says it, or checks that it is what the folder holds.

    Raises:
        ExistingRunError: it holds a run of another robot, seed, configuration or learner.
        InvalidFileError: the file cannot be read or written.
    """
    if not path.exists():
        write_json(path, {"format": f"{SIGNATURE} behavior", **wanted})
        return
    found = read_json(path, "Expected the manifest of `ampl data train-behavior`; choose another --out.")
    if _is_of_former_learner(found):
        raise ExistingRunError(
            f"{path.parent} was trained by the SAC of an earlier version, which this one cannot continue. Train anew "
            "into another --out; `ampl data make` goes on reading this one."
        )
    for key in ("robot", "seed", "config"):
        if not isinstance(found, dict) or found.get(key) != wanted[key]:
            raise ExistingRunError(f"{path.parent} holds another run: its {key} differs. Choose another --out.")


def _is_of_former_learner(manifest: Any) -> bool:
    """Whether the configuration is that of the SAC with written-out gradients, which had one learning rate."""
    config = manifest.get("config") if isinstance(manifest, dict) else None
    sac = config.get("sac") if isinstance(config, dict) else None
    return isinstance(sac, dict) and "learning_rate" in sac
