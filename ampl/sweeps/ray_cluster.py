"""Trainings as tasks of a Ray cluster, whose machines share the folder of the runs."""

from __future__ import annotations

import logging
import time
from typing import Any

from ampl.errors import MissingPackageError
from ampl.sweeps.plan import Job
from ampl.sweeps.processes import TrainingProcess


def connect(address: str | None, workers: int) -> int:
    """Joins a cluster, or makes one of this machine.

    Args:
        address: of the cluster, as `ray.init` takes it; None: a new one on this machine.
        workers: cores of a new one.

    Returns:
        How many trainings it runs at once: one a core.

    Raises:
        MissingPackageError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("--backend ray needs Ray. Install it: pip install 'ampl-testbed[ray]'.") from error
    try:
        ray.init(
            address=address,
            num_cpus=None if address else workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MissingPackageError(
            f"no Ray cluster at {address}: {error}. Start one, or use --backend local."
        ) from error
    resources: Any = ray.cluster_resources  # which has no types
    return max(1, int(resources().get("CPU", 1)))


def disconnect() -> None:
    """Leaves the cluster; one that `connect` made ends."""
    import ray

    ray.shutdown()


class RayTraining:
    """A training somewhere in the cluster, with one core; a `Handle`."""

    def __init__(self, job: Job) -> None:
        import ray

        self._task: Any = ray.remote(num_cpus=1, max_retries=0)(_train).remote(job)

    def poll(self) -> int | None:
        """Its exit code; None while it runs. A lost machine counts as a failure."""
        import ray

        ready, _ = ray.wait([self._task], timeout=0)
        if not ready:
            return None
        try:
            return int(ray.get(self._task))
        except (ray.exceptions.RayError, KeyboardInterrupt):
            return 1

    def end(self) -> None:
        """Asks it to save itself and stop."""
        import ray

        ray.cancel(self._task, force=False)

    def kill(self) -> None:
        """Ends it at once."""
        import ray

        ray.cancel(self._task, force=True)


def _train(job: Job) -> int:
    """Runs a training to its end; a cancelled task ends it first, so that it saves itself."""
    process = TrainingProcess(job)
    try:
        while (code := process.poll()) is None:
            time.sleep(0.5)
        return code
    finally:
        process.end()
        while process.poll() is None:
            time.sleep(0.1)
