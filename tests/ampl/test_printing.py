"""What is printed: texts from outside are shown and never acted upon, and no stream is the reason for a traceback."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.table import Table

from ampl.command_line.main import main
from ampl.command_line.standard_streams import standard_streams
from ampl.interfaces import Metrics
from ampl.printing import literal_console, one_line, print_columns, print_line, printable, styled
from ampl.progress import progress
from ampl.runs.result_table import Column, print_results

HOSTILE = "a\x1b[31mRED\x1b]0;title\x07\nampl: error: forged\r\x9b2J\u2028\u202e[b]:smile:[/b]\udcff"
SHOWN = (
    r"a\x1b[31mRED\x1b]0;title\x07\nampl: error: forged\r\x9b2J\u2028\u202e[b]:smile:[/b]\udcff"  # as `repr` shows it
)


def test_what_is_no_visible_character_is_shown_as_repr_shows_it() -> None:
    assert printable(HOSTILE) == SHOWN == repr(HOSTILE)[1:-1]
    plain = "γ ≤ √2, hopper [v2] $x$ 東京 ±"
    assert printable(plain) == plain


def test_a_message_of_several_lines_becomes_one() -> None:
    assert one_line("a\n  b\tc\x1b[1m") == r"a b c\x1b[1m"
    assert len(one_line("x" * 10**6)) < 30_000


def test_lines_columns_and_tables_take_hostile_texts_literally(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    print_columns([("name", HOSTILE, "end"), ("x", "y", "z")])
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(styled((HOSTILE, "red"), (" [bold]", "")))
    console = literal_console(pipe_width=300)
    console.print(table)
    console.print(HOSTILE)
    out = capsys.readouterr().out
    first, second, third, *rest = out.splitlines()
    assert first == SHOWN
    assert second == f"name  {SHOWN}  end"
    assert third.split() == ["x", "y", "z"]
    assert sum(SHOWN in line for line in rest) == 5
    assert f"{SHOWN} [bold]" in out
    assert all(line.isprintable() for line in rest)


def test_a_word_without_an_end_is_cut_and_a_path_is_not() -> None:
    path = "/".join(["a" * 100] * 5)
    assert one_line(f"setting {'1,' * 2000} in {path}") == f"setting {'1,' * 30}[...] in {path}"


def test_the_table_of_results_is_literal(capsys: pytest.CaptureFixture[str]) -> None:
    metrics: Metrics = {"a[/b]": 1.0, "truth/return_gap": 2.0, "truth/return_gap_error": 3.0}
    column = Column(seed=0, facts={"status[red]": "[x]"}, metrics=metrics, path=Path("exp [v2]\n:smile:/" + "a" * 300))
    print_results("on [task]", [column], ["note [/]"])
    out = capsys.readouterr().out
    assert "truth/return_gap_error" not in out  # of the truth only what matters most
    for text in ("truth/return_gap", "a[/b]", "status[red]", "[x]", "on [task]", "note [/]"):
        assert text in out
    assert out.splitlines()[-1] == "seed 0: exp [v2]\\n:smile:/" + "a" * 300


def test_a_progress_line_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ampl.progress.QUIET_SECONDS", 0.0)
    with progress(HOSTILE, 1) as bar:
        bar.show(HOSTILE)
        bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(SHOWN) and SHOWN in line[len(SHOWN) :] for line in lines)


class BrokenPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_broken_pipe_under_a_table_is_for_the_command_line_to_handle() -> None:
    with pytest.raises(BrokenPipeError):
        literal_console(file=BrokenPipe()).print("x")


@contextmanager
def replaced(monkeypatch: pytest.MonkeyPatch, **streams: io.TextIOBase | None) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(f"sys.{name}", stream)
        yield


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_characters_that_an_encoding_lacks_are_escaped(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    with replaced(monkeypatch, stdout=stream), standard_streams():
        print("γ \udcff é")
        literal_console().print("γ")
    data = stream.buffer.getvalue()  # type: ignore[attr-defined]
    gamma, accent = ("γ", "é") if encoding == "utf-8" else (r"\u03b3", {"ascii": r"\xe9", "cp1252": "é"}[encoding])
    assert data.decode(encoding) == f"{gamma} \\udcff {accent}\n{gamma}\n"


def test_a_full_standard_error_leaves_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for buffering in (1, -1):
        with open("/dev/full", "w", buffering=buffering) as full, replaced(monkeypatch, stderr=full):
            assert main(["no-such-command"]) == 2


def test_a_full_standard_output_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for buffering in (1, -1):
        with open("/dev/full", "w", buffering=buffering) as full, replaced(monkeypatch, stdout=full):
            assert main(["--version"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("ampl: error: ")
        assert "No space left on device" in line


def test_closed_streams_are_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with replaced(monkeypatch, stdout=None):
        assert main(["--version"]) == 2
    assert capsys.readouterr().err == "ampl: error: standard output is closed\n"
    with replaced(monkeypatch, stderr=None):
        assert main(["no-such-command"]) == 2
    assert capsys.readouterr().out == ""  # an error never goes to standard output


@pytest.mark.parametrize(
    ("redirection", "code"),
    [(">&-", 2), ("2>&-", 0), (">&- 2>&-", 2), ("<&- >&- 2>&-", 2), (">/dev/full", 2), ("2>/dev/full", 0)],
)
def test_the_interpreter_ends_quietly_whatever_its_streams_are(redirection: str, code: int) -> None:
    command = f"'{sys.executable}' -m ampl --version {redirection}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def test_a_command_that_opens_a_file_does_not_get_a_closed_stream_as_its_number(tmp_path: Path) -> None:
    code = (
        "import os; from ampl.command_line.standard_streams import standard_streams\n"
        f"with standard_streams(): descriptor = os.open({str(tmp_path / 'f')!r}, os.O_RDWR | os.O_CREAT)\n"
        "os._exit(descriptor)"
    )
    ended = subprocess.run(["sh", "-c", f"'{sys.executable}' -c \"{code}\" >&- 2>&- <&-"], check=False)
    assert ended.returncode > 2


def test_help_and_tables_are_printed_in_any_encoding() -> None:
    for arguments in (["--help"], ["verify", "--help"], ["figure", "--help"]):
        environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        ended = subprocess.run([sys.executable, "-m", "ampl", *arguments], env=environment, capture_output=True)
        assert ended.returncode == 0
        assert ended.stderr == b""
        assert ended.stdout.isascii()
