"""From a sweep's file to its jobs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ampl.catalog import OwnProblem
from ampl.errors import AmplError, InvalidArgumentError
from ampl.scale import Scale
from ampl.sweeps.plan import TrainOptions, read_plan
from tests.ampl.fake_algorithm import PROBLEM_SOURCE, announce_fake


def any_options(options: Sequence[str]) -> TrainOptions:
    return TrainOptions()


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_fake(monkeypatch)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


def test_a_grid_is_every_combination_and_several_grids_share_the_top(tmp_path: Path) -> None:
    text = """
        algorithms = ["fake"]
        tasks = ["maze-small", "maze-large"]
        seeds = "0-1"
        [train]
        eval_every = 2
        common_starts = true
        [[grid]]
        [grid.settings]
        step_size = [0.1, 0.2]
        [[grid]]
        tasks = ["maze-small"]
        variants = ["fancy"]
        seeds = [7]
        settings = {model.size = 4}
    """
    jobs = read_plan(written(tmp_path, text), tmp_path / "runs", any_options)
    assert len(jobs) == 2 * 2 * 2 + 1
    assert jobs[3].name == "fake on maze-small, plain, step_size=0.2, seed 1"
    assert jobs[3].path == tmp_path / "runs/maze-small/fake/plain,step_size=0.2/seed1"
    assert jobs[3].log == tmp_path / "runs/maze-small/fake/plain,step_size=0.2/seed1.log"
    assert " ".join(jobs[3].arguments) == (
        "train fake maze-small --variant plain --seeds 1 --set step_size=0.2 --eval-every 2 --common-starts "
        f"--threads 1 --out {tmp_path / 'runs'} --resume"
    )
    assert jobs[-1].name == "fake on maze-small, fancy, model.size=4, seed 7"
    assert {job.epochs for job in jobs} == {3}
    nine = TrainOptions(scale=Scale(epochs=9))
    assert {job.epochs for job in read_plan(written(tmp_path, text), tmp_path, lambda _: nine)} == {9}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("algorithms = [", "cannot be read"),
        ('tasks = ["maze-small"]', "algorithms is None; expected one name or more"),
        ('algorithms = ["fake"]\ntasks = ["maze-smal"]', "Did you mean 'maze-small'?"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\nepoch = 3', "unknown key 'epoch'"),
        ('algorithms = ["fake"]\ndata = "my.hdf5"', "options of `ampl train` belong into [train]"),
        ('algorithms = ["fake"]\nvariant = "plain"', "name it in variants, at the top or in [[grid]]"),
        ('[train]\nalgorithms = ["fake"]', "[train] has algorithms; its place is before [train]"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\nseeds = [0, 0]', "0 twice"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\n[settings]\nstep_size = [-1]', "step_size is -1.0"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\n[settings]\nstep_size = []', "step_size has no values"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\n[train]\nseeds = 3', "the sweep sets; write them as seeds"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\nsettings = 3', "expected a table"),
        ('algorithms = ["fake"]\ntasks = ["maze-small"]\ngrid = 3', "expected tables that begin with [[grid]]"),
        (
            f'algorithms = ["fake"]\ntasks = ["maze-small"]\n[settings]\nstep_size = {[1] * 101}\nsize = {[1] * 100}',
            "asks for 10,100 jobs; expected at most 10,000",
        ),
        (
            'algorithms = ["fake"]\ntasks = ["maze-small", "maze-small"]',
            "asks for fake on maze-small, plain, seed 0 twice",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AmplError) as error:
        read_plan(path, tmp_path, any_options)
    assert str(error.value).startswith(str(path))
    assert words in str(error.value)


def test_a_wrong_option_of_a_training_is_found_before_anything_starts(tmp_path: Path) -> None:
    def refuse(options: Sequence[str]) -> TrainOptions:
        raise InvalidArgumentError(f"no {options[0]}")

    with pytest.raises(AmplError, match="no --epoch"):
        read_plan(written(tmp_path, 'algorithms=["fake"]\ntasks=["maze-small"]\n[train]\nepoch=3'), tmp_path, refuse)


def test_jobs_on_data_of_ones_own_have_no_task(tmp_path: Path) -> None:
    own = OwnProblem(source=PROBLEM_SOURCE, name="mine", problem="mine", record={})  # type: ignore[arg-type]
    text = 'algorithms = ["fake"]\n[train]\ndata = "my.hdf5"\nenv = "Pendulum-v1"'
    (job,) = read_plan(written(tmp_path, text), tmp_path, lambda _: TrainOptions(own=own))
    assert job.path == tmp_path / "mine/fake/plain/seed0"
    assert " ".join(job.arguments).startswith("train fake --variant plain --seeds 0 --data my.hdf5 --env Pendulum-v1 ")
    with pytest.raises(AmplError, match="keep one"):
        read_plan(written(tmp_path, f'tasks = ["maze-small"]\n{text}'), tmp_path, lambda _: TrainOptions(own=own))
