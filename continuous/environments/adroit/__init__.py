"""The Adroit hand as D4RL has it: environments, batched robots, and the data that user-supplied files can re-create."""
