"""Collects Adroit data in batches of episodes: a policy's mean actions, or recorded actions played back.

Rows are D4RL's: observation, action and simulator state before the step, reward and terminal after it; episodes one
after the other, a time-out flag at the last row of each that did not terminate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.progress import progress
from ampl.randomness import stream
from continuous.data.d4rl_data import D4RLData
from continuous.environments.adroit.hand import Adroit
from continuous.environments.batch import BatchSimulator
from continuous.environments.robot import Floats
from continuous.recreate.adroit.demonstrations import Demonstration
from continuous.recreate.adroit.policy import DapgPolicy

EXPERT_EPISODES = 5000
_BATCH = 100  # episodes simulated side by side
Columns: TypeAlias = dict[str, NDArray[Any]]  # name to rows
Act: TypeAlias = Callable[[Floats, int], tuple[Floats, Columns]]  # observations and step to actions and more columns


def collect_expert(robot: Adroit, policy: DapgPolicy, steps: int | None, seed: int) -> D4RLData:
    """Episodes of the policy's mean action, clipped.

    Args:
        robot: the task.
        policy: whose mean acts; its Gaussian parameters are stored in `infos`.
        steps: rows to collect, the last episode cut there; None collects `EXPERT_EPISODES` whole episodes.
        seed: of the starts.
    """

    def act(observations: Floats, _: int) -> tuple[Floats, Columns]:
        mean = policy.mean(torch.from_numpy(observations.astype(np.float32))).numpy()
        more = {"infos/action_mean": mean}
        if policy.log_std is not None:
            more["infos/action_log_std"] = np.broadcast_to(policy.log_std, mean.shape)
        return np.clip(mean, -1.0, 1.0).astype(np.float64), more

    limit = robot.episode_limit
    wanted = EXPERT_EPISODES * limit if steps is None else steps
    batches: list[Columns] = []
    episode = rows = 0
    with BatchSimulator(robot) as simulator, progress("rows", total=wanted) as bar:
        while rows < wanted and (steps is not None or episode < EXPERT_EPISODES):
            count = min(_BATCH, -(-(wanted - rows) // limit))
            if steps is None:
                count = min(_BATCH, EXPERT_EPISODES - episode)
            starts = [stream(seed, f"adroit/start/{episode + index}") for index in range(count)]
            observations = simulator.reset(starts)
            batches.append(_roll_out(simulator, observations, act, [limit] * count))
            episode += count
            new = min(len(batches[-1]["rewards"]), wanted - rows)
            rows += new
            bar.advance(new)
    return _dataset(batches, rows, _policy_metadata(policy))


def replay(robot: Adroit, demonstrations: Sequence[Demonstration]) -> D4RLData:
    """Plays recorded actions back, clipped, each from its own start, and records what happens.

    No row is terminal: a person may go on after dropping the pen. The last row of each demonstration is a time-out.
    """
    lengths = [len(demonstration.actions) for demonstration in demonstrations]
    plan = np.zeros((max(lengths), len(lengths), robot.action_size))
    for index, demonstration in enumerate(demonstrations):
        plan[: lengths[index], index] = np.clip(demonstration.actions, -1.0, 1.0)
    with BatchSimulator(robot, endless=True) as simulator:
        observations = simulator.begin([demonstration.start for demonstration in demonstrations])
        columns = _roll_out(simulator, observations, lambda _, step: (plan[step], {}), lengths)
    columns["terminals"][:] = False
    ends = np.cumsum(lengths) - 1
    columns["timeouts"][ends] = True
    return _dataset([columns], sum(lengths), {})


def _roll_out(simulator: BatchSimulator, observations: Floats, act: Act, lengths: Sequence[int]) -> Columns:
    """All episodes of one batch, each until it terminates or reaches its length: rows episode by episode."""
    robot: Any = simulator.robot
    limits = np.array(lengths)
    moments: list[Columns] = []
    alive: list[NDArray[np.bool_]] = []
    for time in range(limits.max()):
        running = simulator.running & (time < limits)
        if not running.any():
            break
        actions, more = act(observations, time)
        states = {f"infos/{name}": values for name, values in robot.infos(simulator.snapshot).items()}
        step = simulator.step(actions)
        moment = {"observations": observations, "actions": actions, "rewards": step.rewards} | states | more
        cut = (time == limits - 1) & ~step.terminated
        flags = {"terminals": step.terminated, "timeouts": cut}
        moments.append({name: values.astype(np.float32) for name, values in moment.items()} | flags)
        alive.append(running)
        observations = step.observations
    kept = np.stack(alive, axis=1)  # [n, T]
    return {name: np.stack([moment[name] for moment in moments], axis=1)[kept] for name in moments[0]}


def _dataset(batches: list[Columns], rows: int, metadata: dict[str, Any]) -> D4RLData:
    names = list(batches[0])  # each is taken out of the batches, so that memory holds it twice only for a moment
    columns: dict[str, Any] = {name: np.concatenate([batch.pop(name) for batch in batches])[:rows] for name in names}
    columns["timeouts"][-1] |= not columns["terminals"][-1]
    infos = {name.removeprefix("infos/"): columns.pop(name) for name in _starting(columns, "infos/")}
    return D4RLData(**columns, infos=infos, metadata=metadata)


def _starting(names: Iterable[str], prefix: str) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def _policy_metadata(policy: DapgPolicy) -> dict[str, Any]:
    """The policy under D4RL's names, weights [out, in]; the scalings, which D4RL's own policies lack, beside them."""
    names = {"w0": "fc0/weight", "b0": "fc0/bias", "w1": "fc1/weight", "b1": "fc1/bias"}
    names |= {"w2": "last_fc/weight", "b2": "last_fc/bias"}
    metadata: dict[str, Any] = {
        f"policy/{names.get(name, name)}": value for name, value in policy.arrays.items() if name != "log_std"
    }
    text = {"policy/nonlinearity": b"tanh", "policy/output_distribution": b"gaussian"}
    return {"algorithm": b"DAPG"} | text | metadata
