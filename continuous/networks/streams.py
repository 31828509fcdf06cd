"""Random numbers for stacked seeds: one stream a seed, drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import InvalidFileError
from ampl.randomness import stream

_DEVICES = {5056: "cpu", 16: "cuda"}  # by the bytes of a generator's state


class SeedStreams:
    """K independent random streams on a device; every draw is stacked, [K, ...].

    What a seed draws depends on the seed, the stream's name and the shapes asked for, never on the seeds beside it.

    Args:
        seeds: K of them, each >= 0.
        name: what the stream is for; streams of different names are independent.
        device: where the numbers are made. A GPU draws other numbers than the CPU.
    """

    def __init__(self, seeds: Sequence[int], name: str, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.generators = tuple(_generator(seed, name, self.device) for seed in seeds)

    def select(self, seeds: Sequence[int]) -> SeedStreams:
        """The streams of some of the seeds, which go on drawing from the same generators."""
        chosen = copy(self)
        chosen.generators = tuple(self.generators[seed] for seed in seeds)
        return chosen

    def __len__(self) -> int:
        return len(self.generators)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, [K, *shape]."""
        out = torch.empty(len(self), *shape, device=self.device)
        for row, generator in zip(out, self.generators, strict=True):
            row.normal_(generator=generator)
        return out

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), [K, *shape]."""
        out = torch.empty(len(self), *shape, device=self.device)
        for row, generator in zip(out, self.generators, strict=True):
            row.uniform_(generator=generator)
        return out

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers in [0, high), int64, [K, *shape]."""
        out = torch.empty(len(self), *shape, dtype=torch.int64, device=self.device)
        for row, generator in zip(out, self.generators, strict=True):
            row.random_(0, high, generator=generator)
        return out

    def state(self, index: int) -> NDArray[np.uint8]:
        """State of one seed's stream, a vector of bytes."""
        state: NDArray[np.uint8] = self.generators[index].get_state().numpy().copy()
        return state

    def load_state(self, index: int, state: NDArray[Any]) -> None:
        """Puts one seed's stream back to where `state` was taken.

        Raises:
            InvalidFileError: it was taken on the other kind of device, whose generators are others.
        """
        generator = self.generators[index]
        there, here = (_DEVICES.get(size) for size in (len(state), generator.get_state().numel()))
        if there and here and there != here:
            raise InvalidFileError(
                f"the checkpoint was made with --device {there}, whose random numbers cannot go on with --device "
                f"{here}. Resume and evaluate this run with --device {there}, or train anew into another --out."
            )
        generator.set_state(torch.from_numpy(np.array(state, dtype=np.uint8)))


def cpu_generator(seed: int, name: str) -> torch.Generator:
    """A generator on the CPU for what must not depend on the device, such as initial parameters."""
    return _generator(seed, name, torch.device("cpu"))


def _generator(seed: int, name: str, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(stream(seed, name).integers(2**62)))
