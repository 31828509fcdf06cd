"""`ampl bench`: products are counted as by hand and replayed as they were, numbers follow from times."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ampl.arithmetic import Arithmetic
from ampl.errors import ForeignFileError, InvalidArgumentError
from continuous.commands.bench import loops, measuring
from continuous.commands.bench.command import Bench
from continuous.commands.bench.loops import Loop, Workload, ampl_loops, damo_loops, mopo_loops
from continuous.commands.bench.measuring import Measurement, Timer, advice, measure, summary
from continuous.commands.bench.products import observe, observe_step, replay
from continuous.networks.stacks import StackedMLP, leaky_relu
from continuous.networks.streams import cpu_generator
from tests.continuous.algorithms.small_ampl import small_config
from tests.continuous.algorithms.small_model_based import damo_config, mopo_config

TINY = Workload(ampl=small_config(), mopo=mopo_config(), damo=damo_config(), rows=200, model_rows=60, seeds=(1, 2))
COPIES, ROWS, WIDTHS = 3, 8, (5, 7, 2)


def forward_and_backward() -> None:
    generators = [cpu_generator(copy, "test") for copy in range(COPIES)]
    network = StackedMLP((COPIES,), WIDTHS, leaky_relu, generators)
    network.gradient(network(torch.ones(COPIES, ROWS, WIDTHS[0])).square().sum())


def test_forward_and_backward_of_a_small_network_count_as_by_hand() -> None:
    first, second = COPIES * ROWS * 5 * 7 * 2, COPIES * ROWS * 7 * 2 * 2
    weights_of_both, inputs_of_the_second = first + second, second
    found = sum(product.flops for product in observe(forward_and_backward))
    assert found == first + second + weights_of_both + inputs_of_the_second


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b, c: torch.mm(a[0], b[0]),
        lambda a, b, c: torch.mm(a[0], b[0], out=torch.empty(4, 2)),
        lambda a, b, c: torch.addmm(c[0], a[0], b[0]),
        lambda a, b, c: c[0].clone().addmm_(a[0], b[0]),
        lambda a, b, c: torch.baddbmm(c, a, b),
        lambda a, b, c: c.clone().baddbmm_(a, b),
        lambda a, b, c: a @ b,
        lambda a, b, c: torch.nn.functional.linear(a[0], b[0].mT),
    ],
)
def test_every_kind_of_product_is_seen_and_can_be_replayed(call: Any) -> None:
    a, b, c = torch.ones(3, 4, 6), torch.ones(3, 6, 2), torch.ones(3, 4, 2)
    (product,) = observe(lambda: call(a, b, c))
    assert product.flops in (2 * 4 * 6 * 2, 3 * 2 * 4 * 6 * 2)
    assert observe(replay([product], "cpu")) == [product]


def test_a_replay_computes_the_same_products_in_the_same_layouts() -> None:
    products = observe(forward_and_backward)
    assert any(operand.stride[-1] != 1 for product in products for operand in product.operands)  # a transposed factor
    assert observe(replay(products, "cpu")) == products


def test_a_step_is_two_steps_less_one() -> None:
    def run(steps: int) -> None:
        for _ in range(steps):
            torch.ones(4, 6) @ torch.ones(6, 2)
        torch.ones(9, 9) @ torch.ones(9, 9)  # around the steps

    assert [product.flops for product in observe_step(run)] == [2 * 4 * 6 * 2]


def test_steps_that_are_not_alike_are_refused() -> None:
    def run(steps: int) -> None:
        for step in range(steps):
            torch.ones(4 + step, 6) @ torch.ones(6, 2)

    with pytest.raises(AssertionError):
        observe_step(run)


def loops_of(seeds: int) -> list[Loop]:
    return [
        loop for make in (ampl_loops, mopo_loops, damo_loops) for loop in make(TINY, range(seeds), "cpu")
    ]  # fmt: skip


def test_pytorchs_own_counter_agrees_on_every_loop_and_a_seeds_work_does_not_depend_on_those_beside_it() -> None:
    work: list[Counter[str]] = []
    for seeds in (1, 3):
        work.append(Counter())
        for loop in loops_of(seeds):
            with FlopCounterMode(display=False) as counter:
                loop.observed(1)
            seen = observe(lambda loop=loop: loop.observed(1))
            assert counter.get_total_flops() == sum(product.flops for product in seen), loop.name
            work[-1][loop.name] = sum(product.flops for product in observe_step(loop.observed)) // seeds
    assert work[0] == work[1]
    assert all(work[0].values())


def products_loop() -> Loop:
    left = torch.ones(64, 64)

    def run(count: int) -> None:
        for _ in range(count):
            left @ left

    return Loop(name="x", unit="steps", seeds=2, units=3, run=run, observed=run)


def test_numbers_of_a_unit_follow_from_times_of_a_step() -> None:
    products = observe(lambda: torch.ones(2, 3) @ torch.ones(3, 5))
    found = summary(products_loop(), products, [(2.0, 1.0), (4.0, 1.0), (8.0, 1.0)])
    assert found.per_second == pytest.approx(6 / 4.0)  # 2 seeds, 3 units a step
    assert found.flops == 2 * 2 * 3 * 5 / 6
    assert (found.lowest_utilization, found.utilization, found.highest_utilization) == (0.125, 0.25, 0.5)
    assert (found.seconds, found.needed_seconds) == pytest.approx((4.0 / 6, 1.0 / 6))


def test_a_loop_of_products_alone_is_measured_beside_them() -> None:
    found = measure(products_loop(), "cpu", seconds=0.05, rounds=3)
    assert found.flops == 2 * 64**3 / 6
    assert found.utilization > 0.0


@pytest.mark.parametrize("around", [0.0, 5.0])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_surrounds_steps_is_not_timed(around: float, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now, counts = [0.0], []

    def run(count: int) -> None:
        counts.append(count)
        now[0] += around + 0.5 * count

    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    timer = Timer(run, device, budget=3.0, surrounded=around > 0.0)
    assert timer.seconds() == pytest.approx(0.5)
    assert counts[0] == (14 if device == "cuda" else 1)  # three eager ones, one recording of ten steps, one of one
    assert 0.5 * (counts[-1] - counts[0] * (around > 0.0)) >= 3.0


def test_the_command_measures_every_loop_and_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loops, "PUBLISHED", TINY)
    path = tmp_path / "bench.json"
    before = torch.get_num_threads()
    assert Bench(json=path, device="cpu", threads=1, seconds=0.01, quick=True).run() == 0
    assert torch.get_num_threads() == before
    record = json.loads(path.read_text())
    assert record["written_by"] == "ampl-testbed bench"
    assert {"date", "device", "versions", "git", "threads", "precision", "rows"} <= set(record)
    names = {loop.name for loop in loops_of(1)}
    assert {(row["loop"], row["seeds"]) for row in record["rows"]} == {
        (name, count) for name in names for count in (1, 2)
    }
    assert all(row.keys() == Measurement.__dataclass_fields__.keys() for row in record["rows"])
    assert all(row["utilization"] > 0.0 and row["needed_seconds"] > 0.0 for row in record["rows"])
    printed = capsys.readouterr().out.splitlines()
    for row in record["rows"]:
        assert any(line.startswith(row["loop"]) and f"{row['utilization']:.0%}" in line for line in printed)
    monkeypatch.setattr(measuring, "measure_all", lambda *_, **__: iter(()))
    assert Bench(json=path, device="cpu").run() == 0  # its own file is replaced
    assert json.loads(path.read_text())["rows"] == []


@pytest.mark.parametrize("seconds", [0.0, float("nan"), float("inf")])
def test_a_measuring_time_out_of_range_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidArgumentError, match="--seconds"):
        Bench(seconds=seconds).run()


def test_no_threads_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="--threads"):
        Bench(threads=0).run()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="--device cpu"):
        Bench(device="cuda").run()


def test_a_file_that_is_not_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(ForeignFileError):
        Bench(json=path).run()
    assert path.read_text() == '{"mine": 1}'


def test_advice_names_the_settings_that_make_products_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        Arithmetic(): (1.0, 1e-7),
        Arithmetic(precision="high"): (0.9, 1e-7),  # not clearly
        Arithmetic(precision="medium"): (0.4, 2e-3),
        Arithmetic(threads=4): (0.5, 1e-7),
    }
    monkeypatch.setattr(measuring, "_products", lambda factors, arithmetic: found[arithmetic])
    monkeypatch.setattr(measuring, "available_cores", lambda: 4)
    assert advice("cpu") == [
        "--precision medium: products take 0.40 times as long and err by 2e-03, without it by 1e-07.",
        "--threads 4: products take 0.50 times as long and err by 1e-07, without it by 1e-07.",
    ]


def test_plain_products_err_like_float32() -> None:
    factors = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    seconds, error = measuring._products(factors, Arithmetic())
    assert 1e-8 < error < 1e-6
    assert seconds > 0.0
