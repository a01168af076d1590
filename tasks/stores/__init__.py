"""The doors to what keeps state: DVC, MLflow, the ledger, the lease."""
