"""Plots and pages people read; offline, one file each."""
