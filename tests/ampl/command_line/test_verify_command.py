"""`ampl verify` end to end: records, exit codes, replay, user MDPs, and bad input in one line."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ampl.claims import Verdict, read_claims, runner
from ampl.claims.claim import Measurement
from ampl.claims.registry import find_claims
from ampl.command_line.commands.verify import Verify
from ampl.command_line.main import main
from tabular.claims.case import Case, load_case
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp_files import mdp_arrays, save_mdp

CLAIMS = find_claims()
FINITE = {name for name, claim in CLAIMS.items() if claim.kind == "finite"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def verify(*arguments: str) -> int:
    return main(["verify", "--workers", "1", *arguments])


def quick(*arguments: str) -> int:
    return verify("--mdp", "frozenlake-4x4", "--cases", "2", *arguments)


@pytest.fixture
def mistake(mistake: Callable[..., str]) -> Callable[..., str]:
    """The same of `ampl verify ...`."""
    return partial(mistake, "verify", "--workers", "1")


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


def test_a_bad_gallery_folder_is_refused_before_the_work(mistake: Callable[..., str]) -> None:
    Path("notes").write_text("mine")
    assert "notes is a file; expected a folder" in mistake("--gallery", "notes")
    Path("pictures").mkdir()
    Path("pictures/chain-rule.png").write_bytes(b"mine")
    assert "not written by ampl" in mistake("--gallery", "pictures")
    assert not Path("runs").exists()


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
    assert undecided <= {"primal-regularization-positive", "moment-determines-weights"}


def test_a_case_that_float64_cannot_decide_replays_to_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    assert verify("--mdp", own_mdp(0.9), "--cases", "1", "--claims", "chain-rule", "--report", "report") == 0
    nothing = replace(CLAIMS["chain-rule"], measure=lambda _: Measurement(left=float("nan"), right=0.0))
    monkeypatch.setitem(CLAIMS, "chain-rule", nothing)
    capsys.readouterr()
    line = mistake("--replay", "report/cases/chain-rule.npz")
    assert "float64 cannot decide the claim 'chain-rule' on it: one side is nan, the other 0" in line


def test_unknown_claim_and_environment_names_get_the_nearest(mistake: Callable[..., str]) -> None:
    assert "Did you mean 'theorem1-sharp'" in mistake("--claims", "theorem1-sharpp")
    assert "Did you mean 'frozenlake-4x4'" in mistake("--mdp", "frozenlake-4x5")


def test_bad_numbers_are_refused(mistake: Callable[..., str]) -> None:
    assert "--cases" in mistake("--cases", "0")
    assert "--seed" in mistake("--seed", "-1")
    assert "--cases" in mistake("--cases", "many")


def test_foreign_files_are_never_replaced(mistake: Callable[..., str]) -> None:
    Path("notes.json").write_text('{"mine": 1}')
    assert "not written by ampl" in mistake("--quick", "--json", "notes.json")
    assert json.loads(Path("notes.json").read_text()) == {"mine": 1}
    Path("report/cases").mkdir(parents=True)
    Path("report/cases/chain-rule.npz").write_bytes(b"mine")
    assert "not written by ampl" in mistake("--quick", "--report", "report")


def test_files_that_are_no_cases_are_refused(mistake: Callable[..., str]) -> None:
    assert "does not exist" in mistake("--replay", "absent.npz")
    Path("text.npz").write_text("hello")
    assert "cannot be read as .npz" in mistake("--replay", "text.npz")
    np.savez("foreign.npz", x=np.zeros(3))
    assert "lacks the array" in mistake("--replay", "foreign.npz")
    assert "lacks the array 'reward'" in mistake("--mdp", "foreign.npz")


def test_a_case_of_an_unknown_claim_or_with_broken_arrays_is_refused(
    capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    assert quick("--claims", "chain-rule", "--report", "report") == 0
    capsys.readouterr()
    arrays = dict(np.load("report/cases/chain-rule.npz"))
    np.savez("renamed.npz", **arrays | {"claim": np.array("chain-rules")})
    assert "does not have" in mistake("--replay", "renamed.npz")
    np.savez("broken.npz", **arrays | {"policy": arrays["policy"] * 2})
    assert "policy[0] sums to 2" in mistake("--replay", "broken.npz")


def test_where_nothing_can_be_written_is_known_before_the_first_mdp(
    mistake: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(*_: object) -> None:
        raise AssertionError("an MDP was tried")

    monkeypatch.setattr(runner, "run_claims", tried)
    for option in ("--report", "--gallery"):
        assert "cannot write into" in mistake(option, "/proc/nowhere")
    assert "cannot write into" in mistake("--json", "/proc/nowhere/claims.json")
    Path("runs").write_text("mine")
    assert "cannot write into runs/verify/cases: Not a directory" in mistake()


def test_a_path_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("exp [v2]", "a[/b]", ":smile:", "x" * 200):
        save_mdp(Path(name, "m.npz"), random_mdp(3, 2, np.random.default_rng(0)))
        report = Path(name, "r")
        options = ("--cases", "1", "--claims", "occupancy-flow", "--report", str(report))
        assert verify("--mdp", f"{name}/m.npz", *options) == 0
        line = f"Worst cases: {report}/cases/<claim>.npz; look at one with `ampl verify --replay FILE`."
        assert line in capsys.readouterr().out.splitlines()


def test_a_pipe_as_an_mdp_is_refused(mistake: Callable[..., str]) -> None:
    os.mkfifo("pipe.npz")
    assert "a device, a pipe or a socket" in mistake("--mdp", "pipe.npz")
    assert "a device, a pipe or a socket" in mistake("--replay", "pipe.npz")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("seed", "one", "array 'seed' is <U3 []; expected one number"),
        ("seed", [1, 2], r"array 'seed' is int64 [2]; expected one number"),
        ("recorded", [1.0], r"array 'recorded' is float64 [1]; expected one number"),
        ("model_dynamics", "x", "array 'model_dynamics' has dtype <U1; expected real numbers"),
        ("mdp_reward", [1j], "array 'mdp_reward' has dtype complex128; expected real numbers"),
        ("policy", [b"x"], "array 'policy' has dtype |S1; expected real numbers"),
    ],
)
def test_a_case_with_arrays_of_another_kind_is_one_line(
    capsys: pytest.CaptureFixture[str], mistake: Callable[..., str], name: str, value: object, words: str
) -> None:
    assert quick("--claims", "occupancy-flow", "--report", "r") == 0
    arrays = dict(np.load("r/cases/occupancy-flow.npz"))
    np.savez("odd.npz", **arrays | {name: np.array(value)})
    capsys.readouterr()
    assert words in mistake("--replay", "odd.npz")


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
