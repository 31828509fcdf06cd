"""Where seeds that are trained side by side can all go on: the newest place that each has a whole checkpoint of."""

from __future__ import annotations

from collections.abc import Mapping

from ampl.errors import ExistingRunError
from ampl.runs.checkpoints import Place
from ampl.runs.run_directory import RunDirectory


def common_place(running: Mapping[int, RunDirectory]) -> Place | None:
    """The newest place of all seeds; None if the first fit is to be begun.

    Args:
        running: the run directories by seed, at least one.

    Raises:
        ExistingRunError: the seeds have no epoch in common, or one has no checkpoint that can be read.
    """
    common = set.intersection(*(set(directory.checkpoint_places()) for directory in running.values()))
    for place in sorted(common, key=lambda place: place.order, reverse=True):
        whole = [directory.is_whole(place) for directory in running.values()]  # with a warning for each damaged one
        if all(whole):
            return place
    newest = {seed: directory.newest_whole() for seed, directory in running.items()}
    beyond = any(place is not None and place.epoch > 0 for place in newest.values())
    folders = [directory.path for directory in running.values()]
    if not beyond and not any((folder / "metrics.csv").exists() for folder in folders):
        return None  # no seed got beyond its first fit
    epochs = ", ".join(f"seed {seed}: {'none' if place is None else place.epoch}" for seed, place in newest.items())
    if len(running) == 1:
        raise ExistingRunError(
            f"{folders[0]} has no checkpoint that can be read, so it cannot go on; to begin again, remove that folder."
        )
    raise ExistingRunError(
        f"the seeds have no checkpoint of the same epoch that can be read ({epochs}). Resume them one at a time; "
        f"to begin one again, remove its folder below {folders[0].parent}."
    )
