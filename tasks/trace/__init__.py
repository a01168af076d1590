"""The chain of evidence behind a model or a prediction."""
