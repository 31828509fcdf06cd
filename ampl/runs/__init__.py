"""Run directories: where they lie, what they record, checkpoints, and what is read from them again."""
