"""The offline data of the HIV task: rows, reproducibility, files, and the replay of an online SAC run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ampl.errors import AmplError
from continuous.data.d4rl_data import Provenance, Source
from continuous.data.d4rl_file import read_d4rl, read_provenance, write_d4rl
from continuous.data.episodes import episode_returns
from continuous.environments.hiv.environment import HivEnvironment
from continuous.environments.hiv.treatment import HivConfig
from continuous.recreate.hiv.data import (
    CollectionConfig,
    SacReplayConfig,
    collect,
    replay_of_sac,
    uniform_policy,
)
from tests.continuous.recreate.small_online_sac import small_online_sac

SHORT = HivConfig(horizon=4)


def test_collected_rows_are_what_the_environment_does() -> None:
    data, provenance = collect(
        uniform_policy(np.random.default_rng(0)), CollectionConfig(environment=SHORT, steps=10, seed=3), "uniform"
    )
    assert data.next_observations is not None
    assert_array_equal(np.flatnonzero(data.timeouts), [3, 7, 9])
    assert not data.terminals.any()
    for row in range(10):
        environment = HivEnvironment(SHORT)
        environment.reset(options={"state": data.infos["state"][row]})
        following, reward, *_, info = environment.step(data.actions[row])
        assert_allclose(data.rewards[row], reward, rtol=1e-6)
        assert_allclose(data.next_observations[row], following, rtol=1e-6)
        assert_allclose(data.infos["efficacy"][row], info["efficacy"])
    same_episode = ~data.timeouts[:-1]
    assert_array_equal(data.next_observations[:-1][same_episode], data.observations[1:][same_episode])
    assert provenance.source is Source.RE_CREATED
    assert (provenance.steps, provenance.seed, provenance.notes) == (10, 3, "uniform")


def test_actions_are_recorded_as_they_were_clipped() -> None:
    data, _ = collect(lambda _: np.array([2.0, -3.0]), CollectionConfig(environment=SHORT, steps=2))
    assert_array_equal(data.actions, [[1.0, -1.0]] * 2)
    assert_allclose(data.infos["efficacy"], [[0.7, 0.0]] * 2)


def test_a_longer_collection_of_the_same_seed_begins_with_the_shorter() -> None:
    short, long = (
        collect(lambda _: np.array([0.0, 0.5]), CollectionConfig(environment=SHORT, steps=steps))[0] for steps in (4, 9)
    )
    assert_array_equal(long.observations[:4], short.observations)
    assert not np.array_equal(long.observations[4], long.observations[0])  # each episode has its own start
    other = collect(lambda _: np.array([0.0, 0.5]), CollectionConfig(environment=SHORT, steps=4, seed=1))[0]
    assert not np.array_equal(other.observations, short.observations)


def test_data_survives_a_d4rl_file(tmp_path: Path) -> None:
    data, provenance = collect(lambda _: np.array([1.0, 1.0]), CollectionConfig(environment=SHORT, steps=8))
    write_d4rl(tmp_path / "hiv.hdf5", data, provenance)
    found = read_d4rl(tmp_path / "hiv.hdf5")
    assert_array_equal(found.observations, data.observations)
    assert_array_equal(found.infos["state"], data.infos["state"])
    assert_array_equal(episode_returns(found), episode_returns(data))
    read: Provenance | None = read_provenance(tmp_path / "hiv.hdf5")
    assert read == provenance


def test_the_replay_of_sac_has_random_rows_first_and_depends_on_the_seed_alone() -> None:
    config = SacReplayConfig(environment=SHORT, sac=small_online_sac(8, batch_size=4), steps=30, random_steps=8, seed=1)
    (first, provenance), (again, _) = replay_of_sac(config), replay_of_sac(config)
    for name in ("observations", "actions", "rewards", "next_observations"):
        assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.n_rows == 30
    assert_array_equal(np.flatnonzero(first.timeouts), [3, 7, 11, 15, 19, 23, 27, 29])
    assert first.metadata["updates"] == 22
    assert "first 8 random" in provenance.notes
    longer = replay_of_sac(replace(config, random_steps=16))[0]
    assert_array_equal(longer.actions[:8], first.actions[:8])
    assert not np.array_equal(longer.actions[8:12], first.actions[8:12])
    assert not np.array_equal(replay_of_sac(replace(config, seed=2))[0].actions, first.actions)


@pytest.mark.slow
def test_online_sac_learns_to_treat() -> None:
    """MOPO's task with decisions every 5 days: measured, the return of an episode triples within 125 episodes."""
    data, _ = replay_of_sac(
        SacReplayConfig(
            environment=replace(HivConfig.mopo(), step_days=5.0, horizon=80),
            sac=small_online_sac(64, batch_size=64),
            steps=10_000,
            random_steps=800,
        )
    )
    returns = episode_returns(data)
    assert returns[-10:].mean() > 2.0 * returns[:10].mean()


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: CollectionConfig(steps=0), "steps"),
        (lambda: SacReplayConfig(random_steps=-1), "random_steps"),
        (lambda: SacReplayConfig(seed=-1), "seed"),
        (lambda: collect(lambda _: np.zeros(3), CollectionConfig(steps=1)), "policy"),
    ],
)
def test_mistakes_of_a_collection_are_named_in_one_line(build: Any, named: str) -> None:
    with pytest.raises(AmplError, match=named) as caught:
        build()
    assert "\n" not in str(caught.value)
