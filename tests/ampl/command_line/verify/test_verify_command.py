"""`ampl verify` end to end: records, exit codes, replay, and MDPs of the user's own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ampl.claims import Verdict, read_claims
from ampl.claims.claim import Measurement
from ampl.claims.registry import find_claims
from ampl.command_line.commands.verify import Verify
from ampl.command_line.main import main
from tabular.claims.case import Case, load_case
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp_files import mdp_arrays, save_mdp
from tests.ampl.command_line.verify.verify_runs import quick, verify

CLAIMS = find_claims()
FINITE = {name for name, claim in CLAIMS.items() if claim.kind == "finite"}


def test_the_help_says_how_many_mdps_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    def count(kind: str, quick: bool) -> int:
        return len(Verify(quick=quick)._specs([kind]))

    assert main(["verify", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"About {round(count('finite', True), -2)} MDPs and" in words
    assert f"instead of about {round(count('finite', False), -3):,} and" in words


def test_the_json_holds_exactly_the_contracted_keys() -> None:
    assert quick("--json", "claims.json", "--claims", "chain-rule", "theorem1-sharp") == 0
    records = json.loads(Path("claims.json").read_text())
    assert [record["claim"] for record in records] == ["chain-rule", "theorem1-sharp"]
    for record in records:
        assert list(record) == [
            *("claim", "source", "verdict", "expected", "worst", "cases", "counterexample"),
            "undecided",
        ]
        assert (record["cases"], record["undecided"]) == (2, 0)
        assert Path(record["counterexample"]).exists()


def test_the_same_seed_gives_the_same_bytes() -> None:
    for name in ("first", "second"):
        assert verify("--cases", "40", "--quick", "--claims", "theorem1-printed", "--json", f"{name}.json") == 0
    assert Path("first.json").read_bytes() == Path("second.json").read_bytes()


def test_a_saved_worst_case_replays_to_the_recorded_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("--cases", "5", "--quick", "--claims", "theorem1-printed", "--report", "report") == 0
    capsys.readouterr()
    assert main(["verify", "--replay", "report/cases/theorem1-printed.npz"]) == 0
    shown = capsys.readouterr().out
    assert "contradicts the claim" in shown
    assert "not met" in shown


def test_the_printed_theorem_fails_on_three_states_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("--cases", "5", "--quick", "--claims", "theorem1-printed") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "holds with condition" in shown
    assert "holds if γ >= 3/4 or rewards in [0, r_max]" in shown
    assert "fork, 3 states, 1 action" in shown


def test_an_unexpected_verdict_exits_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(CLAIMS["chain-rule"], expected=Verdict.FAILS_AS_PRINTED)
    monkeypatch.setitem(CLAIMS, "chain-rule", wrong)
    assert verify("--cases", "5", "--quick", "--claims", "chain-rule") == 1


def test_the_report_folder_holds_table_and_records() -> None:
    assert quick("--report", "report", "--claims", "chain-rule", "theorem1-sharp") == 0
    rows = [line for line in Path("report/claims.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) == 2
    assert {len(row.replace(r"\|", "").split("|")) for row in rows} == {9}  # bars in |J| do not split cells
    assert quick("--report", "report", "--claims", "chain-rule") == 0  # our own files may be replaced


def test_the_gallery_is_drawn_and_replays(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--quick", "--cases", "30", "--claims", "theorem1-printed", "chain-rule", "--gallery", "gallery")
    for _ in range(2):  # our own files may be replaced
        assert verify(*chosen) == 0
    assert sorted(path.name for path in Path("gallery").iterdir()) == [
        "index.md",
        "theorem1-printed.npz",
        "theorem1-printed.png",
    ]
    assert "1 counterexample (theorem1-printed)" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", "--replay", "gallery/theorem1-printed.npz"]) == 0
    assert "contradicts the claim" in capsys.readouterr().out


def test_a_gallery_without_counterexamples_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert quick("--claims", "chain-rule", "--gallery", "gallery") == 0
    assert "no counterexample" in capsys.readouterr().out
    assert "Nothing was contradicted." in Path("gallery/index.md").read_text()


def test_a_large_mdp_is_in_the_gallery_as_well() -> None:
    assert quick("--claims", "moment-determines-weights", "--gallery", "gallery") == 0
    assert Path("gallery/moment-determines-weights.png").exists()
    assert main(["verify", "--replay", "gallery/moment-determines-weights.npz"]) == 0


def test_claims_can_be_checked_on_a_users_own_mdp() -> None:
    save_mdp(Path("mine.npz"), random_mdp(4, 2, np.random.default_rng(0)))
    assert verify("--mdp", "mine.npz", "--cases", "3") == 0


def own_mdp(discount: float) -> str:
    generator = np.random.default_rng(0)
    dynamics, reward = generator.dirichlet(np.ones(5), size=(5, 2)), generator.normal(size=(5, 2))
    np.savez("own.npz", dynamics=dynamics, reward=reward, initial=np.full(5, 0.2), discount=discount)
    return "own.npz"


def test_a_claim_without_a_solution_is_counted_apart_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def singular(case: Case) -> Measurement:
        raise np.linalg.LinAlgError("[singular] matrix")

    monkeypatch.setitem(CLAIMS, "chain-rule", replace(CLAIMS["chain-rule"], measure=singular))
    chosen = ("--claims", "chain-rule", "theorem1-sharp", "--json", "claims.json", "--gallery", "gallery")
    assert verify("--mdp", own_mdp(0.9), "--cases", "3", "--report", "report", *chosen) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "chain-rule: not decided: 3 of 3 cases, which count for nothing ([singular] matrix)" in shown
    undecided, decided = read_claims(Path("claims.json"))
    assert (undecided.verdict, undecided.cases, undecided.undecided) == (Verdict.NOT_DECIDED, 0, 3)
    assert (undecided.worst, undecided.counterexample) == (0.0, None)
    assert (decided.verdict, decided.cases, decided.undecided) == (Verdict.HOLDS, 3, 0)
    assert "1 were not decided" in Path("report/claims.md").read_text()


def test_a_run_that_decides_nothing_exits_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = replace(CLAIMS["chain-rule"], measure=lambda _: Measurement(left=float("nan"), right=0.0))
    monkeypatch.setitem(CLAIMS, "chain-rule", nothing)
    chosen = ("--claims", "chain-rule", "--json", "claims.json", "--report", "report", "--gallery", "gallery")
    assert verify("--mdp", own_mdp(0.9), "--cases", "2", *chosen) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "Nothing was decided" in shown
    assert "Worst cases" not in shown
    assert [record.verdict for record in read_claims(Path("claims.json"))] == [Verdict.NOT_DECIDED]


def test_a_discount_next_to_one_is_no_counterexample(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("--mdp", own_mdp(1.0 - 1e-9), "--cases", "3", "--json", "claims.json") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "nan" not in shown.split()
    records = read_claims(Path("claims.json"))
    left_out = {"mopo-value-error-w1", "cql-3.2-sampled", "rambo-model-gradient", "rambo-model-gradient-baseline"}
    assert {record.claim for record in records} == FINITE - left_out  # of at most 6 pairs, or not so near to one
    undecided = {record.claim for record in records if record.undecided}
    assert undecided <= {"primal-regularization-positive", "moment-determines-weights", "damo-closed-form"}


def test_a_case_that_float64_cannot_decide_replays_to_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    assert verify("--mdp", own_mdp(0.9), "--cases", "1", "--claims", "chain-rule", "--report", "report") == 0
    nothing = replace(CLAIMS["chain-rule"], measure=lambda _: Measurement(left=float("nan"), right=0.0))
    monkeypatch.setitem(CLAIMS, "chain-rule", nothing)
    capsys.readouterr()
    line = mistake("--replay", "report/cases/chain-rule.npz")
    assert "float64 cannot decide the claim 'chain-rule' on it: one side is nan, the other 0" in line


def test_a_path_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("exp [v2]", "a[/b]", ":smile:", "x" * 200):
        save_mdp(Path(name, "m.npz"), random_mdp(3, 2, np.random.default_rng(0)))
        report = Path(name, "r")
        options = ("--cases", "1", "--claims", "occupancy-flow", "--report", str(report))
        assert verify("--mdp", f"{name}/m.npz", *options) == 0
        line = f"Worst cases: {report}/cases/<claim>.npz; look at one with `ampl verify --replay FILE`."
        assert line in capsys.readouterr().out.splitlines()


def test_ones_own_policy_behavior_and_model_are_what_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mdp, generator = random_mdp(4, 2, np.random.default_rng(0)), np.random.default_rng(1)
    policy, behavior = generator.dirichlet([1.0, 1.0], 4), generator.dirichlet([1.0, 1.0], 4)
    model = generator.dirichlet(np.ones(4), (4, 2))
    own = {"policy": policy, "behavior": behavior, "model": model}
    np.savez("mine.npz", **mdp_arrays(mdp), **own)
    assert verify("--mdp", "mine.npz", "--claims", "theorem1-sharp", "--report", "report") == 0
    assert "1 claim on 1 finite MDPs" in capsys.readouterr().out  # nothing is left to choose
    case, _ = load_case(Path("report/cases/theorem1-sharp.npz"))
    np.testing.assert_array_equal(case.policy, policy)
    np.testing.assert_array_equal(case.behavior, behavior)
    np.testing.assert_array_equal(case.model.to_dense().dynamics, model)
    for name, wrong, words in (
        ("policy", policy[:3], "array 'policy'"),
        ("policy", np.tile(np.float32([0.1, 0.9]), (4, 1)), "array 'policy': policy[0] sums to 1 - 2.24e-08"),
        ("behavior", np.tile(np.float16([0.1, 0.9]), (4, 1)), "array 'behavior': policy[0] sums to "),
        ("model", 2.0 * model, "array 'model'"),
        ("behavior", np.eye(2)[[0, 0, 1, 1]], "in state 0 'policy' takes action 1 and 'behavior' never does"),
    ):
        np.savez("wrong.npz", **mdp_arrays(mdp), **(own | {name: wrong}))
        assert main(["verify", "--mdp", "wrong.npz"]) == 2
        assert words in capsys.readouterr().err
    model[:, :, 1] = 0.0  # where the truth goes
    own["model"] = model / model.sum(axis=-1, keepdims=True)
    np.savez("infinite.npz", **mdp_arrays(mdp), **own)
    assert verify("--mdp", "infinite.npz", "--claims", "theorem1-sharp") == 0
    assert "Vacuous, for the right side is infinite: theorem1-sharp on 1 of 1 cases." in capsys.readouterr().out
    np.savez("half.npz", **mdp_arrays(mdp), behavior=np.eye(2)[[0, 0, 1, 1]])  # the policy is chosen within it
    assert verify("--mdp", "half.npz", "--cases", "2", "--claims", "theorem1-sharp") == 0
