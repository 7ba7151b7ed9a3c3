"""A training loop that knows no method, devices, checkpoints, logs (floor 2)."""
