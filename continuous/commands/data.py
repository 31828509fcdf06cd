"""`ampl data`: what datasets exist, where they are, and how to get, re-create and check them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ampl.errors import ForeignFileError, InvalidArgumentError, InvalidFileError
from ampl.printing import print_columns, print_line

if TYPE_CHECKING:
    from continuous.tasks.registry import Task

TaskName = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK", help="Name as in D4RL.")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class ListTasks:
    """Lists every task, whether its file is here, and whether a recipe re-creates it, or what it needs first."""

    def run(self) -> int:
        """Prints the table."""
        from continuous.data.cache import dataset_folders
        from continuous.data.recipes import all_recipes
        from continuous.tasks.registry import TASKS

        recipes = all_recipes()
        rows = [("task", "observation", "action", "limit", "file", "recipe")]
        for task in TASKS.values():
            recipe = recipes.get(task.name)
            needs = "-" if recipe is None else recipe.needs or "yes"
            sizes = (str(task.observation_size), str(task.action_size), str(task.episode_limit))
            rows.append((task.name, *sizes, _state_of_file(task), needs))
        print_columns(rows)
        print_line(f"files: {', '.join(str(folder) for folder in dataset_folders())}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Info:
    """Prints the card of a dataset: counts, returns as scores, flags, source, sha256."""

    task: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK|FILE")]
    """Name as in D4RL; or any dataset file, or minari:ID."""
    file: OptionalFile = None
    """Another file than the one in the cache folder."""

    def run(self) -> int:
        """Prints what is known of the task and its file."""
        from continuous.data.cache import dataset_path, find_dataset
        from continuous.data.cards import dataset_card, own_card, task_card
        from continuous.data.own_data import names_data
        from continuous.data.recipes import all_recipes
        from continuous.tasks.find import find_task

        if self.file is None and names_data(self.task):
            print_columns(own_card(self.task))
            return 0
        task = find_task(self.task)
        path = self.file or find_dataset(task)
        lines = task_card(task)
        if recipe := all_recipes().get(task.name):
            lines.append(("recipe", f"{recipe.describe} {recipe.default_steps} rows by default."))
            lines.append(("to make it", recipe.how_to(task.name)))
        lines += dataset_card(path, task) if path else [("file", f"none; it belongs at {dataset_path(task)}")]
        print_columns(lines)
        return 0


@dataclass(frozen=True, kw_only=True)
class Make:
    """Re-creates a dataset by D4RL's recipe; the file says that it is a re-creation."""

    task: TaskName
    steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Rows of the file; as many as the published ones if not given."""
    seed: int = 0
    """Of every random number; the same seed gives the same bytes."""
    noise: Annotated[float | None, tyro.conf.arg(metavar="X")] = None
    """Standard deviation of the noise on actions; as in the published files if not given."""
    policy: OptionalFile = None
    """Weights of the policy that collects (Adroit experts, locomotion)."""
    demonstrations: OptionalFile = None
    """Recorded demonstrations (Adroit, human)."""
    skip_repeated_rows: bool = False
    """maze2d: leave out the rows that D4RL's script repeats after each target."""
    reward_of_next_state: bool = False
    """maze2d: pay each step by where it ends, as the environment does and D4RL's files do not."""
    out: OptionalFile = None
    """The file; its place in the cache folder if not given."""
    overwrite: bool = False
    """Replace a re-creation that is there now; one that comes meanwhile stays."""

    def run(self) -> int:
        """Collects the data and writes the file in one piece."""
        from continuous.data.cache import dataset_path
        from continuous.data.d4rl_writer import write_beside, write_d4rl
        from continuous.data.download_record import record_path
        from continuous.data.recipes import MakeOptions, find_recipe
        from continuous.tasks.find import find_task

        task = find_task(self.task)
        path = self.out or dataset_path(task)
        options = MakeOptions(
            steps=self.steps,
            seed=self.seed,
            noise=self.noise,
            policy=self.policy,
            demonstrations=self.demonstrations,
            skip_repeated_rows=self.skip_repeated_rows,
            reward_of_next_state=self.reward_of_next_state,
        )
        recipe = find_recipe(task.name)
        _check_place(path, self.overwrite)
        earlier = _identity(path)
        data, provenance = recipe.run(task.name, options)
        try:
            write_d4rl(path, data, provenance, replace=earlier is not None and earlier == _identity(path))
        except ForeignFileError as error:  # came there while this one was being made
            kept = write_beside(path, data, provenance)
            raise ForeignFileError(f"{error} What this command made is {kept}.") from error
        record_path(path).unlink(missing_ok=True)  # of a download that is no longer there
        print_line(f"{path}: {data.n_rows} rows, re-created; `ampl data info {task.name}` prints its card.")
        return 0


