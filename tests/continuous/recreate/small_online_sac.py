"""Online SAC with networks of a few units."""

from continuous.algorithms.sac.learner import SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.recreate.online_sac.learning import OnlineSacConfig


def small_online_sac(width: int = 8, batch_size: int = 16) -> OnlineSacConfig:
    """Two hidden layers of `width` units in every network."""
    hidden = (width, width)
    policy = SquashedGaussianConfig(hidden=hidden)
    learner = SoftActorCriticConfig(target_entropy=None, hidden=hidden, policy=policy)
    return OnlineSacConfig(batch_size=batch_size, learner=learner)
