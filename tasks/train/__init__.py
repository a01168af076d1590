"""Preflight checks and the training loop."""
