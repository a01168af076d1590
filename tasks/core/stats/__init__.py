"""Statistics of paired comparisons: pure functions of arrays, each with its source."""
