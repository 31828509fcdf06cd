"""The command line: one line for every mistake, exit codes, and broken packages that break nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import ampl
from ampl import __version__
from ampl.command_line.main import main
from ampl.entry_points import ALGORITHMS, COMMANDS, EXPERIMENTS, PROBLEMS, load
from ampl.errors import AmplError, BrokenEntryPointError, ForeignFileError, InvalidFileError, UnknownNameError
from ampl.experiments import find_or_make_record, make_record
from ampl.files import read_json, read_npz, write_npz
from ampl.runs.metrics_table import read_curve
from ampl.scale import Scale
from tests.ampl.fake_algorithm import FACTORY, FakeAlgorithm, announce_fake
from tests.ampl.plugin_packages import install


@dataclass(frozen=True, kw_only=True)
class Play:
    """Plays a tune.

    At length.
    """

    ending: str = "0"
    """How it ends."""

    def run(self) -> int:
        """Ends as told."""
        match self.ending:
            case "mistake":
                raise AmplError("the tune\nis out of tune")
            case "disk":
                raise OSError(28, "No space left on device")
            case "interruption":
                raise KeyboardInterrupt
        return int(self.ending)


def write_record(path: Path) -> None:
    write_npz(path, {"value": 1.0})


def make_nothing(path: Path) -> None:
    """Forgets to write."""


@pytest.fixture(autouse=True)
def announce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces what is installed by a few entry points of this module and broken ones."""
    here = __name__
    announce_fake(
        monkeypatch,
        EntryPoint("play", f"{here}:Play", COMMANDS),
        EntryPoint("broken", "no_such_module:Thing", COMMANDS),
        EntryPoint("broken", f"{here}:no_such_source", PROBLEMS),
        EntryPoint("class", "tests.ampl.fake_algorithm:FakeProblems", PROBLEMS),
        EntryPoint("continuous.broken", f"{here}:no_such_factory", ALGORITHMS),
        EntryPoint("continuous.text", f"{here}:__name__", ALGORITHMS),
        EntryPoint("continous.fake", f"{here}:no_such_factory", ALGORITHMS),
        EntryPoint("good", f"{here}:write_record", EXPERIMENTS),
        EntryPoint("lazy", f"{here}:make_nothing", EXPERIMENTS),
    )


def test_help_lists_every_command_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "  play      Plays a tune.\n" in out
    assert "  broken    (not available" in out
    assert "At length" not in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ampl {__version__}\n"


def test_without_a_command_the_help_is_shown_and_the_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


def test_the_help_of_a_command_explains_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "ampl train" in out
    assert "Continue runs that are already there." in out
    words = " ".join(out.replace("│", " ").split())
    assert "What to train: fake, broken or text." in words
    assert "a task of `ampl data list`; a wrong name lists them all." in words


