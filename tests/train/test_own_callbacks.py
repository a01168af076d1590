"""Callbacks of a recipe's own, kept epochs, TensorBoard's mirror and the sheet of varied images, by the real stages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tasks.core.blocks import Custom
from tasks.core.errors import RequestError
from tasks.core.home import open_home
from tasks.core.identity import WATCHING
from tasks.core.load import load_recipe
from tasks.core.training import AdamW, ConstantSchedule, Training
from tasks.stores import runs
from tasks.train import checkpoints, mirror, own, samples
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after

CALLBACKS = '''
class Notes:
    """Writes down what it hears, and ends the training after some epoch."""

    def __init__(self, file, stop_at=99):
        self.file, self.stop_at = file, stop_at

    def on_epoch(self, progress, network):
        progress.history.clear()
        with open(self.file, "a") as stream:
            stream.write(f"{progress.epoch} {sum(p.numel() for p in network.parameters())}\\n")
        return progress.epoch >= self.stop_at

    def on_end(self, progress, network):
        with open(self.file, "a") as stream:
            stream.write(f"end {progress.stopped}\\n")


class Clumsy:
    def on_epoch(self, progress, network):
        raise ZeroDivisionError("by hand")


class Deaf:
    pass
'''


def named(name, **args):
    return Custom(kind="custom", ref=f"recipe.py:{name}", args=args)


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "recipe.py").write_text(CALLBACKS)
    return tmp_path


def test_a_callback_of_ones_own_hears_and_ends_the_training_and_changes_no_bit(make_job, parts):
    plain = fit(make_job(folder=folder(parts, "plain"), epochs=3, schedule=ConstantSchedule(kind="constant")))
    job = make_job(folder=folder(parts, "own"), epochs=9, schedule=ConstantSchedule(kind="constant"))
    heard = own.own([named("Notes", file=str(parts / "notes"), stop_at=3)], parts)
    progress = fit(job, heard).progress
    numbers = sum(parameter.numel() for parameter in job.network.parameters())
    assert (parts / "notes").read_text().split("\n")[:-1] == [
        f"1 {numbers}",
        f"2 {numbers}",
        f"3 {numbers}",
        "end callback",
    ]
    assert progress.stopped == "callback" and len(progress.history) == 3, "what it gets is a copy"
    assert checkpoints.load_weights(job.network, parts / "own/weights.safetensors") is job.network
    assert json.loads((parts / "own" / checkpoints.POINTER).read_text())["sha256"] == plain.weights_sha256


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (named("Deaf"), "has neither on_epoch nor on_end"),
        (named("Notes"), "cannot be made: TypeError"),
        (named("Absent"), "has no 'Absent'"),
    ],
)
def test_what_cannot_listen_is_refused_in_a_sentence(parts, callback, words):
    with pytest.raises(RequestError, match=words):
        own.own([callback], parts)


def test_what_a_callback_raises_is_told_and_the_training_goes_on_after_it_is_mended(make_job, parts):
    whole = fit(make_job(folder=folder(parts, "whole")))
    with pytest.raises(RequestError, match="Clumsy fails after epoch 1: ZeroDivisionError: by hand"):
        fit(make_job(folder=folder(parts, "cut")), own.own([named("Clumsy")], parts))
    assert fit(make_job(folder=folder(parts, "cut"))).weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("ema", [None, 0.9])
def test_every_so_manieth_epoch_is_kept_as_it_was_validated(make_job, tmp_path, ema):
    job = make_job(epochs=5, keep_every=2, ema=ema, early_stopping=None)
    history = fit(job).progress.history
    kept = sorted(tmp_path.glob("epoch-*.safetensors"))
    assert [path.name for path in kept] == ["epoch-0002.safetensors", "epoch-0004.safetensors"]
    for path, row in zip(kept, history[1::2], strict=False):
        job.network.load_state_dict(load_file(path))
        with torch.no_grad():
            outputs = job.network.eval()(job.validation.inputs)
        loss = torch.nn.functional.cross_entropy(outputs, job.validation.targets)
        assert float(loss) == pytest.approx(row["validation_loss"], abs=1e-6)


def test_who_watches_makes_no_other_model(tmp_path):
    recipe = str(Path(__file__).parents[2] / "data" / "breast_cancer")
    plain = load_recipe(recipe)
    watched = load_recipe(recipe, ["training.keep_every=2", "training.tensorboard=true"])
    assert {"keep_every", "tensorboard"} == WATCHING <= set(Training.model_fields)
    assert (watched.hash, watched.chosen) == (plain.hash, plain.chosen)
    listened = load_recipe(recipe, ["training.callbacks=[{kind: custom, ref: 'json:loads'}]"])
    assert listened.chosen != plain.chosen, "a callback may end the training"


def scalars(folder):
    """tag → [(step, value)], as TensorBoard reads them."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = loader.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_gets_every_number_once_also_after_an_interruption(make_job, tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(Interrupted):
        fit(make_job(epochs=5), [mirror.Mirror(tmp_path / "events"), stop_after(3)])
    last = mirror.Mirror(tmp_path / "events")
    history = fit(make_job(epochs=5), [last]).progress.history
    assert len(last.files) == 1
    found = scalars(tmp_path / "events")
    assert {"train_loss", "validation_loss", "epoch_accuracy", "learning_rate", "statistics/update_ratio"} < set(found)
    assert [step for step, _ in found["train_loss"]] == [1, 2, 3, 4, 5]
    assert [value for _, value in found["train_loss"]] == pytest.approx([row["train_loss"] for row in history])


