"""Bad input to `ampl verify` is one line, and nothing is tried, lost or replaced."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ampl.claims import runner
from tests.ampl.command_line.verify.verify_runs import quick


def test_a_bad_gallery_folder_is_refused_before_the_work(mistake: Callable[..., str]) -> None:
    Path("notes").write_text("mine")
    assert "notes is a file; expected a folder" in mistake("--gallery", "notes")
    Path("pictures").mkdir()
    Path("pictures/chain-rule.png").write_bytes(b"mine")
    assert "not written by ampl" in mistake("--gallery", "pictures")
    assert not Path("runs").exists()


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
    assert (
        "cannot write into runs/verify/cases: Not a directory. Choose a folder you can write to: --report DIR."
        in mistake()
    )


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
