"""Images varied in training: hand-worked pictures, draws that repeat, and bounds that hold."""

from __future__ import annotations

import json
import math

import pytest
import torch

from tasks.core.preprocessing import Augment, Transforms
from tasks.core.recipe import Recipe
from tasks.prepare.stage import prepare
from tasks.train.stage import train
from tasks.transforms.augment import augmented, moved, turned

PICTURE = torch.arange(12.0).reshape(1, 1, 3, 4)
SETTINGS = {"flip": 0.5, "shift": 2, "rotate": 30.0, "scale": 0.3, "noise": 0.5}


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def images(count: int = 64, height: int = 6, width: int = 5) -> torch.Tensor:
    return torch.randn(count, 2, height, width, generator=torch.Generator().manual_seed(1))


def test_every_setting_is_tried_here():
    assert set(SETTINGS) == set(Augment.model_fields)


@pytest.mark.parametrize(
    ("mirrored", "down", "right", "rows"),
    [
        (False, 0, 0, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
        (True, 0, 0, [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8]]),
        (False, 1, 0, [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]),
        (False, -1, 2, [[4, 4, 4, 5], [8, 8, 8, 9], [8, 8, 8, 9]]),
        (True, 0, -1, [[2, 1, 0, 0], [6, 5, 4, 4], [10, 9, 8, 8]]),
    ],
)
def test_a_picture_is_mirrored_then_moved_and_repeats_its_edge(mirrored, down, right, rows):
    outputs = moved(PICTURE, torch.tensor([mirrored]), ints(down), ints(right))
    assert outputs[0, 0].tolist() == rows


def test_each_image_moves_by_its_own_amount_and_its_channels_together():
    inputs = images(2)
    outputs = moved(inputs, torch.tensor([False, True]), ints(1, 0), ints(0, 0))
    assert torch.equal(outputs[0, :, 1:], inputs[0, :, :-1])
    assert torch.equal(outputs[1], inputs[1].flip(-1))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, -1])
def test_quarter_turns_are_torchs_own(quarters):
    inputs = images(3, 5, 5)
    outputs = turned(inputs, torch.full((3,), 90.0 * quarters), torch.ones(3))
    assert torch.allclose(outputs, torch.rot90(inputs, quarters, (2, 3)), atol=1e-5)


def test_half_a_turn_keeps_the_shape_of_an_oblong():
    inputs = images(3)
    assert torch.allclose(turned(inputs, torch.full((3,), 180.0), torch.ones(3)), inputs.flip(2, 3), atol=1e-5)


def test_a_turn_keeps_angles_in_an_oblong_picture():
    # A dot two pixels right of the centre of a 5 × 9 picture comes to lie two pixels above it.
    inputs = torch.zeros(1, 1, 5, 9)
    inputs[0, 0, 2, 6] = 1.0
    outputs = turned(inputs, torch.tensor([90.0]), torch.ones(1))
    assert float(outputs[0, 0, 0, 4]) == pytest.approx(1.0, abs=1e-5) and float(outputs.sum()) == pytest.approx(1.0)


def test_twice_as_large_shows_the_middle():
    inputs = torch.zeros(1, 1, 4, 4)
    inputs[0, 0, 1:3, 1:3] = 1.0
    outputs = turned(inputs, torch.zeros(1), torch.full((1,), 2.0))
    # Pixel centres at ±0.25 and ±0.75 of the old grid: the outer ones lie a quarter of the way to the dark edge.
    side = torch.tensor([0.75, 1.0, 1.0, 0.75])
    assert torch.allclose(outputs[0, 0], torch.outer(side, side), atol=1e-6)


def test_draws_depend_on_seed_epoch_and_step_and_on_nothing_else():
    settings, inputs = Augment(**SETTINGS), images()
    torch.manual_seed(0)
    first = augmented(inputs, settings, 3, 1, 2)
    state = torch.random.get_rng_state()
    torch.manual_seed(99)
    assert torch.equal(first, augmented(inputs.clone(), settings, 3, 1, 2))
    torch.manual_seed(0)
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator was drawn from"
    assert first.shape == inputs.shape and first.dtype == inputs.dtype
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, images())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("place", [(4, 1, 2), (3, 2, 2), (3, 1, 3), (3, 2, 1)], ids=["seed", "epoch", "step", "both"])
def test_another_seed_epoch_or_step_draws_anew_for_every_setting(setting, place):
    settings, inputs = Augment(**{setting: SETTINGS[setting]}), images()
    assert not torch.equal(augmented(inputs, settings, 3, 1, 2), augmented(inputs, settings, *place))


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_its_own_changes_images_and_0_changes_nothing(setting):
    inputs = images()
    assert torch.equal(augmented(inputs, Augment(), 0, 0, 0), inputs)
    changed = augmented(inputs, Augment(**{setting: SETTINGS[setting]}), 0, 0, 0)
    assert not torch.equal(changed, inputs)


def test_shares_and_bounds_are_those_of_the_settings():
    inputs = images(4000, 5, 5)
    flipped = augmented(inputs, Augment(flip=0.25), 0, 0, 0)
    share = (flipped == inputs.flip(-1)).flatten(1).all(dim=1).float().mean()
    assert float(share) == pytest.approx(0.25, abs=3 * math.sqrt(0.25 * 0.75 / 4000))
    noise = augmented(inputs, Augment(noise=0.5), 0, 0, 0) - inputs
    assert float(noise.std()) == pytest.approx(0.5, rel=0.01) and float(noise.mean()) == pytest.approx(0, abs=0.01)
    # One bright pixel in the middle of each image shows how far it was moved; all nine places are about as likely.
    dots = torch.zeros(4000, 1, 5, 5)
    dots[:, :, 2, 2] = 1.0
    places = augmented(dots, Augment(shift=1), 0, 0, 0).mean(dim=(0, 1))
    assert float(places.sum()) == pytest.approx(1.0) and float(places[1:4, 1:4].sum()) == pytest.approx(1.0)
    assert float(places[1:4, 1:4].min()) > 0.09 and float(places[1:4, 1:4].max()) < 0.13


def recipe(augment: dict, **features: dict) -> Recipe:
    data = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", "features": features}
    body = {"name": "small", "problem": "classification", "data": data, "transforms": {"augment": augment}}
    return Recipe.model_validate_json(json.dumps(body))


def test_augmentation_needs_images_and_leaves_them_in_sight():
    image = {"kind": "image", "size": [4, 8]}
    assert recipe({"shift": 3}, photo=image).transforms.augment == Augment(shift=3)
    with pytest.raises(ValueError, match=r"transforms\.augment changes images, and data\.features declares none"):
        recipe({"shift": 3})
    with pytest.raises(ValueError, match=r"transforms\.augment\.shift is 4, which can move the image 'photo'"):
        recipe({"shift": 4}, photo=image)


def test_the_stages_read_every_field_of_the_section_and_prepare_not_what_only_training_needs():
    every = {f"transforms.{name}" for name in Transforms.model_fields}
    assert {name for name in prepare.reads if name.startswith("transforms")} == every - {"transforms.augment"}
    assert "transforms.augment" in train.reads