def test_without_tensorboard_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"not installed.*evergreen\[tensorboard\]"):
        mirror.Mirror(tmp_path)


@pytest.fixture
def image_job(make_job):
    """Sixteen images a step, 6 × 6."""
    import dataclasses

    from tasks.core.preprocessing import Augment
    from tasks.models.cnn import Cnn
    from tasks.train.batches import Rows

    inputs = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 1, 6, 6)).astype(np.float32))
    rows = Rows(inputs, (inputs.mean(dim=(1, 2, 3)) > 0).long(), torch.device("cpu"))
    job = make_job(optimizer=AdamW(lr=0.01))
    network = Cnn((1, 6, 6), 2, channels=(3,), hidden=4)
    return dataclasses.replace(job, network=network, train=rows, validation=rows, augment=Augment(shift=2, noise=0.1))


def test_the_sheet_shows_the_first_batch_as_the_first_step_sees_it(image_job, monkeypatch):
    shown, seen = [], []
    monkeypatch.setattr(
        samples, "image_grid", lambda images, labels, columns: shown.append((images, labels)) or "<svg/>"
    )
    path = samples.contact_sheet(image_job)
    assert path == image_job.folder / "varied_images.svg" and path.read_text() == "<svg/>"
    image_job.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    with pytest.raises(Interrupted):
        fit(image_job, [stop_after(1)])
    (images, labels) = shown[0]
    varied = [image for image, label in zip(images, labels, strict=True) if label == "varied"]
    assert np.array_equal(np.stack(varied), seen[0][:, 0].numpy()) and len(varied) == 16
    plain = np.stack([image for image, label in zip(images, labels, strict=True) if label == "as it is"])
    rows = {image.tobytes() for image in image_job.train.inputs[:, 0].numpy()}
    assert all(image.tobytes() in rows for image in plain) and not np.array_equal(plain, np.stack(varied))


def test_a_real_sheet_is_drawn_and_none_where_nothing_is_varied(image_job, make_job):
    path = samples.contact_sheet(image_job)
    assert path is not None and path.read_text().count("data:image/png;base64,") == 40
    assert samples.contact_sheet(make_job()) is None


def test_the_stage_hands_event_files_and_the_sheet_to_the_run(tmp_path):
    """Digits, three epochs, varied: by what the stages call, with a real tracking store."""
    pytest.importorskip("tensorboard")
    from tasks.core.context import Context
    from tasks.train.experiment import job
    from tasks.train.tracked import train_tracked
    from tests.train.test_families import prepared_rows

    (tmp_path / "recipe.py").write_text(CALLBACKS)
    augment = {"shift": 1}
    model = {"kind": "cnn", "channels": [4], "hidden": 8}
    recipe, prepared = prepared_rows("digits", tmp_path, model=model, epochs=3, augment=augment)
    notes = named("Notes", file=str(tmp_path / "notes"), stop_at=2)
    training = recipe.training.model_copy(update={"tensorboard": True, "callbacks": (notes,), "keep_every": 1})
    recipe = recipe.model_copy(update={"training": training})
    home = open_home(str(tmp_path / "home"))
    work = home.work("digits", "train", "k" * 64)
    work.mkdir(parents=True)
    context = Context(recipe, tmp_path, home, work, "k" * 64, "r" * 64)
    made = job(
        recipe.problem, recipe.model, training, prepared, tmp_path, tmp_path, work, None, recipe.transforms.augment
    )
    trained = train_tracked(made, context, "fresh weights", tmp_path / "train_rows.parquet")
    assert (trained.stopped, trained.epochs) == ("callback", 2)
    client = runs.open_tracking(home)
    names = [item.path for place in ("samples", mirror.FOLDER) for item in client.list_artifacts(trained.run_id, place)]
    assert names[0] == "samples/varied_images.svg" and names[1].startswith("tensorboard/events.out.tfevents")
    parameters = client.get_run(trained.run_id).data.params
    assert str(tmp_path) not in json.dumps(parameters), "arguments of a callback are named by their hash"
    assert [path.name for path in sorted(work.glob("epoch-*"))] == ["epoch-0001.safetensors", "epoch-0002.safetensors"]
    assert (tmp_path / "notes").read_text().splitlines()[-1] == "end callback"
