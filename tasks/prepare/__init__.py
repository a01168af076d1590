"""Sticky splits and transforms fitted on training rows, written as memory-mapped tensors."""
