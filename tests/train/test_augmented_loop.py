"""Augmentation in the loop: training batches alone, and the same bits after an interruption."""

from __future__ import annotations

import pytest
import torch

from tasks.core.preprocessing import Augment
from tasks.core.seeds import seed_everything
from tasks.core.training import AdamW, Training
from tasks.models.resnet import Resnet
from tasks.train.batches import Rows
from tasks.train.loop import Job, fit

AUGMENT = Augment(flip=0.5, shift=1, rotate=20.0, scale=0.2, noise=0.1)


class Interrupted(Exception):
    """Stands for anything that ends a training from outside."""


@pytest.fixture
def image_job(tmp_path):
    """A job on 48 images, in a folder of its own."""

    def make(name, augment, seed=0):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(48, 1, 6, 6, generator=generator)
        rows = Rows(inputs, (inputs.mean(dim=(1, 2, 3)) > 0).long(), torch.device("cpu"))
        settings = Training(epochs=5, batch_size=16, device="cpu", optimizer=AdamW(lr=0.01), seed=seed)
        seed_everything(seed)
        network = Resnet((1, 6, 6), 2, channels=(4, 6), dropout=0.3)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Job(network, rows, rows, "classification", 2, settings, folder, 0, augment, checkpoint_seconds=0.0)

    return make


@pytest.mark.parametrize("interrupted_at", [1, 3])
def test_a_resumed_training_on_varied_images_gives_the_bits_of_an_uninterrupted_one(image_job, interrupted_at):
    def stop(progress):
        if progress.epoch == interrupted_at:
            raise Interrupted

    whole = fit(image_job("whole", AUGMENT))
    with pytest.raises(Interrupted):
        fit(image_job("cut", AUGMENT), [stop])
    resumed = fit(image_job("cut", AUGMENT))
    assert resumed.weights_sha256 == whole.weights_sha256
    losses = [[row["train_loss"] for row in found.progress.history] for found in (whole, resumed)]
    assert losses[0] == losses[1]
    assert fit(image_job("plain", None)).weights_sha256 != whole.weights_sha256
    assert fit(image_job("another seed", AUGMENT, seed=1)).weights_sha256 != whole.weights_sha256


def test_settings_that_are_all_0_train_to_the_same_bits_as_none(image_job):
    assert fit(image_job("none", None)).weights_sha256 == fit(image_job("zero", Augment())).weights_sha256


def test_only_training_batches_are_varied_each_step_anew(image_job):
    job = image_job("seen", AUGMENT)
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    job.network.register_forward_pre_hook(lambda module, inputs: seen[module.training].append(inputs[0].clone()))
    fit(job)
    rows = {tuple(row.flatten().tolist()) for row in job.train.inputs}
    assert len(seen[False]) == 5 and all(torch.equal(batch, job.validation.inputs) for batch in seen[False])
    varied = [tuple(row.flatten().tolist()) for batch in seen[True] for row in batch]
    assert len(varied) == len(set(varied)) == 5 * 48 and not rows & set(varied)
