"""The HIV treatment data, re-created."""
