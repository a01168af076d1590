"""Telling people what happened to a model: the words, and how they reach a hook."""
