"""Subcommands of `ampl` that belong to no wing; each module holds one, and imports what is heavy only when it runs."""
