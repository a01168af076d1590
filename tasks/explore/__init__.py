"""What the data look like, and what follows for the features."""
