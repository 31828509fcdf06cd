"""The gallery shows the simplest counterexamples, simplified further, and each can be measured again."""

from pathlib import Path

import numpy as np
import pytest

from ampl.claims import Verdict
from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Claim, Measurement, Relation, Size, Tally
from ampl.claims.gallery import check_gallery, write_gallery
from ampl.claims.registry import find_claims, select_claims
from ampl.claims.runner import Tallies, records, replay, run_claims
from ampl.errors import ForeignFileError, InvalidArgumentError
from tabular.claims.case import Case
from tabular.claims.families import build_case
from tabular.claims.shrinking import shrink
from tabular.claims.source import case_specs

NAMES = ("theorem1-printed", "proposition2-sup", "moment-determines-weights", "mopo-value-error-printed", "chain-rule")
SPECS = case_specs(60, 12, 1, seed=4)
CLAIMS = find_claims()
CHOSEN = select_claims(NAMES, CLAIMS)


def claim(relation: Relation = Relation.AT_MOST) -> Claim:
    return Claim(
        name="c", source="s", statement="left, right", relation=relation, measure=lambda _: None, expected=Verdict.HOLDS
    )


def tally(*rows: tuple[float, bool, Size]) -> Tally:
    """Of ratios to one."""
    result = Tally()
    for index, (left, met, size) in enumerate(rows):
        result = result.add(claim(), Measurement(left=left, right=1.0, condition_met=met), index, size)
    return result


def violated(name: str) -> list[Case]:
    """Small cases that contradict a claim."""
    specs = [CaseSpec(family=family, index=index, seed=0) for family in ("random", "fork") for index in range(60)]
    cases = map(build_case, specs)
    return [case for case in cases if CLAIMS[name].is_violated(measured(name, case))]


def measured(name: str, case: Case) -> Measurement:
    found = CLAIMS[name].measure(case)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run() -> Tallies:
    return run_claims(CHOSEN, SPECS, 1, lambda _: None)


def gallery(folder: Path, run: Tallies, workers: int = 1) -> list[str]:
    found = records(CHOSEN, run, SPECS, folder / "cases")
    return [claim.name for claim in write_gallery(folder / "gallery", CHOSEN, found, run, SPECS, workers)]


def test_fewer_states_come_before_actions_transitions_and_values() -> None:
    small, fewer_actions, fewer_arrows = (False, 2, 3, 9), (False, 3, 1, 9), (False, 3, 2, 5)
    assert tally((9.0, False, fewer_actions), (2.0, False, small)).counterexample == 1
    assert tally((9.0, False, fewer_arrows), (2.0, False, fewer_actions)).counterexample == 1
    assert tally((2.0, False, small), (9.0, False, small), (9.0, False, small)).counterexample == 1


def test_clear_violations_come_before_small_cases_and_rounding() -> None:
    small, large = (False, 1, 1, 1), (False, 6, 3, 100)
    assert tally((1.0 + 1e-6, False, small), (1.04, False, small), (1.2, False, large)).counterexample == 2
    assert tally((1.0 + 1e-6, False, small), (1.04, False, large)).counterexample == 1
    assert tally((1.0 + 1e-6, False, small)).counterexample == 0


def test_cases_without_rewards_come_last() -> None:
    assert tally((2.0, False, (True, 1, 1, 1)), (2.0, False, (False, 6, 1, 1))).counterexample == 1


def test_the_counterexample_is_one_behind_the_verdict() -> None:
    small, large, none = (False, 1, 1, 1), (False, 6, 3, 100), Tally()
    assert tally((2.0, False, small), (2.0, True, large)).counterexample == 1  # fails in spite of its condition
    assert tally((2.0, False, small), (0.5, True, large)).counterexample == 0
    assert none.counterexample is None
    assert tally((0.5, True, small)).counterexample is None


def test_merged_tallies_have_the_smallest_of_both() -> None:
    rows = [(2.0, False, (False, 3, 1, 5)), (1.5, True, (False, 2, 1, 4)), (2.0, False, (False, 2, 2, 4))]
    first = tally(rows[0])
    rest = Tally()
    for index, (left, met, size) in enumerate(rows[1:], start=1):
        rest = rest.add(claim(), Measurement(left=left, right=1.0, condition_met=met), index, size)
    assert first.merge(rest) == tally(*rows)


