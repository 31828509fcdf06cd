"""What figures read: records of experiments, run directories, samples, the papers' own numbers."""
