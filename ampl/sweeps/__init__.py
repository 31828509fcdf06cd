"""Many trainings from one file: a grid of algorithms, tasks, variants, settings and seeds, a job for each."""
