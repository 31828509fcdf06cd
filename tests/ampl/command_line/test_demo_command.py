"""`ampl demo` strings the commands together, ends with the table of findings, and passes the exit code on."""

from pathlib import Path

import pytest

from ampl.claims import ClaimRecord, Verdict, write_claims
from ampl.command_line.commands import demo
from ampl.command_line.main import main


class _Verify:
    def __init__(self, *, quick: bool, report: Path) -> None:
        assert quick
        self.report = report

    def run(self) -> int:
        found = [("a", Verdict.HOLDS), ("b", Verdict.FAILS_AS_PRINTED)]
        records = [
            ClaimRecord(claim=name, source="s", verdict=verdict, expected=Verdict.HOLDS, worst=1.0, cases=1)
            for name, verdict in found
        ]
        write_claims(self.report / "claims.json", records)
        return 1


class _Figure:
    drawn: tuple[str, ...] = ()

    def __init__(self, *, name: str, runs: Path) -> None:
        self.name = name

    def run(self) -> int:
        _Figure.drawn += (self.name,)
        return 0


@pytest.mark.parametrize("d4rl", [False, True])
def test_the_demo_checks_draws_and_reports(
    tmp_path: Path, d4rl: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ampl.entry_points.load", lambda _, name: {"verify": _Verify, "figure": _Figure}[name])
    demos = {"learning": lambda out: [("a wing's finding", "42")], "d4rl": lambda out: [("a dataset", "here")]}
    monkeypatch.setattr("ampl.entry_points.load_all", lambda _: demos)
    monkeypatch.setattr(_Figure, "drawn", ())
    assert demo.Demo(out=tmp_path / "out", d4rl=d4rl).run() == 1
    assert _Figure.drawn == (("lqr-learning", "figure2") if d4rl else ("lqr-learning",))
    shown = capsys.readouterr().out
    assert "claims that hold" in shown
    assert "that fail as printed" in shown
    assert "lqr-learning.png" in shown
    assert "a wing's finding" in shown
    assert ("a dataset" in shown) is d4rl


def test_the_demo_refuses_a_file_as_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "expected a folder" in capsys.readouterr().err
