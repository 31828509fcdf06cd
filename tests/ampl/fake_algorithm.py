"""A tiny algorithm for testing the driver: a random walk with every call that the real ones answer to."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

import ampl.entry_points
from ampl.arithmetic import Arithmetic
from ampl.entry_points import ALGORITHMS, COMMANDS, PROBLEMS
from ampl.errors import InvalidArgumentError, check_at_least
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Array, Evaluation, Metrics, ProblemKind, State
from ampl.randomness import stream
from ampl.scale import Scale
from ampl.settings import apply_settings

N_TRANSITIONS = 8


class FakeAlgorithm:
    name = "fake"
    device = "cpu"
    steps_per_epoch = 10
    evaluates_exactly = False

    def __init__(
        self,
        seeds: Sequence[int] = (0,),
        *,
        retrain_period: int | None = 2,
        step_size: float = 0.1,
        diverging: Mapping[int, int] | None = None,  # seed -> epoch of its first metric that is not finite
        dataset_sha256: str | None = None,
        seconds_an_epoch: float = 0.0,
        notes: Sequence[str] = (),
        arithmetic: Arithmetic | None = None,
        certified: bool = False,
    ) -> None:
        self.seeds = list(seeds)
        self.retrain_period = retrain_period
        self.step_size = step_size
        self.diverging = diverging or {}
        self.dataset_sha256 = dataset_sha256
        self.seconds_an_epoch = seconds_an_epoch
        self._notes = notes
        self.arithmetic = arithmetic
        self.certified = certified
        self.calls: list[str] = []
        self.generators = [stream(seed, "walk") for seed in seeds]
        self.places = [np.zeros(3) for _ in seeds]
        self.models = [np.zeros(3, dtype=np.float32) for _ in seeds]

    def config(self) -> Mapping[str, Any]:
        return {"step_size": self.step_size, "model": {"size": 3}}

    def notes(self) -> Sequence[str]:
        return self._notes

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        self.calls.append("fit" if weights is None else "weighted fit")
        for index, generator in enumerate(self.generators):
            scale = 1.0 if weights is None else weights[index][0]
            self.models[index] = (scale * generator.normal(size=3)).astype(np.float32)
        return [{"model/loss_nats": float(model.sum())} for model in self.models]

    def estimate_weights(self) -> Sequence[Array]:
        self.calls.append("weights")
        drawn = [generator.random(N_TRANSITIONS) for generator in self.generators]
        return [weights / weights.mean() for weights in drawn]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        self.calls.append(f"improve {epoch}")
        time.sleep(self.seconds_an_epoch)
        metrics = []
        for index, seed in enumerate(self.seeds):
            self.places[index] += self.step_size * self.generators[index].normal(size=3) + self.models[index]
            loss = float("nan") if epoch >= self.diverging.get(seed, epoch + 1) else float(self.places[index].sum())
            metrics.append({"policy/loss": loss})
        return metrics

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        self.calls.append("evaluate" if request.episodes is None else f"evaluate {request.episodes}")
        return [partial(measure, place.copy(), self.certified and request.certificates) for place in self.places]

    def state(self, index: int) -> State:
        return {
            "place": self.places[index],
            "model": self.models[index],
            "generator": np.frombuffer(json.dumps(self.generators[index].bit_generator.state).encode(), dtype=np.uint8),
        }

    def load_state(self, index: int, state: State) -> None:
        self.places[index] = np.array(state["place"])
        self.models[index] = np.array(state["model"])
        self.generators[index].bit_generator.state = json.loads(state["generator"].tobytes())


def measure(place: Array, certificates: bool) -> Metrics:
    """What an evaluation of the fake algorithm finds, in any process."""
    promised = {"certificate/model_return": float(place.sum())} if certificates else {}
    return {"evaluation/return_raw": float(place.prod())} | promised


@dataclass(frozen=True, kw_only=True)
class FakeModelConfig:
    size: int = 3  # numbers


@dataclass(frozen=True, kw_only=True)
class FakeConfig:
    step_size: float = 0.1  # of the walk
    fancy: bool
    model: FakeModelConfig = FakeModelConfig()

    def __post_init__(self) -> None:
        check_at_least("step_size", self.step_size, 0.0)


class FakeProblems:
    kind: ProblemKind = "continuous"

    def names(self) -> Sequence[str]:
        return ["maze-small", "maze-large"]

    def load(self, name: str) -> str:
        return name


class FakeFactory:
    def __init__(self) -> None:
        self.variants: Mapping[str, str] = {"plain": "as it is", "fancy": "with more of it"}

    def default_epochs(self, problem: str, variant: str) -> int:
        return 3

    def settings(self, problem: str, variant: str) -> FakeConfig:
        return FakeConfig(fancy=variant == "fancy")

    def build(
        self, problem: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
    ) -> FakeAlgorithm:
        if device == "cuda":
            raise InvalidArgumentError("--device is cuda, but this algorithm runs on the CPU only; use auto or cpu.")
        notes = [] if scale.steps_per_epoch is None else [f"scaled: epochs of {scale.steps_per_epoch} steps"]
        config = apply_settings(self.settings(problem, variant), scale.settings)
        step_size = config.step_size * (scale.steps_per_epoch or 10) / 10
        return FakeAlgorithm(seeds, step_size=step_size, notes=notes, arithmetic=arithmetic)


PROBLEM_SOURCE, FACTORY = FakeProblems(), FakeFactory()
COMMAND_NAMES = ("train", "evaluate", "settings")


def announce_fake(
    monkeypatch: pytest.MonkeyPatch, *others: EntryPoint, factory: Any = FACTORY, name: str = "fake"
) -> None:
    """Replaces what is installed by these commands, the fake algorithm, or another, on its tasks, and others."""
    here = sys.modules[__name__]
    monkeypatch.setattr(here, "FACTORY", factory)
    entries = [
        *(EntryPoint(each, f"ampl.command_line.commands.{each}:{each.title()}", COMMANDS) for each in COMMAND_NAMES),
        EntryPoint("fake", f"{__name__}:PROBLEM_SOURCE", PROBLEMS),
        EntryPoint(f"continuous.{name}", f"{__name__}:FACTORY", ALGORITHMS),
        *others,
    ]
    monkeypatch.setattr(
        ampl.entry_points, "entry_points", lambda group: [entry for entry in entries if entry.group == group]
    )
