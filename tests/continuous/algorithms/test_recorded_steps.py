"""Every step that a GPU repeats, on the device `meta`: nothing in it waits for the host or touches the CPU.

`meta` has no values: reading one, a mask as an index, or a tensor of the CPU among the operands raises. What a GPU
would launch is counted, so that a step that has become larger is noticed here.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from benchmarks import ampl_steps
from benchmarks.gpu_measurements import mopo, synthetic_task
from continuous.algorithms.combo.combo import COMBO
from continuous.algorithms.combo.config import COMBOConfig, learner
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mobile.config import MOBILEConfig
from continuous.algorithms.mobile.mobile import MOBILE
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.morel.config import MOReLConfig
from continuous.algorithms.morel.morel import MOReL
from continuous.algorithms.rambo.config import RAMBOConfig
from continuous.algorithms.rambo.rambo import RAMBO
from continuous.evaluation.certificates import ModelReturns
from continuous.model.fit_run import FitRun
from continuous.model.loss import LikelihoodLoss
from continuous.model.rollout import roll_out
from continuous.networks import adam as optimizer
from continuous.networks import streams
from continuous.networks.streams import SeedStreams
from continuous.tasks.find import find_task
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig, RewardTestConfig
from continuous.weights.vpm import VPMConfig
from tests.continuous.algorithms.factories import FACTORIES

SEEDS, DEVICE = [0, 1], "meta"
WAITING = ("_local_scalar_dense", "nonzero", "equal")  # operations whose result the host reads
Step = Callable[[], None]


def ampl() -> Step:
    return ampl_steps.ampl(SEEDS, DEVICE).update


def weights(config: Any) -> Callable[[], Step]:
    def make() -> Step:
        owner = ampl_steps.ampl(SEEDS, DEVICE)
        estimator = config.build(11, 3, SEEDS, owner.model, DEVICE)
        return estimator.start(owner.table, owner.learner.policy, owner.learner.critic, owner.streams["weights"])

    return make


def mopo_update() -> Step:
    owner = mopo(SEEDS, DEVICE, MOPOConfig(penalty_weight=1.0))
    owner.buffer.append(owner.table.sample(100, owner.streams["updates"]))
    return owner.update


def damo_update() -> Step:
    table, around = synthetic_task(DEVICE)
    owner = DAMO(table, DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0)), SEEDS, around)
    owner.buffer.append(owner.table.sample(100, owner.streams["updates"]))
    return owner.update


def combo_update() -> Step:
    table, around = synthetic_task(DEVICE)
    owner = COMBO(table, COMBOConfig(learner=learner(1.0)), SEEDS, around)
    owner.buffer.append(owner.table.sample(100, owner.streams["updates"]))
    return owner.update


def mobile_update() -> Step:
    table, around = synthetic_task(DEVICE)
    owner = MOBILE(table, MOBILEConfig(penalty_weight=1.0), SEEDS, around)
    owner.buffer.append(owner.table.sample(100, owner.streams["updates"]))
    return owner.update


def rambo(step: str) -> Callable[[], Step]:
    def make() -> Step:
        table, around = synthetic_task(DEVICE)
        owner = RAMBO(table, RAMBOConfig(adversary_weight=1.0), SEEDS, around)
        owner._rows = owner.model.standardization.rows(table)
        found: Step = getattr(owner, step)
        return found

    return make


def morel_rollout() -> Step:
    table, around = synthetic_task(DEVICE)
    owner = MOReL(table, MOReLConfig(), SEEDS, around)
    return lambda: roll_out(
        owner.rollout_model(), owner.rollout_policy(), table, owner.buffer, length=1, paths=9,
        streams=owner.streams["rollouts"],
    ) and None  # fmt: skip


def model_free(name: str, variant: str = "main") -> Callable[[], Step]:
    """Of an algorithm without a model, with its settings for hopper-medium-v2."""

    def make() -> Step:
        factory, (table, around) = FACTORIES[name], synthetic_task(DEVICE)
        made: Any = factory.algorithm
        step: Step = made(table, factory.settings(find_task("hopper-medium-v2"), variant), SEEDS, around).update
        return step

    return make


def certificate() -> Step:
    owner = mopo(SEEDS, DEVICE, MOPOConfig(penalty_weight=1.0))
    returns = ModelReturns(
        owner.charged_step, owner.best_action, data=owner.table.state, discount=0.99, limit=9, seeds=SEEDS
    )
    start = owner.table.state[:10].expand(2, -1, -1)
    returns._allocate(start)
    returns._reset(start)
    return returns._step


def fit() -> Step:
    owner = mopo(SEEDS, DEVICE, MOPOConfig(penalty_weight=1.0))
    drawn = SeedStreams(SEEDS, "model", DEVICE)
    rows = owner.model.standardization.fit(owner.table, targets=False)
    order = drawn.uniform(len(rows)).argsort(-1)
    return FitRun(
        network=owner.model.network, rows=rows, weights=torch.ones(2, len(rows), device=DEVICE), training=order[:, 9:],
        holdout=order[:, :9], streams=drawn, loss=LikelihoodLoss(), seeds=SEEDS,
    )._step  # fmt: skip


def rollout() -> Step:
    """Not recorded, but nothing in it waits either."""
    owner = mopo(SEEDS, DEVICE, MOPOConfig(penalty_weight=1.0))

    def step() -> None:
        roll_out(owner.rollout_model(), owner.rollout_policy(), owner.table, owner.buffer, length=2, paths=9,
                 streams=owner.streams["rollouts"])  # fmt: skip

    return step


STEPS: dict[str, tuple[Callable[[], Step], int]] = {  # and how many kernels two seeds may take at most
    "ampl": (ampl, 805),
    "mopo": (mopo_update, 190),
    "damo": (damo_update, 310),
    "combo": (combo_update, 290),
    "mobile": (mobile_update, 250),
    "rambo cloning": (rambo("_clone"), 70),
    "rambo adversary": (rambo("_oppose"), 1500),
    "morel rollout": (morel_rollout, 120),
    "bc": (model_free("bc"), 45),
    "bc gaussian": (model_free("bc", "gaussian"), 90),
    "td3-bc": (model_free("td3-bc"), 225),
    "iql": (model_free("iql"), 185),
    "cql": (model_free("cql"), 280),
    "cql lagrange": (model_free("cql", "lagrange"), 290),
    "cql rho": (model_free("cql", "rho"), 250),
    "q-moment": (weights(QMomentConfig()), 230),
    "reward test": (weights(QMomentConfig(test_function=RewardTestConfig())), 360),
    "vpm": (weights(VPMConfig()), 160),
    "gendice": (weights(GenDICEConfig()), 180),
    "dualdice": (weights(DualDICEConfig()), 160),
    "multi-moment": (weights(MultiMomentConfig()), 140),
    "certificate": (certificate, 115),
    "rollout": (rollout, 215),
    "fit": (fit, 105),
}


class Watch(TorchDispatchMode):
    """Counts operations that a GPU would launch, and notes those that a recording cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.forbidden: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type != DEVICE for tensor in tensors) or name in WAITING:
            self.forbidden.append(str(func))
        if not func.is_view and not name.startswith(("empty", "_unsafe_view", "lift_fresh", "detach")):
            self.kernels[name] += 1
        return result


