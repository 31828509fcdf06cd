"""The discriminator's losses, worked out by hand, and its optimum."""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from continuous.algorithms.ampl.discriminator import Discriminator, Objective, Pairs, RegularizerConfig, raw_action


def pairs(values: torch.Tensor, weight: float = 1.0, present: torch.Tensor | None = None) -> Pairs:
    full = torch.full(values.shape[:2], weight)
    here = torch.ones_like(full, dtype=torch.bool) if present is None else present
    return Pairs(pair=values, weight=full, present=here)


def subject(**settings: object) -> Discriminator:
    return Discriminator(1, 1, RegularizerConfig(hidden=(16,), **settings), [0])  # type: ignore[arg-type]


FAKE, TRUE = torch.tensor([[0.5, -1.0]]), torch.tensor([[2.0, 0.3]])
ANY = pairs(torch.zeros(1, 2, 2))


def test_the_generator_loss_is_the_non_saturating_one_unless_asked() -> None:
    """AMPL, Eq. 15 is log(1 - D); the released code minimizes -log D."""
    expected = binary_cross_entropy_with_logits(FAKE[0], torch.ones(2))
    torch.testing.assert_close(subject().generator_loss(FAKE, ANY)[0], expected)
    printed = torch.log(1.0 - torch.sigmoid(FAKE[0])).mean()
    torch.testing.assert_close(subject(saturating=True).generator_loss(FAKE, ANY)[0], printed)


def test_the_discriminator_loss_is_half_the_two_cross_entropies_with_smoothed_true_labels() -> None:
    """AMPL, Eq. 16, with the released code's labels in [0.8, 1) and factor one half."""
    uniform = torch.tensor([[0.0, 0.5]])
    label = torch.tensor([0.8, 0.9])
    by_hand = binary_cross_entropy_with_logits(TRUE[0], label) + binary_cross_entropy_with_logits(
        FAKE[0], torch.zeros(2)
    )
    torch.testing.assert_close(subject().discriminator_loss(TRUE, ANY, FAKE, ANY, uniform)[0], 0.5 * by_hand)
    printed = subject(smallest_true_label=1.0, discriminator_scale=1.0).discriminator_loss(
        TRUE, ANY, FAKE, ANY, uniform
    )
    eq_16 = torch.log(torch.sigmoid(TRUE)).mean() + torch.log(1.0 - torch.sigmoid(FAKE)).mean()
    torch.testing.assert_close(printed[0], -eq_16)


def test_the_linear_objective_has_no_sigmoid() -> None:
    linear = subject(objective=Objective.LINEAR)
    weighted = pairs(torch.zeros(1, 2, 2), weight=3.0)
    torch.testing.assert_close(linear.generator_loss(FAKE, weighted)[0], -3.0 * FAKE.mean())
    loss = linear.discriminator_loss(TRUE, weighted, FAKE, weighted, torch.zeros(1, 2))
    torch.testing.assert_close(loss[0], 3.0 * (FAKE.mean() - TRUE.mean()))


def test_absent_pairs_do_not_count() -> None:
    fake = pairs(torch.zeros(1, 2, 2), present=torch.tensor([[True, False]]))
    expected = binary_cross_entropy_with_logits(FAKE[0, :1], torch.ones(1))
    torch.testing.assert_close(subject().generator_loss(FAKE, fake)[0], expected)
    nobody = pairs(torch.zeros(1, 2, 2), present=torch.zeros(1, 2, dtype=torch.bool))
    assert subject().generator_loss(FAKE, nobody)[0] == 0.0


def test_actions_at_the_bounds_have_finite_raw_actions() -> None:
    raw = raw_action(torch.tensor([-1.0, 1.0, 0.5]))
    assert raw.isfinite().all()
    assert abs(raw[2].item() - math.atanh(0.5)) < 1e-6
    torch.testing.assert_close(raw.tanh(), torch.tensor([-1.0, 1.0, 0.5]), atol=1e-6, rtol=0.0)


def test_trained_on_two_distributions_it_finds_their_ratio() -> None:
    """Goodfellow et al.: the optimal discriminator is p / (p + q)."""
    p, q = torch.tensor([0.1, 0.3, 0.6]), torch.tensor([0.5, 0.25, 0.25])
    table = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    trained = subject(smallest_true_label=1.0, learning_rate=1e-2)
    everything = Pairs(pair=table[None], weight=3.0 * p[None], present=torch.ones(1, 3, dtype=torch.bool))
    policy = Pairs(pair=table[None], weight=3.0 * q[None], present=torch.ones(1, 3, dtype=torch.bool))
    for _ in range(400):
        logits = trained.logits(everything)
        loss = trained.discriminator_loss(logits, everything, logits, policy, torch.zeros(1, 3))
        trained.step(trained.network.gradient(loss.sum()))
    torch.testing.assert_close(trained.logits(everything)[0].sigmoid(), p / (p + q), atol=5e-3, rtol=0.0)
