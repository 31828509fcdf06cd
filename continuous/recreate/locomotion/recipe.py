"""Re-creates D4RL's gym-mujoco v2 datasets: `ampl data make hopper-medium-v2`.

    random         uniform actions; needs nothing
    medium, expert SAC policies stopped early and late, shipped in `weights/` where training reached their level
    medium-expert  medium up to its last complete episode, then expert; arrays only
    medium-replay  everything that training saw until its policy was medium
    full-replay    the latest million steps that training saw

The last two need the buffer of `ampl data train-behavior`. Source: D4RL's collection and stitching scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ampl.errors import InvalidFileError
from continuous.data.recipes import MakeOptions, Recipe
from continuous.recreate.locomotion.durations import training_time
from continuous.recreate.locomotion.levels import LEVEL_RETURNS, Level, policy_file_name
from continuous.recreate.locomotion.made_data import as_data, make_provenance, replay_metadata
from continuous.recreate.locomotion.training_run import TrainingRun, find_training, replay_data
from continuous.tasks.find import find_task
from continuous.tasks.registry import GYM_MUJOCO_DATASETS, TASKS, Family, Task

if TYPE_CHECKING:
    from continuous.algorithms.sac.policy import SquashedGaussian
    from continuous.data.d4rl_data import D4RLData, Provenance

DEFAULT_STEPS = 1_000_000  # rows of the published files, twice that in medium-expert
MEDIUM_REPLAY_STEPS = {"halfcheetah": 202_000, "hopper": 402_000, "walker2d": 302_000}  # of the published files
_ROWS_PER_SECOND = {"hopper": 17_000, "halfcheetah": 45_000, "walker2d": 20_000, "ant": 7_000}  # collected and written
COPIED_PER_SECOND = 60_000  # rows of a replay buffer
WEIGHTS = Path(__file__).parent / "weights"


def recipes() -> Mapping[str, Recipe]:
    """Every dataset of the robots whose behavior can be trained; of Ant, random."""
    tasks = [task for task in TASKS.values() if task.family is Family.GYM_MUJOCO]
    return {task.name: _recipe(task) for task in tasks if task.robot in LEVEL_RETURNS or task.dataset == "random"}


def _recipe(task: Task) -> Recipe:
    assert task.dataset in GYM_MUJOCO_DATASETS
    train = f"ampl data train-behavior {task.robot}"
    match task.dataset:
        case "random":
            return Recipe(
                make=partial(_make_random, task),
                default_steps=DEFAULT_STEPS,
                describe="Uniform actions on the -v4 environment with the old contact margins, as D4RL's script.",
                rows_per_second=_ROWS_PER_SECOND[task.robot],
            )
        case "medium-expert":
            return Recipe(
                make=partial(_make_medium_expert, task),
                default_steps=2 * DEFAULT_STEPS,
                describe="The medium data up to their last complete episode, then the expert data; half the rows each.",
                rows_per_second=_ROWS_PER_SECOND[task.robot],
                **_unless_shipped(task.robot, Level.MEDIUM, Level.EXPERT),
            )
        case "medium-replay":
            return Recipe(
                make=partial(_make_medium_replay, task),
                default_steps=MEDIUM_REPLAY_STEPS[task.robot],
                describe=f"What `{train}` saw until its policy was medium, or its first --steps; "
                "--policy names its folder, otherwise --seed does.",
                accepts=frozenset({"steps", "seed", "policy"}),
                rows_per_second=COPIED_PER_SECOND,
                **behavior(task.robot, Level.MEDIUM),
            )
        case "full-replay":
            return Recipe(
                make=partial(_make_full_replay, task),
                default_steps=DEFAULT_STEPS,
                describe=f"The replay buffer of `{train}` after so many steps; --policy names its folder, otherwise "
                "--seed does.",
                accepts=frozenset({"steps", "seed", "policy"}),
                rows_per_second=COPIED_PER_SECOND,
                **behavior(task.robot),
            )
        case _:
            target = LEVEL_RETURNS[task.robot][Level(task.dataset)]
            return Recipe(
                make=partial(_make_policy_data, task),
                default_steps=DEFAULT_STEPS,
                describe=f"Sampled actions of a SAC policy of this project with about D4RL's mean return {target:.0f}; "
                "--policy names another.",
                accepts=frozenset({"steps", "seed", "policy"}),
                rows_per_second=_ROWS_PER_SECOND[task.robot],
                **_unless_shipped(task.robot, Level(task.dataset)),
            )


def behavior(robot: str, until: Level | None = None) -> dict[str, Any]:
    """What a recipe says of the training that it needs first: whose, until which level, and how long it takes."""
    level = None if until is None else until.value
    return {"behavior": robot, "until": level, "training_time": training_time(robot, until)}


def _unless_shipped(robot: str, *levels: Level) -> dict[str, Any]:
    """The training up to the last of the levels, unless policies of all are shipped."""
    shipped = all((WEIGHTS / policy_file_name(robot, level)).exists() for level in levels)
    return {} if shipped else behavior(robot, levels[-1])


def _make_random(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    from ampl.randomness import stream
    from continuous.environments.batch import BatchSimulator
    from continuous.environments.registry import robot_for
    from continuous.recreate.locomotion.collection import collect, uniform_actor

    actor = uniform_actor(task.action_size, stream(options.seed, f"{task.name} actions"))
    rows = DEFAULT_STEPS if options.steps is None else options.steps
    with BatchSimulator(robot_for(task)) as simulator:
        columns = collect(simulator, actor, rows, stream(options.seed, f"{task.name} starts"))
    return as_data(columns, {}), make_provenance(task, options.seed, rows, "uniform actions")


def _make_policy_data(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """Medium or expert: D4RL's 21 keys.

    Raises:
        InvalidFileError: the policy is missing, damaged, or of another robot.
    """
    from ampl.randomness import stream
    from continuous.environments.batch import BatchSimulator
    from continuous.environments.registry import robot_for
    from continuous.networks.arithmetic import one_thread
    from continuous.networks.streams import SeedStreams
    from continuous.recreate.locomotion.collection import collect, policy_actor
    from continuous.recreate.online_sac.policy_file import layers_of

    policy, about, path = _find_policy(task, options)
    actor = policy_actor(policy, SeedStreams([options.seed], f"{task.name} actions in torch"))
    rows = DEFAULT_STEPS if options.steps is None else options.steps
    with one_thread(), BatchSimulator(robot_for(task)) as simulator:
        columns = collect(simulator, actor, rows, stream(options.seed, f"{task.name} starts"))
    metadata = replay_metadata(about.get("evaluation", {}).get("updates", 0))
    metadata |= {"policy/nonlinearity": "relu", "policy/output_distribution": "tanh_gaussian"}
    metadata |= {f"policy/{name}": tensor.numpy() for name, tensor in layers_of(policy).items()}
    return as_data(columns, metadata), make_provenance(task, options.seed, rows, _policy_note(path, about))


def _make_medium_expert(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """D4RL's stitching rule: complete episodes of medium, then all of expert; next to no row is lost, none is added."""
    import numpy as np

    from continuous.data.d4rl_data import D4RLData

    rows = 2 * DEFAULT_STEPS if options.steps is None else options.steps
    sizes = {"medium": max(rows // 2, 1), "expert": max(rows - rows // 2, 1)}
    parts, notes = [], []
    for dataset, size in sizes.items():
        part_task = find_task(f"{task.robot}-{dataset}-v2")
        data, provenance = _make_policy_data(part_task, MakeOptions(steps=size, seed=options.seed))
        parts.append(data)
        notes.append(provenance.notes)
    ends = np.flatnonzero(parts[0].terminals | parts[0].timeouts)
    cuts = (int(ends[-1]) + 1 if len(ends) else 0, parts[1].n_rows)

    def stitch(arrays: Any) -> Any:
        return np.concatenate([array[:cut] for array, cut in zip(arrays, cuts, strict=True)])[:rows]

    names = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
    stitched = D4RLData(
        **{name: stitch([getattr(part, name) for part in parts]) for name in names},
        infos={name: stitch([part.infos[name] for part in parts]) for name in parts[0].infos},
    )
    return stitched, make_provenance(task, options.seed, sum(sizes.values()), "; then ".join(notes))


def _make_medium_replay(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """The buffer up to the medium policy, or its first `steps` rows: a level can be passed between two evaluations.

    Raises:
        InvalidFileError: no training run there, one with fewer steps, or one that has not become medium yet.
    """
    from continuous.recreate.online_sac.policy_file import load_policy

    run = find_training(task.name, [task.robot], options, Level.MEDIUM if options.steps is None else None)
    if options.steps is not None:
        return _first_steps(task, options, run, options.steps)
    policy = run.folder / policy_file_name(task.robot, Level.MEDIUM)
    _, about = load_policy(policy)
    if not {"evaluation", "command"} <= about.keys():
        raise InvalidFileError(
            f"{policy} does not say when it became medium; take the first steps of the training with --steps."
        )
    if not about.get("reached"):
        found, target = about["evaluation"]["return_mean"], LEVEL_RETURNS[task.robot][Level.MEDIUM]
        raise InvalidFileError(
            f"{run.folder} has not become medium in {run.steps} steps: {found:.0f} of {target:.0f}. Continue with "
            f"`{about['command']} --steps N`, or take the first steps that were made until then with --steps."
        )
    return _replay(task, options, run, int(about["evaluation"]["steps"]))


def _make_full_replay(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """The buffer after `steps` steps, at most its capacity of a million.

    Raises:
        InvalidFileError: no training run there, or one with fewer steps.
    """
    run = find_training(task.name, [task.robot], options)
    return _first_steps(task, options, run, DEFAULT_STEPS if options.steps is None else options.steps)


def _first_steps(task: Task, options: MakeOptions, run: TrainingRun, rows: int) -> tuple[D4RLData, Provenance]:
    """The buffer after `rows` steps.  Raises InvalidFileError if there were fewer."""
    run.check_steps(rows)
    return _replay(task, options, run, rows)


def _replay(task: Task, options: MakeOptions, run: TrainingRun, rows: int) -> tuple[D4RLData, Provenance]:
    notes = f"replay buffer of SAC after {rows} steps; paths are cut every 1000 steps"
    return replay_data(run, rows), make_provenance(task, options.seed, rows, notes)


def _find_policy(task: Task, options: MakeOptions) -> tuple[SquashedGaussian, dict[str, Any], Path]:
    """The policy that was asked for, the shipped one, or the one that a training run of this seed left."""
    from continuous.recreate.locomotion.behavior import behavior_folder
    from continuous.recreate.online_sac.policy_file import load_policy

    name = policy_file_name(task.robot, Level(task.dataset))
    places = [WEIGHTS / name, behavior_folder(task.robot, options.seed) / name]
    path = options.policy or next((place for place in places if place.exists()), None)
    if path is None:
        raise InvalidFileError(
            f"no {task.dataset} policy of {task.robot} is shipped. Train one with `ampl data train-behavior "
            f"{task.robot} --seed {options.seed} --until {task.dataset}`, which takes "
            f"{training_time(task.robot, Level(task.dataset))}, or name one with --policy."
        )
    policy, about = load_policy(path)
    if (policy.observation_size, policy.action_size) != (task.observation_size, task.action_size):
        raise InvalidFileError(
            f"{path} maps {policy.observation_size} observations to {policy.action_size} actions; {task.robot} has "
            f"{task.observation_size} and {task.action_size}."
        )
    return policy, about, path


def _policy_note(path: Path, about: Mapping[str, Any]) -> str:
    if not {"evaluation", "seed", "level_return"} <= about.keys():
        return f"sampled actions of {path.name}"
    found = about["evaluation"]
    return (
        f"sampled actions of {path.name}: SAC, {found['steps']} steps, seed {about['seed']}, mean return "
        f"{found['return_mean']:.0f} over {found['episodes']} episodes (D4RL {about['level_return']:.0f})"
    )
