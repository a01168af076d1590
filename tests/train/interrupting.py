"""A training that ends from outside after some epoch, and folders for several of them."""

from __future__ import annotations


class Interrupted(Exception):
    """Stands for anything that ends a training from outside."""


def stop_after(epoch):
    def callback(progress):
        if progress.epoch == epoch:
            raise Interrupted

    return callback


def folder(parent, name):
    made = parent / name
    made.mkdir(exist_ok=True)
    return made
