"""Any Gymnasium environment under a batch of episodes: equal to a plain loop, whatever the number of processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import flatten

from ampl.errors import InvalidArgumentError, LostWorkerError
from ampl.own_data import GivenData
from ampl.randomness import stream
from continuous.data.own_problem import open_own
from continuous.environments.registry import environment_for, simulator_maker
from continuous.evaluation.evaluator import Evaluator
from continuous.tasks.registry import Task
from tests.continuous.data.own_samples import Slide, fallen, pendulum_file, slide_file

SEEDS = (0, 3)


def slide(folder: Path) -> Task:
    return open_own(GivenData(data=str(slide_file(folder / "s.hdf5")), env=Slide, termination=fallen), "slide")


def push(observations: Any, generator: np.random.Generator) -> Any:
    """Random actions, some beyond [-1, 1], which count as the bound."""
    return generator.uniform(-1.2, 1.2, (len(observations), 2))


@pytest.mark.parametrize("processes", [1, 2])
def test_episodes_earn_what_a_plain_loop_earns(tmp_path: Path, processes: int) -> None:
    task = slide(tmp_path)
    with Evaluator(simulator_maker(task, processes)(), episodes=3, discount=0.9) as evaluator:
        measured = [evaluator.evaluate([push, push], SEEDS) for _ in range(2)][1]  # environments are used again
    for seed, found in zip(SEEDS, measured, strict=True):
        generator = stream(seed, "evaluation/actions")
        environments = [Slide() for _ in range(3)]
        starts = [int(stream(seed, f"evaluation/start/{episode}").integers(2**31)) for episode in range(3)]
        for environment, start in zip(environments, starts, strict=True):
            environment.reset(seed=start)
        returns, lengths, running = np.zeros(3), np.zeros(3), np.ones(3, np.bool_)
        for _ in range(task.episode_limit):
            if not any(running):  # the other seed's episodes go on; the draws of this one no longer matter
                break
            actions = np.clip(push(np.zeros((3, 2)), generator), -1.0, 1.0) * [2.0, 2.0] + [-1.0, 2.0]
            for row in np.flatnonzero(running):
                _, reward, terminated, _, _ = environments[row].step(actions[row].astype(np.float32))
                returns[row] += reward
                lengths[row] += 1
                running[row] = not terminated
        np.testing.assert_allclose(found.returns, returns, rtol=1e-6)
        assert found.lengths.tolist() == lengths.tolist()
        assert found.terminated.tolist() == (~running).tolist()


def test_an_environment_that_cuts_its_episodes_ends_them_without_a_terminal(tmp_path: Path) -> None:
    given = GivenData(data=str(pendulum_file(tmp_path / "p.hdf5")), env=lambda: gymnasium.make("Pendulum-v1"))
    task = open_own(given, "pendulum")
    simulator = simulator_maker(task, 1)()
    simulator.reset([np.random.default_rng(0)])
    steps = [simulator.step(np.zeros((1, 1))) for _ in range(200)]
    assert not any(step.terminated.any() for step in steps)
    assert not simulator.running.any()
    assert not simulator.step(np.zeros((1, 1))).rewards.any()
    with Evaluator(simulator, episodes=1) as evaluator:
        found = evaluator.evaluate([lambda rows, _: np.zeros((len(rows), 1))], [0])[0]
    assert (found.lengths.tolist(), found.terminated.tolist()) == ([200], [False])


def test_an_environment_without_a_time_limit_is_cut_at_the_tasks(tmp_path: Path) -> None:
    task = slide(tmp_path)
    environment = environment_for(task)
    environment.reset(seed=0)
    truncated = [environment.step(np.zeros(2))[3] for _ in range(task.episode_limit)]
    assert truncated == [False] * (task.episode_limit - 1) + [True]


def test_one_environment_of_a_task_sees_flat_observations_and_actions_in_units(tmp_path: Path) -> None:
    task = slide(tmp_path)
    environment, plain = environment_for(task), Slide()
    first = flatten(plain.observation_space, plain.reset(seed=5)[0])
    np.testing.assert_array_equal(environment.reset(seed=5)[0], first)
    _, reward, *_ = environment.step(np.array([0.0, 0.5]))
    assert reward == 3.0  # the middle of [0, 4] and half of the way to 4


def test_an_action_that_is_not_finite_is_named(tmp_path: Path) -> None:
    simulator = simulator_maker(slide(tmp_path), 1)()
    simulator.reset([np.random.default_rng(0), np.random.default_rng(1)])
    with pytest.raises(InvalidArgumentError, match="episode 1"):
        simulator.step(np.array([[0.0, 0.0], [np.nan, 0.0]]))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("1 / 0", "the environment of slide fails in step (ZeroDivisionError: division by zero; "),
        ("(found[0], float('nan'), *found[2:])", "returned a reward that is not finite"),
        ("({k: v * np.nan for k, v in found[0].items()}, *found[1:])", "returned an observation that is not finite"),
    ],
)
def test_what_goes_wrong_in_an_environment_is_not_blamed_on_the_policy(
    tmp_path: Path, failure: str, words: str, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late.py").write_text(
        "import numpy as np\n"
        "from tests.continuous.data.own_samples import Slide\n"
        "class Late(Slide):\n"
        "    steps = 0\n"
        "    def step(self, action):\n"
        "        self.steps, found = self.steps + 1, super().step(action)\n"
        f"        return found if self.steps < 2 else {failure}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "late", raising=False)
    data = str(slide_file(tmp_path / "s.hdf5"))
    task = open_own(GivenData(data=data, env="late:Late", termination=fallen), "slide")
    simulator = simulator_maker(task, processes)()
    simulator.reset([np.random.default_rng(seed) for seed in range(2)])
    simulator.step(np.zeros((2, 2)))
    with pytest.raises(InvalidArgumentError, match=re.escape(words)):
        simulator.step(np.zeros((2, 2)))


def test_an_environment_that_ends_its_process_is_named_and_the_simulator_goes_on_once_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fatal.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from tests.continuous.data.own_samples import Slide\n"
        "class Fatal(Slide):\n"
        "    def step(self, action):\n"
        f"        if Path({str(tmp_path / 'broken')!r}).exists():\n"
        "            os._exit(3)\n"
        "        return super().step(action)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    data = str(slide_file(tmp_path / "s.hdf5"))
    task = open_own(GivenData(data=data, env="fatal:Fatal", termination=fallen), "slide")
    simulator = simulator_maker(task, 2)()
    generators = [np.random.default_rng(seed) for seed in range(2)]
    simulator.reset(generators)
    (tmp_path / "broken").touch()
    with pytest.raises(LostWorkerError, match="a process that steps the environment of slide has ended"):
        simulator.step(np.zeros((2, 2)))
    (tmp_path / "broken").unlink()
    simulator.reset(generators)
    assert simulator.step(np.zeros((2, 2))).rewards.shape == (2,)
    simulator.close()


def test_simulators_that_are_kept_end_with_the_program_without_a_word(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from continuous.environments.registry import kept_simulator\n"
        "from tests.continuous.environments.test_gymnasium_simulator import slide\n"
        "if __name__ == '__main__':\n"
        "    simulator = kept_simulator(slide(Path(sys.argv[1])), 2)\n"
        "    print(simulator.reset([np.random.default_rng(seed) for seed in range(3)]).shape)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert (done.stdout, done.stderr) == ("(3, 2)\n", "")
