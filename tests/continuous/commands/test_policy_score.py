"""`ampl data score`: random actions, behavior policies and DAPG policies on D4RL's scale; wrong files in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError, InvalidFileError
from continuous.commands.score import load_actor, score_policy_file
from continuous.recreate.online_sac.policy_file import NAMES, policy_of, save_policy
from continuous.tasks.find import find_task


def behavior(path: Path, observation_size: int, action_size: int) -> Path:
    sizes = {"fc0": (8, observation_size), "fc1": (8, 8), "last_fc": (action_size, 8)}
    sizes["last_fc_log_std"] = sizes["last_fc"]
    generator = torch.Generator().manual_seed(0)
    parameters = {}
    for name in NAMES:
        layer, part = name.split("/")
        shape = sizes[layer] if part == "weight" else sizes[layer][:1]
        parameters[name] = 0.1 * torch.randn(shape, generator=generator)
    save_policy(path, policy_of(parameters), {})
    return path


def test_the_same_seed_gives_the_same_returns_and_another_seed_others(tmp_path: Path) -> None:
    task, policy = find_task("hopper-medium-v2"), behavior(tmp_path / "p.safetensors", 11, 3)
    first, again, other = (score_policy_file(task, policy, episodes=3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.returns, again.returns)
    assert not np.array_equal(first.returns, other.returns)


def test_random_actions_score_about_zero_in_a_maze(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "score", "maze2d-umaze-v1", "--episodes", "30"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["policy"] == "uniform random"
    assert -12.0 < float(rows["evaluation/score_mean"]) < 20.0


def test_a_dapg_policy_acts_on_adroit(tmp_path: Path) -> None:
    generator, sizes = np.random.default_rng(0), (39, 8, 8, 28)
    arrays = {f"w{k}": 0.1 * generator.normal(size=(sizes[k + 1], sizes[k])) for k in range(3)}
    arrays |= {f"b{k}": np.zeros(sizes[k + 1]) for k in range(3)}
    np.savez(tmp_path / "door.npz", **arrays)
    act = load_actor(find_task("door-expert-v1"), tmp_path / "door.npz")
    assert act(np.zeros((5, 39), dtype=np.float32), np.random.default_rng(0)).shape == (5, 28)


def test_a_policy_of_another_robot_is_refused(tmp_path: Path) -> None:
    policy = behavior(tmp_path / "p.safetensors", 11, 3)
    with pytest.raises(InvalidFileError, match="maps 11 observations to 3 actions; walker2d-medium-v2 has 17 and 6"):
        load_actor(find_task("walker2d-medium-v2"), policy)
    with pytest.raises(InvalidArgumentError, match="has no policy files"):
        load_actor(find_task("maze2d-umaze-v1"), policy)


def test_mistakes_are_one_line(tmp_path: Path, mistake: Callable[..., str]) -> None:
    for arguments in (["hopper-medum-v2"], ["hopper-medium-v2", "--policy", str(tmp_path / "absent.safetensors")],
                      ["maze2d-umaze-v1", "--episodes", "0"]):  # fmt: skip
        mistake("score", *arguments)
