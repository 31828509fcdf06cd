"""The comparison of runs: every seed of every method, what the seeds say about it, and which is the better one."""
