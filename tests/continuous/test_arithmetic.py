"""How products are computed: the choice on a CPU, the user's word, and that settings are put back."""

from __future__ import annotations

import pytest
import torch

from ampl.errors import InvalidArgumentError
from continuous import arithmetic
from continuous.arithmetic import VARIABLE, arithmetic_on, fast_arithmetic, fastest_precision, one_fast_thread

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def settings() -> tuple[int, str]:
    return torch.get_num_threads(), torch.get_float32_matmul_precision()


def test_fast_products_are_float32_and_settings_are_put_back() -> None:
    """oneDNN could round factors to bfloat16, an error of 2e-3; float32 errs by less than 1e-6."""
    before = settings()
    with one_fast_thread():
        assert arithmetic.product_error() < 1e-6
        assert torch.get_num_threads() == 1
    assert settings() == before


@pytest.mark.parametrize(
    ("error", "seconds", "chosen"),
    [(2e-7, [1.0, 0.5], "medium"), (2e-3, [1.0, 0.5], "highest"), (2e-7, [1.0, 2.0], "highest")],
)
def test_the_faster_product_is_used_where_it_is_float32(
    monkeypatch: pytest.MonkeyPatch, error: float, seconds: list[float], chosen: str
) -> None:
    before = settings()
    timings = iter(seconds)
    monkeypatch.setattr(arithmetic, "product_error", lambda: error)
    monkeypatch.setattr(arithmetic, "product_seconds", lambda: next(timings))
    assert fastest_precision.__wrapped__() == chosen
    assert settings() == before


@pytest.mark.parametrize("device", [CPU, GPU])
def test_the_users_precision_wins_on_either_device(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    before = settings()
    monkeypatch.setenv(VARIABLE, "high")
    with arithmetic_on(device, 1):
        assert torch.get_float32_matmul_precision() == "high"
    assert settings() == before


def test_a_gpu_computes_in_plain_float32_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    torch.set_float32_matmul_precision("high")
    try:
        with arithmetic_on(GPU, 1):
            assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("device", [CPU, GPU])
def test_an_unknown_precision_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    monkeypatch.setenv(VARIABLE, "bf16")
    with (
        pytest.raises(
            InvalidArgumentError, match="AMPL_MATMUL_PRECISION is 'bf16'; expected auto, highest, high or med"
        ),
        arithmetic_on(device, 1),
    ):
        pass


def test_threads_do_not_change_a_product() -> None:
    left, right = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    products = []
    for count in (1, 2):
        with fast_arithmetic(count):
            products.append(torch.bmm(left, right))
    assert torch.equal(*products)
