"""A training loop that knows no method, checkpoints, weights (floor 1)."""