def test_a_command_decides_its_exit_code() -> None:
    assert main(["play", "--ending", "7"]) == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plya"], "Did you mean 'play'?"),
        (["--verbose"], "unknown option '--verbose'"),
        (["play", "--edning", "1"], "--edning, 1; Perhaps you meant: --ending STR"),
        (["play", "--ending"], "--ending has no value; expected one"),
        (["play", "--ending", "mistake"], "error: the tune is out of tune"),
        (["play", "--ending", "disk"], "No space left"),
        (["train"], "Missing from ampl train: ALGORITHM."),
        (["train", "fake", "maze-small", "--epochs", "many"], "--epochs is 'many'; expected an integer."),
        (["train", "fake", "maze-small", "--epochs", "1.5"], "--epochs is '1.5'; expected an integer."),
        (["train", "fake", "maze-small", "--references", "5"], "--references is '5'; expected two numbers."),
        (["train", "fake", "maze-small", "--references"], "--references has no value; expected two numbers."),
        (["train", "fake", "maze-small", "--checkpoint-seconds", "x"], "is 'x'; expected a number."),
        (["train", "fake", "maze-small", "--device", "tpu"], "--device is 'tpu'; expected one of auto, cpu, cuda."),
        (["train", "fake", "maze-small", "--precision", "x"], "expected one of high, highest, medium."),
        (["train", "fake", "maze-small", "--device", "cuda"], "CPU only"),
        (["train", "fake", "maze-smal"], "unknown task 'maze-smal'. Did you mean 'maze-small'?"),
        (["train", "fak", "maze-small"], "unknown algorithm 'fak'. Did you mean 'fake'?"),
        (
            ["train", "fake", "maze-small", "--variant", "fency"],
            "unknown variant of fake 'fency'. Did you mean 'fancy'?",
        ),
        (["train", "fake", "maze-small", "--variant", "other"], "Valid: fancy, plain."),
        (["train", "fake", "other"], "Valid: maze-large, maze-small."),
        (["train", "fake", "maze-small", "--seeds", "0,1,0"], "0 twice"),
        (["train", "fake", "maze-small", "--seeds", "0,-1"], "'-1' is not a seed"),
        (["train", "fake", "maze-small", "--seeds", "0,,1"], "'' is not a seed"),
        (["train", "fake", "maze-small", "--seeds", "0;1"], "'0;1' is not a seed"),
        (["train", "fake", "maze-small", "--seeds", "0-2,4-3"], "'4-3' runs backwards; write 3-4."),
        (["train", "fake", "maze-small", "--seeds", "0-10000"], "'0-10000' has 10,001 seeds; expected at most 10,000"),
        (["train", "fake", "maze-small", "--seeds", "0-2,1"], "1 twice"),
        (["train", "fake", "maze-small", "--epochs", "0"], "--epochs is 0"),
        (["train", "fake", "maze-small", "--steps-per-epoch", "0"], "--steps-per-epoch is 0"),
        (["train", "fake", "maze-small", "--miw-steps", "-5"], "--miw-steps is -5"),
        (["train", "fake", "maze-small", "--threads", "0"], "--threads is 0"),
        (["train", "fake", "maze-small", "--checkpoint-seconds", "nan"], "checkpoint_seconds is nan"),
        (["broken"], "ModuleNotFoundError"),
    ],
)
def test_every_mistake_is_one_line(mistake: Callable[..., str], arguments: list[str], words: str) -> None:
    assert words in mistake(*arguments)


def test_an_interruption_is_one_line_and_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "--ending", "interruption"]) == 130
    assert capsys.readouterr().err == "ampl: interrupted.\n"


