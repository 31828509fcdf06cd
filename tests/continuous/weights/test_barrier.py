"""The dynamic barrier, against the formula written out tensor by tensor."""

import torch

from continuous.weights.barrier import barrier_gradient


def by_hand(slope: torch.Tensor, wall: torch.Tensor, excess: float) -> torch.Tensor:
    phi = min(excess, float((wall**2).sum()))
    kappa = max(0.0, (phi - float((slope * wall).sum())) / (float((wall**2).sum()) + 1e-8))
    return slope + kappa * wall


def random_gradients(seed: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 4, 3), (2, 1, 3), (2, 3, 1)]
    loss, wall = ([torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))
    return loss, wall


def test_it_is_the_formula_for_every_tensor_of_every_seed() -> None:
    loss, wall = random_gradients(0)
    excess = torch.tensor([-0.5, 3.0])
    for parts in zip(barrier_gradient(loss, wall, excess), loss, wall, strict=True):
        for seed in range(2):
            found, slope, own = (part[seed] for part in parts)
            torch.testing.assert_close(found, by_hand(slope, own, float(excess[seed])))


def test_far_below_the_bound_nothing_changes() -> None:
    loss, wall = random_gradients(1)
    for found, slope in zip(barrier_gradient(loss, wall, torch.full((2,), -1e3)), loss, strict=True):
        assert torch.equal(found, slope)


def test_far_below_the_bound_it_still_acts_if_the_loss_raises_the_mean_faster_than_there_is_room() -> None:
    """kappa > 0 if and only if <l, g> < phi."""
    wall = [torch.ones(1, 4)]
    for size, acts in ((-0.2, False), (-0.3, True)):
        loss = [torch.full((1, 4), size)]  # <l, g> is -0.8 or -1.2
        changed = not torch.equal(barrier_gradient(loss, wall, torch.tensor([-1.0]))[0], loss[0])
        assert changed == acts


def test_above_the_bound_the_step_lowers_the_mean() -> None:
    loss, wall = random_gradients(2)
    for found, own in zip(barrier_gradient(loss, wall, torch.full((2,), 5.0)), wall, strict=True):
        assert ((found * own).flatten(1).sum(1) > 0.0).all()
