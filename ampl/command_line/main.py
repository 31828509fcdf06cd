"""The command line `ampl`: finds subcommands through entry points, runs one, and turns mistakes into one line.

Exit codes: what the command returns; 2 for a mistake of the user, and where every seed has diverged; 130 after Ctrl-C,
143 after SIGTERM.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from ampl import __version__
from ampl.command_line.command_parser import parse, summary
from ampl.command_line.program import command_with
from ampl.command_line.standard_streams import flush_output, standard_streams
from ampl.entry_points import COMMANDS, announced, load
from ampl.errors import AmplError, BrokenEntryPointError, InvalidArgumentError
from ampl.interruption import Interruption, ending_on_signals
from ampl.printing import one_line, print_note, printable
from ampl.processes import limit_spinning

USER_ERROR = 2
_BROKEN_PIPE = 141
_SHORT_OF_MEMORY = ("allocate memory", "out of memory")  # of PyTorch's on a CPU and on a GPU


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `ampl` with the given arguments (those of the process if None) and returns the exit code."""
    limit_spinning()
    with standard_streams():
        _log_to_stderr()
        return _exit_code(list(sys.argv[1:] if arguments is None else arguments))


def _exit_code(words: list[str]) -> int:
    """Runs a command; whatever it raises that a user can do something about becomes one line."""
    try:
        with ending_on_signals():
            code = _run(words)
            flush_output()
    except AmplError as error:
        return _fail(f"error: {error}", USER_ERROR)
    except KeyboardInterrupt as interrupt:
        return _interrupted(Interruption.of(interrupt), words)
    except BrokenPipeError:
        return _BROKEN_PIPE
    except (MemoryError, RuntimeError) as error:  # numpy's and PyTorch's way to say that memory is short
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _SHORT_OF_MEMORY):
            raise
        return _fail(f"error: not enough memory: {error}. Ask for less.", USER_ERROR)
    except OSError as error:  # a full disk, a folder without permission
        return _fail(f"error: {error}", USER_ERROR)
    return code


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else USER_ERROR
    name = arguments[0]
    if name == "--version":
        print(f"ampl {__version__}")
        return 0
    if name.startswith("-"):
        raise InvalidArgumentError(f"unknown option '{name}' before a command. See `ampl --help`.")
    try:
        command = parse(load(COMMANDS, name), arguments[1:], prog=f"ampl {name}")
    except SystemExit:  # after --help
        return 0
    run: Callable[[], int] = command.run
    return run()


def _help() -> str:
    lines = ["usage: ampl COMMAND [...]", "", (sys.modules["ampl"].__doc__ or "").partition("\n")[0], "", "commands:"]
    names = announced(COMMANDS)
    width = max(map(len, names), default=0)
    for name in names:
        try:
            about = summary(load(COMMANDS, name))
        except BrokenEntryPointError as error:
            about = f"(not available: {one_line(str(error))})"
        lines.append(f"  {printable(name):{width}}  {printable(about)}")
    lines += [
        "",
        "options:",
        "  --help     this text; `ampl COMMAND --help` for one command",
        "  --version  the version",
    ]
    return "\n".join(lines)


class _StderrHandler(logging.Handler):
    """One line a message, to whatever standard error is at that moment (a progress bar may have put itself before)."""

    def emit(self, record: logging.LogRecord) -> None:
        print_note(f"ampl: {record.levelname.lower()}: {one_line(record.getMessage())}")


def _log_to_stderr() -> None:
    logger = logging.getLogger()
    if not any(isinstance(handler, _StderrHandler) for handler in logger.handlers):
        logger.addHandler(_StderrHandler(logging.INFO))
    for package in ("ampl", "tabular", "continuous", "figures"):
        logging.getLogger(package).setLevel(logging.INFO)


def _fail(message: str, code: int) -> int:
    print_note(f"ampl: {one_line(message)}")
    return code


def _interrupted(interruption: Interruption, arguments: Sequence[str]) -> int:
    """One line; where the work can be continued it ends with the command for that, to be copied as it is."""
    what = "terminated" if interruption.number == signal.SIGTERM else "interrupted"
    options = interruption.resume_with
    hint = "." if options is None else f"; to go on: {command_with(arguments, options)}"
    print_note(f"ampl: {what}{hint}")
    return interruption.exit_code
