"""Deep runs that are extended: the bytes of a longer run, or a refusal that names what follows from the length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ampl.errors import ExistingRunError
from ampl.interfaces import Algorithm
from ampl.training import train
from continuous.algorithms.learner import Decay
from continuous.algorithms.mopo.mopo import MOPO
from tests.ampl.runs.interruption import run_bytes
from tests.continuous.algorithms.small_ampl import SCHEDULE, line_table, small_ampl
from tests.continuous.algorithms.small_model_based import SAC, mopo_config, surroundings, true_line_step

SHORT, LONG = 1, 2


def mopo(epochs: int, decay: Decay = Decay.NONE) -> MOPO:
    config = mopo_config()
    config = replace(
        config,
        schedule=replace(config.schedule, epochs=epochs),
        learner=replace(SAC, policy_learning_rate_decay=decay),
    )
    around = replace(surroundings(true_step=true_line_step), description={"scaled": epochs < LONG})
    return MOPO(line_table(), config, [0], around)


def trained(make: Callable[[int], Algorithm], out: Path, epochs: int, *, resume: bool = False) -> Path:
    algorithm = make(epochs)
    (run,) = train(algorithm, task="line", variant="main", epochs=epochs, out=out, resume=resume)
    return run.path


def ampl_of_one_epoch_each(epochs: int) -> Algorithm:
    """Warm start, annealing and retraining take an epoch each, as in all runs that are much shorter than published."""
    return small_ampl(schedule=SCHEDULE.scaled(epochs=epochs))


@pytest.mark.parametrize(
    ("make", "files"), [(mopo, ("config.json", "samples.npz")), (ampl_of_one_epoch_each, ("config.json",))]
)
def test_an_extended_run_has_the_bytes_of_a_long_one(
    make: Callable[[int], Algorithm], files: Sequence[str], tmp_path: Path
) -> None:
    trained(make, tmp_path / "parts", SHORT)
    parts = trained(make, tmp_path / "parts", LONG, resume=True)
    whole = trained(make, tmp_path / "whole", LONG)
    assert run_bytes(parts, LONG) == run_bytes(whole, LONG)
    for name in files:
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def decaying_mopo(epochs: int) -> Algorithm:
    return mopo(epochs, Decay.COSINE)


def ampl_in_proportion(epochs: int) -> Algorithm:
    return small_ampl(schedule=replace(SCHEDULE, epochs=epochs, retrain_period=epochs))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (decaying_mopo, "settings.policy_learning_rate_decay_epochs is 1 there and 2 here"),
        (ampl_in_proportion, "settings.schedule.retrain_period is 1 there and 2 here"),
    ],
)
def test_what_follows_from_the_length_is_named_and_nothing_changes(
    make: Callable[[int], Algorithm], named: str, tmp_path: Path
) -> None:
    run = trained(make, tmp_path, SHORT)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ExistingRunError, match=named):
        trained(make, tmp_path, LONG, resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
