"""The tasks: names, termination rules and normalized scores."""
