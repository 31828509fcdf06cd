"""The pictures in docs are what the code draws from their records and runs: nobody forgot to draw them again.

A few pixels may differ, since versions of matplotlib and its libraries round edges of letters and lines differently.
"""

from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from ampl.claims import Verdict, gallery, read_claims
from ampl.claims.claim import Measurement
from ampl.claims.registry import find_claims
from figures.committed_pictures import committed_pictures, draw
from figures.theory import counterexample
from tabular.claims.case import load_case

ROOT = Path(__file__).parents[3]
IMAGES, CASES = Path("docs/images"), Path("docs/counterexamples")
COUNTEREXAMPLES = sorted(path.stem for path in (ROOT / CASES).glob("*.png"))

_CLEARLY, _FEW = 0.25, 2e-3  # difference of a color in [0, 1] that is seen, and the share of pixels that may have it


def check_same_picture(drawn: bytes, committed: Path) -> None:
    """Fails if more than a few pixels differ visibly."""
    new, old = (matplotlib.image.imread(source) for source in (BytesIO(drawn), committed))
    assert new.shape == old.shape, f"{committed} has another size than what is drawn now: draw it again"
    share = float((np.abs(new - old).max(axis=-1) > _CLEARLY).mean())
    assert share <= _FEW, f"{share:.2%} of the pixels of {committed} differ from what is drawn now: draw it again"


@pytest.fixture(autouse=True)
def _in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_every_picture_has_its_source() -> None:
    entries = committed_pictures()
    assert sorted(entries) == sorted(path.stem for path in IMAGES.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / IMAGES).glob("*.png")))
def test_a_committed_picture_is_what_the_code_draws(name: str) -> None:
    check_same_picture(draw(name, **committed_pictures()[name]), IMAGES / f"{name}.png")


def test_there_is_a_picture_for_every_claim_on_finite_mdps_that_does_not_simply_hold() -> None:
    claims, records = find_claims(), read_claims(ROOT / "docs/claims.json")
    contradicted = {record.claim for record in records if record.verdict is not Verdict.HOLDS}
    assert sorted(name for name in contradicted if claims[name].kind == "finite") == COUNTEREXAMPLES


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTEREXAMPLES)
def test_a_committed_counterexample_is_drawn_as_it_is_measured(name: str) -> None:
    (verdict,) = (record.verdict for record in read_claims(Path("docs/claims.json")) if record.claim == name)
    path = CASES / f"{name}.npz"
    claim = find_claims()[name]
    measurement = claim.assess(load_case(path)[0])
    assert isinstance(measurement, Measurement)
    drawn = counterexample.draw(path, f"{name}: {verdict}", gallery._facts(claim, measurement, path))
    check_same_picture(drawn, path.with_suffix(".png"))


def test_a_changed_picture_is_noticed() -> None:
    path = ROOT / CASES / "theorem1-printed.png"
    check_same_picture(path.read_bytes(), path)
    with pytest.raises(AssertionError, match=r"differ|another size"):
        check_same_picture((ROOT / CASES / "proposition2-sup.png").read_bytes(), path)
