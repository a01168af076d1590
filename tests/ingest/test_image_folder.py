"""Folders of pictures: sizes, colours, classes, damage, and the way to a network's inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tasks.core.errors import RequestError
from tasks.core.load import load_recipe
from tasks.core.sources import ImageFolderReader
from tasks.ingest.fresh import read_source, source_changed
from tasks.ingest.readers import fingerprint, read


def source(**fields) -> ImageFolderReader:
    return ImageFolderReader(kind="image_folder", **{"path": "shots", "size": (2, 3), **fields})


def save(folder: Path, name: str, pixels: np.ndarray, **options) -> Path:
    path = folder / "shots" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


GREY = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40


def test_a_picture_of_the_right_size_is_stored_as_it_is(tmp_path: Path):
    save(tmp_path, "dog/b.PNG", GREY)
    save(tmp_path, "cat/deep/a.png", 255 - GREY)
    (tmp_path / "shots" / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "shots" / "cat" / ".hidden.png").write_text("no picture")
    frame = read(source(file="file"), tmp_path)
    assert list(frame.columns[:3]) == ["pixel_0_0", "pixel_0_1", "pixel_0_2"] and frame["pixel_0_0"].dtype == np.uint8
    assert frame["file"].tolist() == ["cat/deep/a.png", "dog/b.PNG"] and frame["label"].tolist() == ["cat", "dog"]
    assert frame.iloc[1, :6].tolist() == GREY.ravel().tolist()


def test_colours_are_three_features(tmp_path: Path):
    colours = np.zeros((2, 3, 3), dtype=np.uint8)
    colours[0, 1] = (10, 20, 30)
    save(tmp_path, "cat/a.png", colours)
    frame = read(source(colors="rgb", feature="shot", target="animal"), tmp_path)
    assert frame.shape == (1, 19) and frame["animal"].tolist() == ["cat"]
    assert frame.loc[0, ["shot_red_0_1", "shot_green_0_1", "shot_blue_0_1"]].tolist() == [10, 20, 30]
    # ITU-R 601-2, rounded: 0.299 red + 0.587 green + 0.114 blue.
    assert read(source(), tmp_path)["pixel_0_1"].tolist() == [18]


def test_another_size_is_reached_with_the_filter_that_is_named(tmp_path: Path):
    save(tmp_path, "cat/a.png", np.array([[0, 100, 200, 40], [60, 80, 20, 100]], dtype=np.uint8))
    box = read(source(size=(1, 2), filter="box"), tmp_path)
    assert box.iloc[0, :2].tolist() == [60, 90]  # the mean of each block of four
    four = [read(source(size=(1, 2), filter=name), tmp_path) for name in ("box", "bilinear", "bicubic", "lanczos")]
    assert len({tuple(frame.iloc[0, :2]) for frame in four}) == 4


def test_a_jpeg_lies_as_its_camera_was_held(tmp_path: Path):
    bright_left = np.zeros((32, 32), dtype=np.uint8)
    bright_left[:, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture has to be turned by 90 degrees clockwise
    save(tmp_path, "cat/a.jpg", bright_left, exif=exif, quality=95)
    frame = read(source(size=(2, 2), filter="box"), tmp_path)
    top, bottom = frame.iloc[0, :2].to_numpy(), frame.iloc[0, 2:4].to_numpy()
    assert (top > 240).all() and (bottom < 10).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_damaged_picture_stops_the_run_by_its_name(tmp_path: Path, refusal, name: str):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    save(tmp_path, "cat/good.png", pixels)
    path = save(tmp_path, f"cat/{name}", pixels)
    whole = path.read_bytes()
    fields = {"kind": "image_folder", "path": "shots", "size": (2, 3)}
    for content in (b"", b"Mrs-Robinson", whole[:40], whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert refusal(tmp_path, **fields) == f"cat/{name} cannot be decoded as PNG or JPEG."
    (tmp_path / "shots" / "cat" / "z.png").write_bytes(b"GIF89a")
    assert refusal(tmp_path, **fields) == f"cat/{name} cannot be decoded as PNG or JPEG; so it is with 1 more."


def test_pictures_that_would_lose_what_they_hold_are_refused(tmp_path: Path, refusal):
    fields = {"kind": "image_folder", "path": "shots", "size": (2, 3)}
    path = save(tmp_path, "cat/deep.png", GREY.astype(np.uint16) * 200)
    assert refusal(tmp_path, **fields).startswith("cat/deep.png has pixels of kind I;16")
    path.unlink()
    save(tmp_path, "stray.png", GREY)
    assert refusal(tmp_path, **fields) == "stray.png lies in no sub-folder, so it has no class."


def test_a_palette_is_looked_up_and_not_taken_for_pixels(tmp_path: Path):
    picture = Image.fromarray(GREY).convert("RGB").quantize(6)
    (tmp_path / "shots" / "cat").mkdir(parents=True)
    picture.save(tmp_path / "shots" / "cat" / "a.png")
    assert read(source(), tmp_path).iloc[0, :6].tolist() == GREY.ravel().tolist()


def test_what_is_no_folder_of_pictures_is_a_wrong_request(tmp_path: Path):
    with pytest.raises(RequestError, match=r"data\.reader\.path 'shots' is no folder"):
        fingerprint(source(), tmp_path)
    (tmp_path / "shots").mkdir()
    with pytest.raises(RequestError, match=r"data\.reader\.path 'shots' holds no pictures"):
        read(source(), tmp_path)
    for fields in ({"path": "s3://bucket/shots"}, {"size": (0, 4)}, {"size": (4, 129)}):
        with pytest.raises(ValidationError):
            source(**fields)


def test_the_fingerprint_sees_names_and_bytes(tmp_path: Path):
    save(tmp_path, "cat/a.png", GREY)
    prints = [fingerprint(source(), tmp_path)]
    save(tmp_path, "cat/a.png", 255 - GREY)
    prints.append(fingerprint(source(), tmp_path))
    (tmp_path / "shots" / "cat").rename(tmp_path / "shots" / "dog")
    prints.append(fingerprint(source(), tmp_path))
    assert len(set(prints)) == 3


def shots(folder: Path, start: int, count: int) -> None:
    """Noise with a bright half, above in the class day; every tenth picture lies in the other class."""
    draw = np.random.default_rng(start)
    for number in range(start, start + count):
        label = int(draw.integers(0, 2))
        pixels = draw.integers(0, 120, (12, 10)).astype(np.uint8)
        pixels[6 * label : 6 * label + 6] += 60
        lies_in = 1 - label if number % 10 == 0 else label
        save(folder, f"{('day', 'night')[lies_in]}/{number:04}.{('png', 'jpg')[number % 2]}", pixels)


def test_pictures_become_rows_added_ones_a_batch_and_all_become_inputs(life):
    reader = {"kind": "image_folder", "path": "shots", "size": [6, 5], "file": "file"}
    features = {"pixel": {"kind": "image", "size": [6, 5]}}
    made = life({"reader": reader, "target": "label", "id": "file", "features": features})
    shots(made.folder, 0, 300)
    first = made.run()
    assert made.inputs(first).shape == (first["prepare"].rows["train"], 1, 6, 5)
    assert made.run()["actions"]["ingest"] == "cached"
    # Stored packed: one shard for all of them, and no picture is copied.
    stored = [path for path in made.home.path(first["version"].folder).rglob("*") if path.suffix == ".parquet"]
    assert len(stored) == 1 and not [path for path in made.home.root.rglob("*") if path.suffix in (".png", ".jpg")]
    shots(made.folder, 300, 40)
    loaded = load_recipe(str(made.folder))
    assert source_changed(made.home, loaded) and len(read_source(loaded)) == 340
    second = made.run()
    assert (second["ingest"].rows, second["ingest"].new_rows, second["ingest"].superseded) == (340, 40, 0)
    assert set(made.rows(second)["label"]) == {"day", "night"}


def test_three_colours_become_three_channels(life):
    reader = {"kind": "image_folder", "path": "shots", "size": [4, 4], "colors": "rgb"}
    channels = ("red", "green", "blue")
    made = life(
        {
            "reader": reader,
            "target": "label",
            "features": {f"pixel_{name}": {"kind": "image", "size": [4, 4]} for name in channels},
        }
    )
    draw = np.random.default_rng(1)
    for number in range(200):
        kind = int(draw.integers(0, 2))
        pixels = draw.integers(0, 150, (4, 4, 3)).astype(np.uint8)
        pixels[..., 2 * kind] += 50
        save(made.folder, f"{('sky', 'rust')[kind if number % 10 else 1 - kind]}/{number}.png", pixels)
    given = made.run()
    assert given["prepare"].input_shape == (3, 4, 4)
    assert made.inputs(given).shape[1:] == (3, 4, 4)
