"""Handing out predictions."""
