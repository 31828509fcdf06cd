"""Deep OptiDICE, AlgaeDICE and O-DICE small enough for tests: tiny networks on synthetic data."""

from __future__ import annotations

from collections.abc import Sequence

from continuous.algorithms.algaedice.algaedice import AlgaeDICE
from continuous.algorithms.algaedice.config import AlgaeDICEConfig
from continuous.algorithms.algaedice.learner import AlgaeDICELearnerConfig
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.config import UpdateSchedule
from continuous.algorithms.odice.config import ODICEConfig
from continuous.algorithms.odice.learner import ODICELearnerConfig
from continuous.algorithms.odice.odice import ODICE
from continuous.algorithms.optidice.config import OptiDICEConfig
from continuous.algorithms.optidice.learner import OptiDICELearnerConfig
from continuous.algorithms.optidice.optidice import OptiDICE
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from tests.continuous.algorithms.small_ampl import line_table, surroundings
from tests.continuous.algorithms.small_model_based import SAC

CLONE = TanhPolicyConfig(hidden=(12,), standardized=False, gaussian=True)
POLICY = SquashedGaussianConfig(hidden=(12,))
SCHEDULE = UpdateSchedule(epochs=10, steps_per_epoch=6, batch_size=32)


def small_optidice(seeds: Sequence[int] = (0,)) -> OptiDICE:
    learner = OptiDICELearnerConfig(hidden=(12,), policy=POLICY)
    return OptiDICE(line_table(), OptiDICEConfig(learner=learner, schedule=SCHEDULE), seeds, surroundings())


def small_algaedice(seeds: Sequence[int] = (0,)) -> AlgaeDICE:
    learner = AlgaeDICELearnerConfig(learner=SAC)
    return AlgaeDICE(line_table(), AlgaeDICEConfig(learner=learner, schedule=SCHEDULE), seeds, surroundings())


def small_odice(seeds: Sequence[int] = (0,)) -> ODICE:
    learner = ODICELearnerConfig(hidden=(12,), policy=CLONE)
    return ODICE(line_table(), ODICEConfig(learner=learner, schedule=SCHEDULE), seeds, surroundings())