@dataclass(frozen=True, kw_only=True)
class Download:
    """Fetches the original file of a task, continues where an earlier attempt stopped, and checks it."""

    task: TaskName
    url: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """A mirror of the file; D4RL's own address if not given."""
    timeout: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 30.0
    """Silence that ends an attempt."""
    attempts: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """How often to try; what has arrived is kept where the server can go on from there."""
    max_size: Annotated[float, tyro.conf.arg(metavar="GB")] = 8.0
    """Gigabytes that are taken at most."""
    sha256: Annotated[str | None, tyro.conf.arg(metavar="HEX")] = None
    """Checksum that the file must have, known beforehand; anything else is removed."""

    def run(self) -> int:
        """Downloads, or confirms that the file is there and unchanged."""
        from continuous.data.download import DownloadConfig, download
        from continuous.tasks.find import find_task

        config = DownloadConfig(
            timeout=self.timeout, attempts=self.attempts, max_size=self.max_size, sha256=self.sha256
        )
        path, record = download(find_task(self.task), url=self.url, config=config)
        print_line(f"{path}: {record.size} bytes, sha256 {record.sha256}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Check:
    """Reads a whole file in D4RL's format and says what is wrong with it."""

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """A dataset file, minari:ID, or the folder of a Minari dataset."""
    task: Annotated[str | None, tyro.conf.arg(metavar="TASK")] = None
    """What it should hold; guessed from its own record or its name if not given."""
    env: Annotated[str | None, tyro.conf.arg(metavar="ENV_ID")] = None
    """For data of your own: the environment that they come from, as for `ampl train`; what a training on it would
    refuse is found here."""

    def run(self) -> int:
        """Prints notes; what is wrong becomes the error.

        Raises:
            InvalidFileError: the file cannot be used; exit code 2.
            InvalidArgumentError: --task and --env are both given, or no such environment can be made.
        """
        from continuous.data.check import diagnose, diagnose_own
        from continuous.tasks.find import find_task

        if self.env is not None and self.task is not None:
            raise InvalidArgumentError("--task and --env are both given; a file is one or the other's, leave one out.")
        if self.env is not None:
            found = diagnose_own(self.file, self.env)
        else:
            found = diagnose(self.file, find_task(self.task) if self.task is not None else None)
        for text in found.facts:
            print_line(f"{text}.")
        for text in found.oddities:
            print_line(f"note: {text}.")
        if found.problems:
            task = f" as data of {found.task.name}" if found.task else ""
            raise InvalidFileError(f"{self.file} cannot be used{task}: {'; '.join(found.problems)}.")
        what = found.task.name if found.task else f"data from {self.env}" if self.env else "a dataset of unknown task"
        count = len(found.oddities)
        verdict = f"usable; look at the {count} note{'s' * (count > 1)} above" if count else "nothing wrong"
        print_line(f"{self.file}: {found.rows} rows of {what}, {verdict}.")
        if found.task is None and self.env is None:
            print_line("Compare it with what it comes from: --env ENV_ID, or --task TASK for data of D4RL.")
        return 0


@dataclass(frozen=True, kw_only=True)
class TrainBehavior:
    """Trains SAC on a robot as D4RL did, and keeps its policies and replay buffer for `ampl data make`."""

    robot: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ROBOT")]
    """hopper, walker2d or halfcheetah; ant, ant-angle or halfcheetah-jump for MOPO's out-of-distribution tasks."""
    steps: Annotated[int, tyro.conf.arg(metavar="N")] = 1_000_000
    """Environment steps in all, those of a continued run included; rounded up to a multiple of 2000."""
    until: Literal["medium", "expert"] | None = None
    """Stop as soon as this level of D4RL is reached."""
    seed: int = 0
    """Of every random number."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the results; training goes on from what is there. runs/behavior/ROBOT/seedN if not given."""

    def run(self) -> int:
        """Trains and prints where the results are."""
        from ampl.interruption import resumable, saving_first
        from continuous.recreate.locomotion.behavior import behavior_folder, train_behavior
        from continuous.recreate.locomotion.levels import Level

        out = self.out or behavior_folder(self.robot, self.seed)
        until = Level(self.until) if self.until is not None else None
        with resumable(), saving_first():
            last = train_behavior(self.robot, self.steps, self.seed, out, until=until)[-1]
        print_line(f"{out}: {last.steps} steps, mean return {last.return_mean:.1f} over {last.episodes} episodes")
        return 0


@dataclass(frozen=True, kw_only=True)
class Score:
    """Runs a policy in a task's environment and prints its normalized score."""

    task: TaskName
    policy: OptionalFile = None
    """Locomotion: a behavior policy (.safetensors); Adroit: a DAPG policy (.npz); uniform random if not given."""
    episodes: Annotated[int, tyro.conf.arg(metavar="N")] = 100
    """Whole episodes, all at once."""
    seed: int = 0
    """Of starts and actions."""
    video: OptionalFile = None
    """Film one more episode, .mp4 or .gif."""

    def run(self) -> int:
        """Prints mean and spread over episodes."""
        from continuous.commands.score import score_policy_file
        from continuous.tasks.find import find_task

        task = find_task(self.task)
        found = score_policy_file(task, self.policy, episodes=self.episodes, seed=self.seed, video=self.video)
        rows = [(name, f"{value:.2f}") for name, value in found.metrics(task).items()]
        print_columns([("task", task.name), ("policy", str(self.policy or "uniform random")), *rows])
        return 0


@dataclass(frozen=True, kw_only=True)
class Data:
    """D4RL datasets: list, inspect, re-create, download, check, score policies."""

    action: tyro.conf.OmitSubcommandPrefixes[
        Annotated[ListTasks, tyro.conf.subcommand(name="list", prefix_name=False)]
        | Annotated[Info, tyro.conf.subcommand(name="info", prefix_name=False)]
        | Annotated[Make, tyro.conf.subcommand(name="make", prefix_name=False)]
        | Annotated[Download, tyro.conf.subcommand(name="download", prefix_name=False)]
        | Annotated[Check, tyro.conf.subcommand(name="check", prefix_name=False)]
        | Annotated[Score, tyro.conf.subcommand(name="score", prefix_name=False)]
        | Annotated[TrainBehavior, tyro.conf.subcommand(name="train-behavior", prefix_name=False)]
    ]
    """What to do; `ampl data ACTION --help` says more."""

    def run(self) -> int:
        """Does it.

        Returns:
            The exit code.

        Raises:
            AmplError: an argument or a file is wrong; the message says which.
        """
        return self.action.run()


def _state_of_file(task: Task) -> str:
    """Whether the file is here, and what it is, by its first bytes and the record beside it."""
    from ampl.files import is_signed
    from continuous.data.cache import find_dataset
    from continuous.data.download_record import record_path

    path = find_dataset(task)
    if path is None or not path.is_file():
        return "-"
    if record_path(path).exists():
        return "original"
    return "re-created" if is_signed(path) else "not recorded"


def _check_place(path: Path, overwrite: bool) -> None:
    """Refuses before the work begins what would fail after it."""
    from ampl.files import check_output

    check_output(path)
    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{path} exists; --overwrite replaces it, --out FILE writes another.")


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from one that comes to its place later; None if there is none."""
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
