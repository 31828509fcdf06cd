"""Behavior cloning with a linear policy: ridge regression, averaged over one bootstrap sample an epoch."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.randomness import stream
from ampl.settings import apply_settings


@dataclass(frozen=True, kw_only=True)
class RidgeConfig:
    ridge: float = 1e-3  # >= 0, on the squared entries of the policy's matrix

    def __post_init__(self):
        check_at_least("ridge", self.ridge, 0.0)


@dataclass(frozen=True)
class LinearPolicy:
    matrix: np.ndarray  # [D + 1, A]

    def __call__(self, observations, generator):
        """From observations [E, D] to actions [E, A]."""
        return np.clip(with_one(observations) @ self.matrix, -1.0, 1.0)


class Ridge:
    """An `ampl.interfaces.Algorithm`: what `ampl.training.train` calls, records and resumes."""

    name = "ridge"
    retrain_period = None  # no model, no weights
    steps_per_epoch = 1
    device = "cpu"
    evaluates_exactly = False

    def __init__(self, task, config, seeds, arithmetic):
        from continuous.data.dataset import load_dataset

        data = load_dataset(task)
        self.task, self.settings, self.seeds, self.arithmetic = task, config, tuple(seeds), arithmetic
        self.dataset_sha256 = data.sha256
        self.inputs = with_one(data.observations.astype(np.float64))
        self.actions = data.actions.astype(np.float64)
        self.matrices = [np.zeros((self.inputs.shape[1], self.actions.shape[1])) for _ in seeds]

    def config(self):
        return asdict(self.settings)

    def notes(self):
        return ()

    def fit_model(self, weights):
        return [{} for _ in self.seeds]

    def estimate_weights(self):
        return [np.ones(len(self.inputs)) for _ in self.seeds]

    def improve_policy(self, epoch):
        metrics = []
        for index, seed in enumerate(self.seeds):
            rows = stream(seed, f"bootstrap/{epoch}").integers(len(self.inputs), size=len(self.inputs))
            inputs, actions = self.inputs[rows], self.actions[rows]
            gram = inputs.T @ inputs + self.settings.ridge * np.eye(inputs.shape[1])
            fitted = np.linalg.solve(gram, inputs.T @ actions)
            self.matrices[index] += (fitted - self.matrices[index]) / epoch
            metrics.append({"policy/squared_error": float(np.mean((inputs @ fitted - actions) ** 2))})
        return metrics

    def evaluations(self, request):
        from continuous.evaluation.evaluator import Evaluation, task_evaluator
        from continuous.evaluation.policy_evaluation import PolicyEvaluation

        return [
            PolicyEvaluation(
                evaluator=partial(task_evaluator, self.task, self.arithmetic.threads, request.episodes or 10),
                score=partial(Evaluation.metrics, task=self.task),
                policy=LinearPolicy(self.matrices[index].copy()),
                seed=seed,
                stream=request.stream,
            )
            for index, seed in enumerate(self.seeds)
        ]

    def state(self, index):
        return {"matrix": self.matrices[index]}

    def load_state(self, index, state):
        self.matrices[index] = np.array(state["matrix"])


class RidgeFactory:
    """An `ampl.interfaces.AlgorithmFactory`; what is slow to import is imported when something is built."""

    variants = {"plain": "the policy is linear in the observation"}  # the first is the default

    def default_epochs(self, problem, variant):
        return 10

    def settings(self, problem, variant):
        return RidgeConfig()

    def build(self, problem, variant, seeds, device, scale, arithmetic):
        if device == "cuda":
            raise InvalidArgumentError("--device is cuda; ridge is fitted on the CPU. Use --device cpu.")
        config = apply_settings(self.settings(problem, variant), scale.settings)
        return Ridge(problem, config, seeds, arithmetic)

    def saved_policy(self, problem, settings, state):
        """Optional, for `ampl.load_policy`; see `ampl.interfaces.GivesPolicies`."""
        return (len(state["matrix"]) - 1,), LinearPolicy(state["matrix"])


def with_one(observations):
    """[N, D] to [N, D + 1]: a column of ones for the offset."""
    return np.column_stack((observations, np.ones(len(observations))))


RIDGE = RidgeFactory()
