"""MOPO (model-based offline policy optimization), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "mopo",
    presets="continuous.algorithms.mopo.config",
    built_as="continuous.algorithms.mopo.mopo:MOPO",
    variants={
        "main": (
            "h and lambda of the paper's Table 6, where it has the task; u is the largest standard deviation of seven "
            "members"
        ),
        "kit": (
            "OfflineRL-Kit's h, lambda and settings of SAC for v2 data, and 3000 epochs over which the policy's "
            "learning rate decays to zero"
        ),
        "mbpo": "no penalty, and MBPO's h",
        "no-ensemble": "MBPO with a single model",
        "no-penalty": "MOPO's h without a penalty",
        "mean-std": "u is the mean standard deviation of the members",
        "disagreement": "u is the largest distance of a member's mean from the ensemble's",
        "true-error": (
            "u is the distance of the predicted next state from the simulator's; not for Adroit, whose "
            "observations hide parts of the state, nor for HIV and lqr-..."
        ),
    },
)