@pytest.mark.parametrize("name", ["theorem1-printed", "proposition2-sup", "mopo-value-error-printed"])
def test_a_shrunk_case_still_contradicts_the_claim_as_clearly_and_is_no_larger(name: str) -> None:
    cases = violated(name)[:4]
    assert cases
    for case in cases:
        small = shrink(CLAIMS[name], case)
        before, after = measured(name, case), measured(name, small)
        assert CLAIMS[name].is_violated(after)
        assert after.condition_met == before.condition_met
        assert CLAIMS[name].unclearness(after) <= CLAIMS[name].unclearness(before)
        assert small.mdp.n_states <= case.mdp.n_states
        assert small.mdp.n_actions <= case.mdp.n_actions
        assert (small.model.to_dense().dynamics[small.mdp.to_dense().dynamics > 0.0] > 0.0).all()
        assert (small.behavior[small.policy > 0.0] > 0.0).all()
        assert small.mdp.reward.any() or not case.mdp.reward.any()


def test_shrinking_is_deterministic_and_ends() -> None:
    case = violated("theorem1-printed")[0]
    once = shrink(CLAIMS["theorem1-printed"], case)
    again, further = shrink(CLAIMS["theorem1-printed"], case), shrink(CLAIMS["theorem1-printed"], once)
    for other in (again, further):
        assert np.array_equal(once.mdp.dynamics, other.mdp.dynamics)
        assert np.array_equal(once.model.dynamics, other.model.dynamics)
        assert np.array_equal(once.mdp.reward, other.mdp.reward)


def test_theorem1_printed_fails_on_three_states_with_round_numbers() -> None:
    small = shrink(CLAIMS["theorem1-printed"], violated("theorem1-printed")[0])
    assert (small.mdp.n_states, small.mdp.n_actions) == (3, 1)
    assert set(np.abs(small.mdp.reward).ravel()) <= {0.0, 1.0}
    for rows in (small.mdp.dynamics, small.model.dynamics, small.mdp.initial, small.policy, small.behavior):
        np.testing.assert_allclose(np.asarray(rows) * 100.0, np.round(np.asarray(rows) * 100.0), atol=1e-9)


def test_a_case_that_contradicts_nothing_stays_as_it_is() -> None:
    case = build_case(CaseSpec(family="random", index=0, seed=0))
    assert shrink(CLAIMS["chain-rule"], case) is case


def test_a_large_case_stays_as_it_is() -> None:
    case = build_case(CaseSpec(family="frozenlake-8x8", index=0, seed=0))
    assert shrink(CLAIMS["mopo-telescoping-printed"], case) is case


def test_every_case_of_the_gallery_replays_to_its_recorded_value(tmp_path: Path, run: Tallies) -> None:
    shown = gallery(tmp_path, run)
    assert shown == [name for name in CLAIMS if name in NAMES and name != "chain-rule"]
    for name in shown:
        found, measurement, recorded = replay(tmp_path / "gallery" / f"{name}.npz", CLAIMS)
        assert found.name == name
        assert found.is_violated(measurement)
        assert found.value(measurement) == pytest.approx(recorded, rel=1e-12)
        assert (tmp_path / "gallery" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_index_shows_every_picture_with_its_sides(tmp_path: Path, run: Tallies) -> None:
    shown = gallery(tmp_path, run)
    page = (tmp_path / "gallery" / "index.md").read_text()
    for name in shown:
        assert f"({name}.png)" in page
        assert f"ampl verify --replay {tmp_path / 'gallery' / name}.npz" in page
    assert page.count("- this case: left ") == len(shown)
    assert page.count("(not met here)") == 3


def test_the_gallery_does_not_depend_on_the_number_of_processes(tmp_path: Path, run: Tallies) -> None:
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        gallery(tmp_path / str(workers), run, workers)
    for name in NAMES[:4]:
        one, two = (dict(np.load(tmp_path / workers / "gallery" / f"{name}.npz")) for workers in "12")
        assert all(np.array_equal(one[key], two[key]) for key in one)


def test_foreign_files_and_files_in_place_of_the_folder_are_refused(tmp_path: Path) -> None:
    claims = CHOSEN
    check_gallery(tmp_path / "absent", claims)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidArgumentError, match="is a file; expected a folder"):
        check_gallery(tmp_path / "file", claims)
    for name in ("index.md", "chain-rule.png", "theorem1-printed.npz"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(ForeignFileError, match="was not written by ampl"):
            check_gallery(folder, claims)
