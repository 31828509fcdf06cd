"""Every benchmark explains itself, and measures and writes nothing where its options are not understood."""

from importlib import import_module
from pathlib import Path

import pytest

import benchmarks
from benchmarks import records

MODULES = sorted(
    path.stem for path in Path(benchmarks.__path__[0]).glob("*.py") if '__name__ == "__main__"' in path.read_text()
)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where records go."""
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit code of a benchmark that ends before it measures."""
    module = import_module(f"benchmarks.{name}")
    monkeypatch.setattr("sys.argv", [f"benchmarks/{name}.py", *arguments])
    with pytest.raises(SystemExit) as ending:
        module.main()
    return ending.value.code


@pytest.mark.parametrize("name", MODULES)
def test_help_prints_usage_and_what_is_measured(
    name: str, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(name, monkeypatch, "--help") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: python -m benchmarks.{name} [-h]")
    assert str(import_module(f"benchmarks.{name}").__doc__).splitlines()[0] in printed
    assert not list(written.iterdir())


@pytest.mark.parametrize("name", MODULES)
def test_an_unknown_option_is_refused(
    name: str, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = {"gpu": ["--out", "here"], "occupancy_worker": ["occupancy", "3", "uniform"]}
    needed |= {"gpu_campaign": ["here"], "gpu_measurements": ["probe", "here"], "plain_gymnasium": ["run"]}
    assert leave(name, monkeypatch, *needed.get(name, []), "--such-an-option") == 2
    assert "unrecognized arguments: --such-an-option" in capsys.readouterr().err
    assert not list(written.iterdir())


def test_a_measurement_that_does_not_exist_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave("occupancy_worker", monkeypatch, "occupancies", "3", "uniform") == 2
    assert "invalid choice: 'occupancies'" in capsys.readouterr().err
