"""How good the challenger is, and where it fails."""
