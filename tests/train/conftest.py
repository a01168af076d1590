"""Tiny trainings: two separable classes, or a line, and the folder they work in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.recipe import Mlp
from tasks.core.seeds import seed_everything
from tasks.core.training import Training
from tasks.train import networks
from tasks.train.batches import Rows
from tasks.train.loop import Job

CPU = torch.device("cpu")


@pytest.fixture
def make_job(tmp_path):
    """A job on `count` rows of three columns; keyword arguments change `Training`, `job` fields by dict."""

    def make(problem="classification", count=64, folder=None, model=None, job=None, **training):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(count, 3)).astype(np.float32)
        targets = (inputs[:, 0] + inputs[:, 1] > 0).astype(np.int64) if problem == "classification" else inputs[:, 2]
        rows = Rows(torch.from_numpy(inputs), torch.from_numpy(targets.copy()), CPU)
        settings = Training(**{"epochs": 4, "batch_size": 16, "device": "cpu", **training})
        seed_everything(settings.seed)
        size = 2 if problem == "classification" else 1
        network = networks.make(model or Mlp(hidden=(8,), dropout=0.3), (3,), size, Path())
        made = Job(network, rows, rows, problem, size, settings, folder or tmp_path, checkpoint_seconds=0.0)
        return dataclasses.replace(made, **(job or {}))

    return make
