"""How a run is computed where that shows in the last bits: never by the machine's load.

The same seed gives the same bytes on the same type of processor with the same number of threads and the same precision.
Another number of threads adds in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ampl.errors import InvalidArgumentError, check_one_of

Precision = Literal["highest", "high", "medium"]  # of float32 products, in PyTorch's words
Device = Literal["auto", "cpu", "cuda"]  # that a user may ask for
DEVICES = get_args(Device)
MOST_THREADS = 1024  # with more the libraries crash


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """What the bytes of a run depend on, besides its seed and the type of its processor.

    Attributes:
        threads: that share a product on a CPU, 1 to `MOST_THREADS`. One by default: products are small, and processes
            beside each other gain more from cores than threads do.
        precision: "highest" is plain float32. "high" is TF32 on a GPU: ten bits of a factor's fraction instead of 23.
            "medium" may be bfloat16, with seven; on a CPU it is computed by oneDNN, in plain float32 where the
            processor has no bfloat16. `ampl bench` says what it is worth on a machine.

    Raises:
        InvalidArgumentError: another number or name; in the words of the command line.
    """

    threads: int = 1
    precision: Precision = "highest"

    def __post_init__(self) -> None:
        """Checks both."""
        if not (isinstance(self.threads, int) and 1 <= self.threads <= MOST_THREADS):
            raise InvalidArgumentError(f"--threads is {self.threads}; expected 1 to {MOST_THREADS}, one a core.")
        check_one_of("--precision", self.precision, get_args(Precision))

    def changed(self, threads: int | None, precision: Precision | None) -> Arithmetic:
        """The same with what is not None instead.  Raises InvalidArgumentError."""
        return Arithmetic(
            threads=self.threads if threads is None else threads,
            precision=self.precision if precision is None else precision,
        )

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads} and precision '{self.precision}'"


DEFAULT = Arithmetic()
