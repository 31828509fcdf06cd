"""Claims come from packages and from a user's own file, on any kind of cases; names are unique over all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ampl.claims import Verdict, read_claims
from ampl.claims.registry import find_claims, select_claims
from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError, UnknownNameError

OWN = """
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.claims import Verdict

def claim(name, kind, measure, expected):
    return Claim(name=name, source="mine", statement=name, relation=Relation.AT_MOST, measure=measure, kind=kind,
                 expected=expected)

CLAIMS = [
    claim("my-optimism", "finite", lambda case: Measurement(left=case.expected_return_in_model - case.expected_return,
          right=0.0), Verdict.FAILS_AS_PRINTED),
    claim("my-range", "continuous", lambda case: Measurement(left=case.expected_return, right=1.0), Verdict.HOLDS),
]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN)


def test_claims_are_selected_by_name_over_all_kinds() -> None:
    chosen = select_claims(["gaussian-theorem1-sqrt2", "theorem1-sqrt2"], find_claims())
    assert [(claim.name, claim.kind) for claim in chosen] == [
        ("theorem1-sqrt2", "finite"),
        ("gaussian-theorem1-sqrt2", "continuous"),
    ]


def test_unknown_and_repeated_claim_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'theorem1-sharp'"):
        select_claims(["theorem1-shrap"], find_claims())
    family = ", ".join(sorted(name for name in find_claims() if name.startswith("combo-")))
    with pytest.raises(UnknownNameError, match=f"'COMBO'. Valid: {family} and"):
        select_claims(["COMBO"], find_claims())
    with pytest.raises(InvalidArgumentError, match="named twice"):
        select_claims(["chain-rule", "chain-rule"], find_claims())
    with pytest.raises(InvalidArgumentError, match="separate names by spaces"):
        select_claims(["chain-rule,telescoping"], find_claims())


def test_every_claim_states_its_source_and_every_conditional_one_its_condition() -> None:
    for claim in find_claims().values():
        assert claim.source
        assert claim.statement
        assert bool(claim.condition) == (claim.expected is Verdict.HOLDS_WITH_CONDITION), claim.name


def test_a_users_own_claims_get_cases_verdicts_counterexamples_and_replay(capsys: pytest.CaptureFixture[str]) -> None:
    run = ("--claims-from", "mine.py", "--quick", "--cases", "3", "--json", "claims.json", "--gallery", "gallery")
    assert main(["verify", *run, "--workers", "2"]) == 0
    records = read_claims(Path("claims.json"))
    assert [(record.claim, record.verdict) for record in records] == [
        ("my-optimism", Verdict.FAILS_AS_PRINTED),
        ("my-range", Verdict.HOLDS),
    ]
    assert Path("gallery/my-optimism.png").exists()
    printed = capsys.readouterr().out
    assert "fails as printed" not in printed  # where would it be printed?
    assert "1 claim on" in printed
    assert "    worst: " in printed  # it has no condition
    assert "without: " not in printed
    replay = "ampl verify --replay gallery/my-optimism.npz --claims-from mine.py"
    assert replay in Path("gallery/index.md").read_text()
    assert "--replay FILE --claims-from mine.py" in printed
    assert main(replay.split()[1:]) == 0
    assert "contradicts the claim" in capsys.readouterr().out


def test_a_name_that_another_claim_has_is_refused() -> None:
    Path("again.py").write_text(OWN.replace("my-range", "chain-rule"))
    with pytest.raises(InvalidArgumentError, match=r"again.py: there is a claim 'chain-rule' already"):
        find_claims(Path("again.py"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "mine.py has no CLAIMS; expected a list of"),
        ("CLAIMS = [1]", "mine.py are no list of `ampl.claims.claim.Claim`"),
        ("CLAIMS = []", "mine.py lists no claim in CLAIMS; expected at least one"),
        ("CLAIMS = 3", "mine.py are no list of `ampl.claims.claim.Claim`"),
        ("1 / 0", "mine.py, line 1). Mend it and run again."),
        ("import numpy\nnumpy.linalg.inv(0)", "mine.py, line 2). Mend it and run again."),  # not where numpy raises
        (OWN.replace('"finite"', '"finit"'), "Did you mean 'finite'"),
    ],
)
def test_a_file_without_claims_is_one_line(mistake: Callable[..., str], text: str, words: str) -> None:
    Path("mine.py").write_text(text)
    assert words in mistake("verify", "--claims-from", "mine.py")


def test_an_exit_in_another_process_is_one_line_as_well(mistake: Callable[..., str]) -> None:
    own = 'claim("x", "finite", lambda case: __import__("sys").exit(0), Verdict.HOLDS)'
    Path("mine.py").write_text(f"{OWN.partition('CLAIMS =')[0]}\nCLAIMS = [{own}]")
    line = mistake("verify", "--claims-from", "mine.py", "--quick", "--cases", "1", "--workers", "2", notes=True)
    assert "claim 'x' cannot be measured on a case (SystemExit: 0; " in line


def test_files_that_are_not_there_or_not_python_are_one_line(mistake: Callable[..., str]) -> None:
    Path("notes.txt").write_text("hello")
    assert "does not exist" in mistake("verify", "--claims-from", "absent.py")
    assert "is no Python file" in mistake("verify", "--claims-from", "notes.txt")


def test_a_case_of_ones_own_claim_asks_for_its_file(
    capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    run = ("--claims-from", "mine.py", "--quick", "--cases", "1", "--claims", "my-range", "--report", "report")
    assert main(["verify", *run, "--workers", "1"]) == 0
    capsys.readouterr()
    line = mistake("verify", "--replay", "report/cases/my-range.npz")
    assert "name its file with --claims-from" in line


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ('claim("../x", "finite", len, Verdict.HOLDS)', "a claim's name is '../x'"),
        ('claim("x", "finite", None, Verdict.HOLDS)', "measure of claim 'x' is None; expected a function"),
        ('claim("x", "finite", len, "holds")', "expected of claim 'x' is 'holds'; expected a Verdict"),
        (
            'claim("x", "finite", lambda case: 1 / 0, Verdict.HOLDS)',
            "claim 'x' cannot be measured on a case (ZeroDivision",
        ),
        (
            'claim("x", "finite", lambda case: case.weigths, Verdict.HOLDS)',
            "wrong.py, line 10); mend it.",
        ),
        (
            'claim("x", "finite", lambda case: (1, 2), Verdict.HOLDS)',
            "claim 'x' measures (1, 2); expected a Measurement",
        ),
        (
            'claim("x", "finite", lambda case: Measurement(left="a", right=1.0), Verdict.HOLDS)',
            "left of what claim 'x' measures is 'a'; expected a real number",
        ),
        (
            'claim("x", "finite", lambda case: __import__("sys").exit(0), Verdict.HOLDS)',
            "claim 'x' cannot be measured on a case (SystemExit: 0; ",
        ),
        ("__import__('sys').exit(0)", "wrong.py fails (SystemExit: 0; "),
    ],
)
def test_mistakes_in_a_users_claim_are_one_line(claims: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.py").write_text(f"{OWN.partition('CLAIMS =')[0]}\nCLAIMS = [{claims}]")
    options = (
        "--claims-from",
        "wrong.py",
        "--mdp",
        "frozenlake-4x4",
        "--cases",
        "1",
        "--workers",
        "1",
        "--claims",
        "x",
    )
    assert main(["verify", *options]) == 2
    assert words in capsys.readouterr().err
