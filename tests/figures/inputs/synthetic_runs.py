"""Run directories that look like real ones, written without training anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.files import SIGNATURE, write_json, write_npz
from ampl.runs.metrics_table import MetricsTable
from ampl.runs.run_directory import run_path

WALKER = "walker2d-medium-replay-v2"
UMAZE = "maze2d-umaze-v1"
SETTINGS: Mapping[str, Any] = {
    "data": {"source": "re-created", "sha256": "0" * 64},
    "schedule": {"epochs": 40, "steps_per_epoch": 1000, "miw_steps": 2000},
    "scaled": True,
}
MANIFEST: Mapping[str, Any] = {"device": "cpu", "git": {"commit": "0123456789abcdef", "dirty": False}}


def write_run(
    out: Path,
    task: str = UMAZE,
    variant: str = "main",
    seed: int = 0,
    *,
    score: Sequence[float] = (10.0, 20.0, 30.0),
    weights: Mapping[int, NDArray[Any]] | None = None,
    settings: Mapping[str, Any] = SETTINGS,
    manifest: Mapping[str, Any] | None = MANIFEST,
    status: str | None = "finished",
    message: str = "",
    algorithm: str = "ampl",
    changed: Mapping[str, Any] | None = None,
) -> Path:
    """Writes one run directory and returns it; a status or manifest of None leaves that file out."""
    path = run_path(out, task, algorithm, variant, seed, changed)
    path.mkdir(parents=True)
    names = {"task": task, "algorithm": algorithm, "variant": variant, "seed": seed}
    config = {"written_by": SIGNATURE, **names, "settings": dict(settings)}
    write_json(path / "config.json", config | ({"scale": {"settings": dict(changed)}} if changed else {}))
    if manifest is not None:
        write_json(path / "manifest.json", dict(manifest))
    table = MetricsTable(path / "metrics.csv")
    for epoch, value in enumerate(score, start=1):
        table.append(epoch, {"critic/loss": 1.0, "evaluation/score_mean": value})
    for epoch, values in (weights or {}).items():
        write_npz(path / "weights" / f"epoch_{epoch:04d}.npz", {"weights": values})
    if status is not None:
        result = {"status": status, "epochs": len(score), "metrics": table.last(), "message": message}
        write_json(path / "result.json", result)
    return path


def weights_like_the_papers(variant: str, n_rows: int = 4000, n_retrainings: int = 9) -> dict[int, NDArray[Any]]:
    """Weights by epoch, [N] of mean one, spread about as widely as the paper's Figure 2 shows."""
    generator = np.random.default_rng(7)
    found = {}
    for retraining in range(n_retrainings):
        noise = generator.normal(size=n_rows)
        if variant == "main":
            log = 0.04 / (1 + retraining) * noise
        elif variant == "vpm":
            log = 0.4 * noise - (generator.random(n_rows) < 0.05) * generator.exponential(2.0, n_rows)
        elif variant == "dualdice":
            log = np.where(generator.random(n_rows) < 0.2 + 0.06 * retraining, -18.0 + 0.2 * noise, 1.5 * noise)
        else:
            log = np.where(generator.random(n_rows) < 0.002, -24.0, 0.0)
        weights = np.exp(log)
        if variant == "dualdice" and retraining % 3 == 2:
            weights[: n_rows // 8] = 0.0
        found[4 * (retraining + 1)] = (weights / weights.mean()).astype(np.float32)
    return found


def write_walker_runs(out: Path, seeds: Sequence[int] = (0,), n_retrainings: int = 9) -> None:
    """Runs of the four estimators of Figure 2."""
    for variant in ("vpm", "gendice", "dualdice", "main"):
        weights = weights_like_the_papers(variant, n_retrainings=n_retrainings)
        for seed in seeds:
            write_run(out, WALKER, variant, seed, score=np.linspace(5, 60, 40).tolist(), weights=weights)


def write_lqr_run(out: Path, task: str, algorithm: str, epochs: int = 3, seed: int = 0) -> Path:
    """A run on a task lqr-... with the truth's columns, which add up, and with Theorem 1's if the reward is bounded."""
    path = write_run(out, task, seed=seed, algorithm=algorithm, score=[])
    (path / "metrics.csv").unlink(missing_ok=True)
    table = MetricsTable(path / "metrics.csv")
    for epoch in range(1, epochs + 1):
        parts = {"optimization": 100.0 / epoch**2, "dense": -0.5, "sparse": 20.0 / epoch}
        columns = {f"truth/gap_{name}": value for name, value in parts.items()}
        columns |= {"truth/return_gap": sum(parts.values()), "truth/reward_overestimation": 3.0}
        columns |= {f"{name}_error": 0.1 for name in columns}
        if task.endswith("-bounded"):
            columns |= {"truth/theorem1_gap": 0.1 / epoch, "truth/theorem1_gap_error": 0.01}
            columns |= {f"truth/theorem1_{name}": 10.0 / epoch for name in ("bound", "sharp_bound", "slack")}
        promises = {
            "certificate/model_return": -3.0,
            "certificate/value_estimate": -1.0,
            "truth/discounted_return": -4.0,
        }
        table.append(epoch, {"evaluation/score_mean": 99.5 - 1000.0 / epoch**4, **promises, **columns})
    return path
