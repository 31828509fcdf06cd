"""The headline of an epoch: score, losses and speed, as means over the seeds."""

from ampl.runs.headline import headline


def test_score_losses_and_speed_are_means_over_the_seeds() -> None:
    rows = [
        {"model/loss_nats": 1.0, "critic/loss": 2.0, "policy/entropy_nats": 3.0, "evaluation/score_mean": seed}
        for seed in (30.0, 40.0)
    ]
    assert headline(rows, 1812.3) == "score mean 35, model loss nats 1, critic loss 2, 1,812 steps/s"


def test_the_losses_of_the_epoch_come_before_those_of_the_fit() -> None:
    row = dict.fromkeys(["model/loss", "model/holdout_loss", "critic/loss", "policy/loss", "discriminator/loss"], 1.0)
    assert headline([row], 10.0) == "critic loss 1, policy loss 1, discriminator loss 1, 10 steps/s"


def test_without_a_score_the_return_is_shown() -> None:
    row = {"policy/largest_change": 0.5, "evaluation/loss": 1.0, "evaluation/return_raw": 7.25}
    assert headline([row], 1.0) == "return raw 7.25, 1 steps/s"
