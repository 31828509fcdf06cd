"""Offline data of the HIV task, in the layout of D4RL's files.

`collect` records any policy. `replay_of_sac` re-creates what MOPO trained on: everything that an online SAC run saw in
its first 200000 steps. Reconstructed: SAC is this project's (`online_sac`, D4RL's hyperparameters), its first 1000
steps are uniform random, and it makes as many updates after each episode as the episode had steps.
The environment is `HivConfig.mopo()` unless another is given.
Source: MOPO, the HIV experiment of the appendix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl import __version__
from ampl.errors import DivergedError, InvalidShapeError, check_at_least
from ampl.progress import progress
from ampl.randomness import stream
from continuous.data.d4rl_data import D4RLData, Provenance
from continuous.environments.hiv.environment import HivEnvironment
from continuous.environments.hiv.treatment import ACTION_SIZE, OBSERVATION_SIZE, HivConfig
from continuous.networks.arithmetic import fast_arithmetic
from continuous.networks.streams import SeedStreams
from continuous.recreate.online_sac.learning import OnlineSac, OnlineSacConfig
from continuous.recreate.online_sac.replay_file import Columns

TreatmentPolicy: TypeAlias = Callable[[NDArray[np.float64]], NDArray[Any]]  # observation [6] to action [2]

RECIPE = "hiv-treatment"


@dataclass(frozen=True, kw_only=True)
class CollectionConfig:
    """What to collect; with the policy it decides every byte."""

    environment: HivConfig = field(default_factory=HivConfig)
    steps: int  # rows, >= 1; the last episode is cut where they are reached
    seed: int = 0  # >= 0, of the start states

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_at_least("steps", self.steps, 1, "A dataset needs rows.")
        check_at_least("seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class SacReplayConfig:
    """An online SAC run whose steps become the data."""

    environment: HivConfig = field(default_factory=HivConfig.mopo)
    sac: OnlineSacConfig = field(default_factory=OnlineSacConfig)
    steps: int = 200_000  # rows, >= 1, as in MOPO
    random_steps: int = 1000  # >= 0, uniform random actions before the policy acts and learns, in whole episodes
    seed: int = 0  # >= 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_at_least("steps", self.steps, 1, "A dataset needs rows.")
        check_at_least("random_steps", self.random_steps, 0)
        check_at_least("seed", self.seed, 0)


def collect(policy: TreatmentPolicy, config: CollectionConfig, notes: str = "") -> tuple[D4RLData, Provenance]:
    """Whole episodes of a policy, cut to the number of rows; a longer collection of the same seed begins with it.

    Args:
        policy: from an observation, [6], to an action, [2]; recorded as clipped to [-1, 1].
        config: what to collect.
        notes: one line on the policy, for the provenance.

    Raises:
        InvalidShapeError: an action that is not two numbers.
        InvalidArgumentError: an action that is not finite.
        NotConvergedError: the integrator fails.
    """
    environment = HivEnvironment(config.environment)
    environment.reset(seed=_environment_seed(config.seed))
    episodes: list[Columns] = []
    left = config.steps
    with progress("HIV treatment", config.steps) as bar:
        while left:
            episodes.append(_episode(environment, policy, left))
            left -= len(episodes[-1]["rewards"])
            bar.advance(len(episodes[-1]["rewards"]))
    return _data(episodes, {}), _provenance(config.seed, config.steps, notes)


def replay_of_sac(config: SacReplayConfig = SacReplayConfig()) -> tuple[D4RLData, Provenance]:
    """Every step of an online SAC run, in order: episodes of the policy as it is, each followed by as many updates.

    Args:
        config: environment, hyperparameters and number of steps.

    Raises:
        DivergedError: a parameter of the policy is no longer finite.
        NotConvergedError: the integrator fails.
    """
    with fast_arithmetic(), progress("online SAC, HIV treatment", config.steps) as bar:
        return _run_sac(config, bar)


def _run_sac(config: SacReplayConfig, bar: Any) -> tuple[D4RLData, Provenance]:
    environment = HivEnvironment(config.environment)
    environment.reset(seed=_environment_seed(config.seed))
    sac = OnlineSac(OBSERVATION_SIZE, ACTION_SIZE, config.sac, config.seed, config.steps)
    acting, exploring = stream(config.seed, "hiv/acting"), stream(config.seed, "hiv/exploring")
    learning = SeedStreams([config.seed], "hiv/learning")
    episodes: list[Columns] = []
    taken = updates = 0
    while taken < config.steps:
        exploration = taken < config.random_steps
        policy = uniform_policy(exploring) if exploration else _sampling(sac, acting)
        episode = _episode(environment, policy, config.steps - taken)
        sac.remember(episode)
        episodes.append(episode)
        length = len(episode["rewards"])
        taken += length
        bar.advance(length)
        if exploration:
            continue
        sac.learn(length, learning)
        updates += length
        if not all(sac.learner.is_sound()):
            raise DivergedError(f"the learner of the HIV task is not finite after {taken} steps of seed {config.seed}.")
    notes = f"replay buffer of online SAC after {taken} steps, the first {config.random_steps} random"
    metadata = {"algorithm": "SAC", "updates": np.int32(updates)}
    return _data(episodes, metadata), _provenance(config.seed, config.steps, notes)


def uniform_policy(generator: np.random.Generator) -> TreatmentPolicy:
    """Actions uniform in [-1, 1]."""
    return lambda _: generator.uniform(-1.0, 1.0, size=ACTION_SIZE)


def _sampling(sac: OnlineSac, generator: np.random.Generator) -> TreatmentPolicy:
    """Actions sampled from the policy as it is now."""
    actor = sac.policy.sampling_snapshot(0)
    return lambda observation: actor(observation[None].astype(np.float32), generator)[0]


def _episode(environment: HivEnvironment, policy: TreatmentPolicy, limit: int) -> Columns:
    """One episode of at most `limit` steps under D4RL's keys, n rows; `timeouts` marks its last row."""
    observation, info = environment.reset()
    rows: list[tuple[Any, ...]] = []
    truncated = False
    while not truncated and len(rows) < limit:
        action = np.asarray(policy(observation))
        if action.shape != (ACTION_SIZE,):
            raise InvalidShapeError(f"the policy returned shape {list(action.shape)}; expected [{ACTION_SIZE}].")
        action = np.clip(action, -1.0, 1.0).astype(np.float32)
        state = info["state"]
        following, reward, _, truncated, info = environment.step(action)
        rows.append((observation, action, reward, following, state, info["efficacy"]))
        observation = following
    names = ("observations", "actions", "rewards", "next_observations", "infos/state", "infos/efficacy")
    columns = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    columns["terminals"] = np.zeros(len(rows), dtype=np.bool_)
    columns["timeouts"] = np.arange(len(rows)) == len(rows) - 1
    return columns


def _data(episodes: list[Columns], metadata: Mapping[str, Any]) -> D4RLData:
    columns = {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}
    return D4RLData(
        observations=columns["observations"].astype(np.float32),
        actions=columns["actions"],
        rewards=columns["rewards"].astype(np.float32),
        next_observations=columns["next_observations"].astype(np.float32),
        terminals=columns["terminals"],
        timeouts=columns["timeouts"],
        infos={"state": columns["infos/state"], "efficacy": columns["infos/efficacy"]},
        metadata=metadata,
    )


def _provenance(seed: int, steps: int, notes: str) -> Provenance:
    return Provenance(recipe=RECIPE, seed=seed, project_version=__version__, steps=steps, notes=notes)


def _environment_seed(seed: int) -> int:
    return int(stream(seed, "hiv/starts").integers(1 << 31))
