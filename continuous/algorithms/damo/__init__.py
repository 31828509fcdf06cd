"""DAMO (dual alignment maximin optimization), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "damo",
    presets="continuous.algorithms.damo.config",
    built_as="continuous.algorithms.damo.damo:DAMO",
    variants={
        "main": "alpha and h of Table 4",
        "no-er": "no data alignment: R = 0",
        "no-ir": "no behavior alignment: squared errors, no start states, SAC's actor",
        "inconsistent": "DAMO's critic with SAC's actor",
        "unstabilized": "the actor's weight f*' is not held at one",
        "fixed-alpha": "the other reading of what DAMO holds constant in the actor",
        "exact-critic": (
            "Eq. 2's critic as it stands: f* one-sided, a gradient through the target, and no target networks"
        ),
        "gradient-penalty": "OMPO's gradient penalty, of weight 10, on the classifier",
        "episode-starts": "start states are the first states of the data's episodes, the mu0 of the theory",
        "alpha-0.1": "alpha is 0.1 on every task",
        "alpha-0.3": "alpha is 0.3 on every task",
        "alpha-1": "alpha is 1 on every task",
        "alpha-3": "alpha is 3 on every task",
        "alpha-10": "alpha is 10 on every task",
    },
)
