"""Runs of `ampl verify` in tests."""

from ampl.command_line.main import main


def verify(*arguments: str) -> int:
    return main(["verify", "--workers", "1", *arguments])


def quick(*arguments: str) -> int:
    return verify("--mdp", "frozenlake-4x4", "--cases", "2", *arguments)
