"""The folder that most tests of the report read, and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ampl.claims import Verdict, write_claims
from figures import registry
from figures.report.command import Report
from tests.figures.inputs.synthetic_records import write_record
from tests.figures.inputs.synthetic_runs import SETTINGS, UMAZE, WALKER, weights_like_the_papers, write_run
from tests.figures.report.html_page import SHOWN_RECORDS, claim
from tests.figures.training.damo_runs import write_damo_run


@pytest.fixture(autouse=True, scope="module")
def no_experiment() -> Iterator[None]:
    """Every test fails that would start one."""

    def refuse(name: str, runs: Path) -> Path:
        raise AssertionError(f"experiment '{name}' was started")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "find_or_make_record", refuse)
        patch.setattr("ampl.experiments.make_record", refuse)
        yield


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of all algorithms, two records and two claims."""
    folder = tmp_path_factory.mktemp("full") / "runs"
    write_run(folder, UMAZE, score=[12.5])
    write_run(folder, WALKER, score=[41.25], weights=weights_like_the_papers("main", 300, 3))
    write_run(folder, "hopper-medium-v2", algorithm="mopo", score=[33.5])
    other = {"penalty_weight": 2.5}
    settings = {**SETTINGS, **other}
    write_run(folder, "hopper-medium-v2", seed=3, algorithm="mopo", score=[55.5], changed=other, settings=settings)
    write_damo_run(folder, score=[71.5], value=[200.25], truth=[150.5])
    for name in SHOWN_RECORDS:
        write_record(folder / "records" / f"{name}.npz", name)
    surprise = claim("theorem1-printed", verdict=Verdict.FAILS_AS_PRINTED, worst=1.875)
    write_claims(folder / "claims.json", [claim("occupancy-flow"), surprise])
    return folder


@pytest.fixture(scope="session")
def written(full: Path) -> Path:
    Report(folder=full, out=full.parent / "page.html").run()
    return full.parent / "page.html"