def compiled_adam(*tensors: torch.Tensor) -> bool:
    """What is compiled into a kernel or two is not counted."""
    with _disable_current_modes():
        optimizer.flat_step(*tensors)
    return True


@pytest.fixture(autouse=True)
def _compiled_adam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "_plain_step", compiled_adam)


@pytest.fixture(autouse=True)
def _little_data_and_generators_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ampl_steps, "ROWS", 1000)
    monkeypatch.setattr(streams, "_generator", lambda seed, name, device: torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_can_be_recorded_and_has_no_more_kernels_than_it_had(name: str) -> None:
    make, most = STEPS[name]
    step = make()
    step()
    with Watch() as watch:
        step()
    assert not watch.forbidden
    assert sum(watch.kernels.values()) <= most, watch.kernels.most_common(12)


_GRADIENTS = ("ampl", "mopo", "damo", "combo", "mobile", "rambo adversary", "td3-bc", "iql", "cql lagrange", "q-moment")


@pytest.mark.parametrize("name", [*_GRADIENTS, "fit"])
def test_no_gradient_graph_outlives_a_step(name: str) -> None:
    """A node that does keeps the stream it was made on, and a recording on another one would fail."""
    step = STEPS[name][0]()
    gc.collect()
    gc.disable()
    try:
        step()
        alive = [o for o in gc.get_objects() if type(o) is torch.Tensor and o.grad_fn is not None]
    finally:
        gc.enable()
    assert not alive


def test_waiting_for_the_host_is_noticed() -> None:
    for wrong in (lambda x: bool(x.any()), lambda x: x[x > 0], lambda x: x.cpu() + 1, lambda x: x + torch.ones(3)):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wrong(torch.empty(3, device=DEVICE))