def test_train_runs_resumes_and_shows_where_the_results_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    arguments = ["train", "fake", "maze-small", "--seeds", "0,2", "--out", str(tmp_path)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for seed in (0, 2):
        place = tmp_path / "maze-small" / "fake" / "plain" / f"seed{seed}"
        assert str(place) in out
        assert (place / "result.json").exists()
    assert "evaluation/return_raw" in out
    assert "--resume" in mistake(*arguments)
    assert main([*arguments, "--resume", "--epochs", "4"]) == 0
    assert "4" in capsys.readouterr().out


def test_train_says_that_a_run_was_scaled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    arguments = ["train", "fake", "maze-small", "--out", str(tmp_path), "--epochs", "2"]
    assert main([*arguments, "--steps-per-epoch", "20"]) == 0
    out, err = capsys.readouterr()
    assert "ampl: info: scaled: epochs of 20 steps" in err
    assert "scaled: epochs of 20 steps" in out
    assert "settings.step_size is 0.2 there and 0.1 here" in mistake(*arguments, "--resume")
    assert main([*arguments[:-2], "--steps-per-epoch", "20", "--epochs", "3", "--resume"]) == 0


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2 GiB", "can't allocate memory: 8 bytes"])
def test_too_little_memory_is_one_line(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(self: Play) -> int:
        raise RuntimeError(words)

    monkeypatch.setattr(Play, "run", play)
    assert main(["play"]) == 2
    assert capsys.readouterr().err == f"ampl: error: not enough memory: {words}. Ask for less.\n"


def test_train_ends_with_1_if_a_seed_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FACTORY, "build", lambda *_: FakeAlgorithm([0, 1], diverging={0: 2}))
    assert main(["train", "fake", "maze-small", "--seeds", "0,1", "--out", str(tmp_path)]) == 1


def test_what_is_broken_is_named_and_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    assert main(["train", "fake", "maze-small", "--out", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    assert "the source of problems 'broken' of an unknown package cannot be loaded" in err
    assert "the source of problems 'class' is a type; expected an object with what ampl.interfaces.ProblemSource" in err
    assert "algorithm 'continous.fake' of an unknown package is not used; expected a name like finite.fake or" in err
    assert "'continuous.broken'" not in err  # only what is asked for is imported
    assert "'continuous.broken' of an unknown package cannot be" in mistake("train", "broken", "maze-small")
    assert "the algorithm 'continuous.text' is a str; expected" in mistake("train", "text", "maze-small")
    assert list(ampl.load_problem("maze-small").algorithms) == ["fake"]


def test_an_algorithm_without_variants_or_of_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., str]
) -> None:
    train = ("train", "fake", "maze-small", "--out", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(FakeAlgorithm, "name", "other")
        assert "'continuous.fake' calls itself 'other'; expected" in mistake(*train)
    monkeypatch.setattr(FACTORY, "variants", {})
    assert "'continuous.fake' has no variants; expected at least one." in mistake(*train)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_entry_point_names_its_distribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    install(monkeypatch, tmp_path, "bad-package", {COMMANDS: {"boom": "bad_package:Boom"}}, {"bad_package": "\n1 / 0"})
    words = r"of bad-package cannot be loaded .*ZeroDivisionError: division by zero; .*bad_package\.py, line 2\)\. "
    with pytest.raises(BrokenEntryPointError, match=words) as error:
        load(COMMANDS, "boom")
    assert "\n" not in str(error.value)


def test_a_record_is_made_once_and_then_found(tmp_path: Path) -> None:
    path = find_or_make_record("good", tmp_path)
    assert path == tmp_path / "records" / "good.npz"
    before = path.stat().st_mtime_ns
    assert find_or_make_record("good", tmp_path) == path
    assert path.stat().st_mtime_ns == before


def test_a_record_is_made_again_when_asked_but_replaces_nothing_foreign(tmp_path: Path) -> None:
    path = make_record("good", tmp_path)
    write_npz(path, {"value": 2.0})
    make_record("good", tmp_path)
    assert read_npz(path, "a record", ["value"])["value"] == 1.0
    path.write_text("mine")
    with pytest.raises(ForeignFileError):
        make_record("good", tmp_path)
    assert path.read_text() == "mine"


def test_a_record_without_its_experiment_is_found(tmp_path: Path) -> None:
    write_npz(tmp_path / "records" / "older.npz", {"value": 1.0})
    assert find_or_make_record("older", tmp_path).exists()


def test_mistakes_with_experiments(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'good'\?"):
        find_or_make_record("goood", tmp_path)
    with pytest.raises(InvalidFileError, match="without writing"):
        find_or_make_record("lazy", tmp_path)
    with pytest.raises(AmplError, match="name"):
        find_or_make_record("../good", tmp_path)


def test_a_closed_pipe_is_quiet() -> None:
    code = "import sys; from ampl.command_line.main import main; print('x' * 200000); sys.exit(main(['--version']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"ampl" not in process.stderr.read()


def test_help_works_without_a_home_and_a_terminal(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "ampl", "--help"], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert not list(home.iterdir())


def test_evaluations_are_as_the_options_say(tmp_path: Path) -> None:
    """Every option in turn, with what the records and the algorithm see of it."""
    options = ["--eval-every", "4", "--eval-episodes", "7", "--certificates-every", "8", "--common-starts"]
    arguments = ["train", "fake", "maze-small", "--epochs", "30", "--out", str(tmp_path)]
    assert main([*arguments, *options, "--eval-workers", "0"]) == 0
    run = tmp_path / "maze-small" / "fake" / "plain" / "seed0"
    assert read_json(run / "config.json")["scale"] == asdict(
        Scale(epochs=30, evaluation_period=4, evaluation_episodes=7, certificate_period=8, common_starts=True)
    )
    assert read_json(run / "manifest.json")["evaluation"] == {
        "every": 4,
        "certificates_every": 8,
        "last_epochs": 10,
        "episodes": 7,
        "common_starts": True,
        "workers": 0,
    }
    curve = read_curve(run / "metrics.csv", "evaluation/return_raw")
    assert curve.epochs.tolist() == [4, 8, 12, 16, 20, *range(21, 31)]
