"""The command line: the program `ampl`, its parser, and how an error becomes one line."""
