"""Package, decide, promote."""
