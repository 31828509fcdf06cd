"""Training a behavior policy as D4RL did: `ampl data train-behavior ROBOT`.

For ant and MOPO's robots (`behavior_robots.py`) no level is known: they leave a buffer and no policy.

D4RL's loop: 1000 steps with the fresh policy fill the replay buffer; then blocks of 1000 steps and 1000 updates
alternate. Every block starts a new episode and cuts its last one, which is why published replay files have lengths in
whole thousands and short pieces marked as time-outs.

    OUT/manifest.json           what was asked for, with which versions
    OUT/curve.csv               one row an evaluation
    OUT/replay.bin              every step so far (`online_sac/replay_file.py`)
    OUT/checkpoint/             the two latest states; training continues from them bit for bit
    OUT/<robot>-<level>.safetensors   the policy nearest to a level (`levels.py`), and how it came about
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ampl.errors import (
    DivergedError,
    InvalidArgumentError,
    InvalidFileError,
    InvalidShapeError,
    UnknownNameError,
    check_at_least,
)
from ampl.file_lock import FolderLock
from ampl.files import check_replaceable
from ampl.interruption import stop_if_requested, stop_requested
from ampl.progress import progress
from ampl.randomness import stream
from ampl.runs.checkpoints import (
    Checkpoint,
    checkpoint_epochs,
    newest_whole_epoch,
    read_checkpoint,
    remove_checkpoints_after,
    write_checkpoint,
)
from ampl.statistics import spread
from continuous.environments.batch import BatchSimulator
from continuous.networks.arithmetic import fast_arithmetic
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.streams import SeedStreams
from continuous.recreate.locomotion.behavior_manifest import about, write_or_check_manifest
from continuous.recreate.locomotion.behavior_robots import BEHAVIOR_ROBOTS, make_simulator, with_torso_velocity
from continuous.recreate.locomotion.collection import (
    EPISODE_LIMIT,
    concatenate,
    episode_returns,
    policy_actor,
    roll_out,
)
from continuous.recreate.locomotion.levels import (
    LEVEL_RETURNS,
    Evaluation,
    Level,
    is_near,
    is_reached,
    nearest_to,
    policy_file_name,
    read_curve,
    write_curve,
)
from continuous.recreate.online_sac.learning import METRICS, OnlineSac, OnlineSacConfig
from continuous.recreate.online_sac.policy_file import save_policy
from continuous.recreate.online_sac.replay_file import Columns, ReplayFile

logger = logging.getLogger(__name__)

BLOCK = 1000  # steps, then as many updates
CAPACITY = 1_000_000  # steps in the replay memory; older ones are forgotten
MANIFEST, CURVE, REPLAY, CHECKPOINT = "manifest.json", "curve.csv", "replay.bin", "checkpoint"


@dataclass(frozen=True, kw_only=True)
class BehaviorConfig:
    """How to train and how often to look; with robot and seed it decides every byte."""

    evaluation_period: int = 2 * BLOCK  # steps between evaluations, a multiple of 1000
    evaluation_episodes: int = 20
    confirmation_episodes: int = 80  # more of them where those first ones came out near a level
    sac: OnlineSacConfig = field(default_factory=OnlineSacConfig)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("evaluation_period", self.evaluation_period, BLOCK)
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)
        check_at_least("confirmation_episodes", self.confirmation_episodes, 0)
        if self.evaluation_period % BLOCK:
            raise InvalidArgumentError(
                f"evaluation_period is {self.evaluation_period}; expected a multiple of {BLOCK}."
            )
        layers = len(self.sac.learner.policy.hidden)
        if layers != 2:
            raise InvalidArgumentError(f"the policy has {layers} hidden layers; expected 2, as files of policies have.")


def behavior_folder(robot: str, seed: int) -> Path:
    """Where training puts its results unless it is told otherwise."""
    return Path("runs") / "behavior" / robot / f"seed{seed}"


def train_behavior(
    robot: str,
    steps: int,
    seed: int,
    out: Path,
    until: Level | None = None,
    config: BehaviorConfig = BehaviorConfig(),
) -> Sequence[Evaluation]:
    """Trains SAC, or continues what `out` holds; safe to interrupt at any moment.

    Args:
        robot: one of `BEHAVIOR_ROBOTS`.
        steps: of the environment in all, rounded up to whole evaluation periods.
        seed: same seed, same processor, same bytes.
        out: folder, see the top of this file.
        until: stop as soon as this level is reached.
        config: hyperparameters.

    Returns:
        The learning curve so far.

    Raises:
        UnknownNameError: another robot.
        InvalidArgumentError: steps or seed out of range, or a level of a robot that has none.
        ExistingRunError: `out` holds a run of another robot, seed, configuration or learner, or is being trained in.
        DivergedError: a parameter is no longer finite.
        InvalidFileError: the folder cannot be written to, or its checkpoints or its replay buffer are damaged.
        Interruption: a signal asked for it, inside `ampl.interruption.saving_first`.
    """
    if robot not in BEHAVIOR_ROBOTS:
        raise UnknownNameError("robot", robot, BEHAVIOR_ROBOTS)
    if until is not None and robot not in LEVEL_RETURNS:
        raise InvalidArgumentError(f"--until: D4RL's levels of {robot} are not known; give --steps alone.")
    check_at_least("--steps", steps, 1)
    check_at_least("--seed", seed, 0)
    check_replaceable(out / CURVE, "ampl data train-behavior")
    lock = FolderLock(out)
    try:
        with fast_arithmetic(), closing(make_simulator(robot)) as simulator:
            training = _Training(robot, seed, out, config, simulator)
            training.run(steps, until)
    finally:
        lock.release()
    return training.curve


class _Training:
    def __init__(self, robot: str, seed: int, out: Path, config: BehaviorConfig, simulator: BatchSimulator) -> None:
        self.robot, self.seed, self.out, self.config = robot, seed, out, config
        self._levels = LEVEL_RETURNS.get(robot, {})
        self._simulator = simulator
        observation_size, action_size = simulator.robot.observation_size, simulator.robot.action_size
        self._sac = OnlineSac(observation_size, action_size, config.sac, seed, CAPACITY)
        self._file: ReplayFile | None = None
        self._blocks, self._minutes = 0, 0.0
        self.curve: list[Evaluation] = []
        self._about = about(robot, seed, asdict(config))
        write_or_check_manifest(out / MANIFEST, self._about)
        self._resume()

    def run(self, steps: int, until: Level | None) -> None:
        """Blocks of steps and updates until there are enough."""
        period = self.config.evaluation_period
        total = math.ceil(steps / period) * period
        if total != steps:
            logger.warning("--steps %d becomes %d: training ends at an evaluation, every %d.", steps, total, period)
        started, minutes = time.monotonic(), self._minutes
        with progress(f"steps of {self.robot}, seed {self.seed}", max(total - self._blocks * BLOCK, 0)) as bar:
            while self._blocks * BLOCK < total and not self._reached(until):
                metrics = self._block()
                bar.advance(BLOCK)
                self._minutes = minutes + (time.monotonic() - started) / 60.0
                stopping = stop_requested()
                if self._blocks * BLOCK % period == 0:
                    self._evaluate(metrics)
                    self._save()
                elif stopping and self.curve:  # a checkpoint counts on a curve
                    self._save()
                if stopping:
                    stop_if_requested()

    def _block(self) -> Mapping[str, float]:
        """1000 steps, then 1000 updates, except in the first block."""
        name, first = f"block {self._blocks}", self._blocks * BLOCK
        steps = self._take_steps(name)
        self._sac.remember(steps)
        if self._file is None:
            self._file = ReplayFile.create(self.out / REPLAY, steps)
        self._file.write(first, steps)
        self._blocks += 1
        if not first:
            return dict.fromkeys(METRICS, 0.0)
        return self._sac.learn(BLOCK, self._tensor_stream(f"{name} updates"))

    def _take_steps(self, name: str) -> Columns:
        """Episodes of the policy as it is; the last one is cut where the block ends."""
        actor, starts = policy_actor(self._sac.policy, self._tensor_stream(f"{name} actions")), self._stream(name)
        episodes: list[Columns] = []
        left = BLOCK
        while left:
            (episode,) = roll_out(self._simulator, actor, starts.spawn(1), left)
            episodes.append(with_torso_velocity(episode, self._simulator))
            left -= len(episodes[-1]["rewards"])
        return concatenate(episodes)

    def _evaluate(self, metrics: Mapping[str, float]) -> None:
        """One more point of the curve; keeps the policy for every level that it is nearest to."""
        policy, name = self._sac.policy, f"evaluation {self._blocks}"
        if not all(self._sac.learner.is_sound()):
            raise DivergedError(f"the learner of {self.robot} is not finite after {self._blocks * BLOCK} steps.")
        actor, starts = policy_actor(policy, self._tensor_stream(name)), self._stream(name)
        episodes = roll_out(self._simulator, actor, starts.spawn(self.config.evaluation_episodes), EPISODE_LIMIT)
        near = any(is_near(episode_returns(episodes).mean(), target) for target in self._levels.values())
        if near and self.config.confirmation_episodes:
            episodes += roll_out(self._simulator, actor, starts.spawn(self.config.confirmation_episodes), EPISODE_LIMIT)
        returns = episode_returns(episodes)
        values = {
            "return_mean": returns.mean(),
            "return_std": spread(returns),
            "return_min": returns.min(),
            "return_max": returns.max(),
            "length_mean": np.mean([len(episode["rewards"]) for episode in episodes]),
            "temperature": self._sac.learner.temperature.item(),
            "minutes": self._minutes,
            **metrics,
        }
        point = Evaluation(
            steps=self._blocks * BLOCK,
            updates=(self._blocks - 1) * BLOCK,
            episodes=len(returns),
            **{key: round(float(value), 4) for key, value in values.items()},
        )
        self.curve.append(point)
        for level, target in self._levels.items():
            if nearest_to(self.curve, target) is point:
                made = self._about | {
                    "level": level.value,
                    "level_return": target,
                    "reached": is_reached(self.curve, target),
                    "evaluation": asdict(point),
                }
                save_policy(self.out / policy_file_name(self.robot, level), policy, made)

    def _save(self) -> None:
        """Curve first, then the state: whatever lies between two checkpoints is made again."""
        write_curve(self.out / CURVE, self.curve, self._about["command"])
        state, minutes = seed_state(self._sac.learner.state_dict(), 0), {"minutes": self._minutes}
        checkpoint = Checkpoint(epoch=self._blocks, state=state, fit_metrics=minutes)
        write_checkpoint(self.out / CHECKPOINT, checkpoint)

    def _resume(self) -> None:
        """Continues from the newest whole checkpoint, if there is one."""
        newest = newest_whole_epoch(self.out / CHECKPOINT)
        if newest is None:
            if checkpoint_epochs(self.out / CHECKPOINT):
                raise InvalidFileError(f"every checkpoint in {self.out} is damaged. Remove the folder to start anew.")
            if (self.out / CURVE).exists() and len(read_curve(self.out / CURVE)) > 1:
                raise InvalidFileError(f"{self.out} has results but no checkpoint to go on from. Choose another --out.")
            return
        checkpoint = read_checkpoint(self.out / CHECKPOINT, newest)
        remove_checkpoints_after(self.out / CHECKPOINT, newest)
        try:
            load_seed_state(self._sac.learner.state_dict(), 0, checkpoint.state)
        except InvalidShapeError as error:
            raise InvalidFileError(
                f"the checkpoint in {self.out} is not of this version of the program ({error}). Choose another --out."
            ) from error
        self._blocks, self._minutes = newest, checkpoint.fit_metrics["minutes"]
        self._file = ReplayFile(self.out / REPLAY)
        self._sac.remember(self._file.read(newest * BLOCK))
        self.curve = [point for point in read_curve(self.out / CURVE) if point.steps <= newest * BLOCK]
        if not self.curve:
            raise InvalidFileError(f"{self.out / CURVE} lacks what its checkpoint counts on. Choose another --out.")
        logger.info("continuing %s after %d steps.", self.out, newest * BLOCK)

    def _reached(self, level: Level | None) -> bool:
        return level is not None and is_reached(self.curve, self._levels[level])

    def _stream(self, name: str) -> np.random.Generator:
        return stream(self.seed, f"{self.robot} {name}")

    def _tensor_stream(self, name: str) -> SeedStreams:
        return SeedStreams([self.seed], f"{self.robot} {name} in torch")
