"""The tasks `lqr-...` as a batched simulator and as a Gymnasium environment."""
