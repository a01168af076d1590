"""The data gates: expectations, leakage, duplicates; bad rows go to quarantine with a reason."""
