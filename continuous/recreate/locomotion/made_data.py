"""From simulated steps to a dataset: columns as D4RL stores them, and the note of how they came to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from continuous.tasks.registry import Task

if TYPE_CHECKING:
    from continuous.data.d4rl_data import D4RLData, Provenance
    from continuous.recreate.online_sac.replay_file import Columns


def as_data(columns: Columns, metadata: Mapping[str, Any], info_type: str = "f4") -> D4RLData:
    """Columns under D4RL's keys, [N] or [N, width], as a dataset in single precision.

    Args:
        columns: of the steps.
        metadata: of the file.
        info_type: of what lies under `infos/`.
    """
    import numpy as np

    from continuous.data.d4rl_data import D4RLData

    return D4RLData(
        observations=np.ascontiguousarray(columns["observations"], dtype=np.float32),
        actions=np.ascontiguousarray(columns["actions"], dtype=np.float32),
        rewards=np.ascontiguousarray(columns["rewards"], dtype=np.float32),
        next_observations=np.ascontiguousarray(columns["next_observations"], dtype=np.float32),
        terminals=columns["terminals"],
        timeouts=columns["timeouts"],
        infos={
            name.removeprefix("infos/"): np.ascontiguousarray(column, dtype=info_type)
            for name, column in columns.items()
            if name.startswith("infos/")
        },
        metadata=metadata,
    )


def replay_metadata(updates: int) -> dict[str, Any]:
    """What medium, expert and replay files share. D4RL's trainer counts iterations of 1000 updates from 0."""
    import numpy as np

    return {"algorithm": "SAC", "iteration": np.int32(max(updates // 1000 - 1, 0))}


def make_provenance(task: Task, seed: int, steps: int, notes: str) -> Provenance:
    """How a dataset of simulated steps without noise came to be."""
    import mujoco

    from ampl import __version__
    from continuous.data.d4rl_data import Provenance

    return Provenance(
        recipe=task.name,
        seed=seed,
        noise=0.0,
        mujoco_version=mujoco.__version__,
        project_version=__version__,
        steps=steps,
        notes=notes,
    )
