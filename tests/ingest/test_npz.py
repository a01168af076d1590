"""NumPy archives: names of columns, types, what is refused, and the way to a network's inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.core.feature_kinds import ImageFeature
from tasks.core.features import pixel_columns
from tasks.core.load import load_recipe
from tasks.core.sources import NpzReader
from tasks.ingest.fresh import read_file
from tasks.ingest.readers import read


def source(**fields) -> NpzReader:
    return NpzReader(kind="npz", **{"path": "rows.npz", **fields})


def test_a_matrix_becomes_columns_in_its_own_type(tmp_path: Path):
    values = np.arange(6, dtype=">f4").reshape(3, 2)
    np.savez(tmp_path / "rows.npz", x=values, y=np.array(["a", "b", "a"]), n=np.array([[7], [8], [9]]))
    frame = read(source(columns=("n",)), tmp_path)
    assert frame.to_dict("list") == {"x_0": [0, 2, 4], "x_1": [1, 3, 5], "n": [7, 8, 9], "y": ["a", "b", "a"]}
    assert frame["x_0"].dtype == np.dtype("float32") and frame["x_0"].dtype.isnative


def test_images_become_the_pixel_columns_of_an_image_feature(tmp_path: Path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.savez_compressed(tmp_path / "rows.npz", photo=images, label=np.array([True, False]))
    frame = read(source(inputs="photo", target="label"), tmp_path)
    assert list(frame.columns) == [*pixel_columns("photo", ImageFeature(kind="image", size=(3, 4))), "label"]
    assert frame["photo_2_1"].tolist() == [images[0, 2, 1], images[1, 2, 1]]
    assert frame["photo_0_0"].dtype == np.uint8 and frame["label"].tolist() == [True, False]


def test_odd_types_become_ones_a_table_keeps(tmp_path: Path):
    stamps = np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[s]")
    x = np.array([[True], [False]])
    np.savez(tmp_path / "rows.npz", x=x, y=np.array([b"\xc3\xbc", b"b"]), t=stamps, w=np.array([1, 2], ">i8"))
    frame = read(source(columns=("t", "w")), tmp_path)
    assert frame["x_0"].tolist() == [1, 0] and frame["x_0"].dtype == np.uint8
    assert frame["y"].tolist() == ["ü", "b"] and frame["w"].dtype == "int64"
    assert frame["t"].dt.day.tolist() == [1, 2]
    np.savez(tmp_path / "rows.npz", x=np.array([[1.5]], dtype=np.longdouble), y=np.array([1]))
    assert read(source(), tmp_path)["x_0"].dtype == np.float64


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": np.zeros((2, 2))}, "rows.npz has no array 'y' (its arrays: x)."),
        (
            {"x": np.zeros((2, 2, 2, 3)), "y": [1, 2]},
            "the array 'x' has the shape [2, 2, 2, 3] where [N, d] or [N, height",
        ),
        ({"x": np.zeros(2), "y": [1, 2]}, "the array 'x' has the shape [2] where [N, d]"),
        ({"x": np.array([["Mrs-Robinson"]]), "y": [1]}, "the array 'x' holds str384 where numbers are needed."),
        ({"x": np.zeros((2, 2)), "y": [1, 2, 3]}, "'y' has 3 values where 'x' has 2 rows."),
        ({"x": np.zeros((2, 2)), "y": np.zeros((2, 3))}, "the array 'y' has the shape [2, 3] where [N] is needed."),
        ({"x": np.zeros((1, 2)), "y": [1j]}, "the array 'y' holds complex128, which no column can."),
        ({"x": np.zeros((1, 2)), "y": np.array([b"\xff"])}, "the array 'y' is not text in UTF-8."),
        ({"x": np.zeros((1, 2)), "y": np.array([{"a": 1}])}, "the array 'y' holds Python objects or is damaged."),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, refusal, arrays: dict, sentence: str):
    np.savez(tmp_path / "rows.npz", **arrays)
    assert sentence in refusal(tmp_path, kind="npz", path="rows.npz")


def test_a_damaged_archive_is_named_wherever_it_is_cut(tmp_path: Path, refusal):
    np.savez_compressed(tmp_path / "rows.npz", x=np.random.default_rng(0).normal(size=(50, 4)), y=np.arange(50))
    whole = (tmp_path / "rows.npz").read_bytes()
    spoilt = bytearray(whole)
    spoilt[300:340] = bytes(40)
    for content in (b"", b"a,b\n1,2\n", whole[: len(whole) // 2], whole[:-10], bytes(spoilt)):
        (tmp_path / "rows.npz").write_bytes(content)
        assert "rows.npz" in refusal(tmp_path, kind="npz", path="rows.npz")
    np.save(tmp_path / "one.npy", np.zeros((2, 2)))
    (tmp_path / "one.npy").rename(tmp_path / "rows.npz")
    assert "rows.npz is a single array" in refusal(tmp_path, kind="npz", path="rows.npz")


def examples(folder: Path, name: str, start: int, count: int) -> None:
    """Images 4 x 4 with a bright half, on the left for class 0; a tenth of the labels are wrong."""
    draw = np.random.default_rng(start)
    labels = draw.integers(0, 2, count)
    images = draw.integers(0, 100, (count, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 40
    flipped = np.where(draw.random(count) < 0.1, 1 - labels, labels)
    np.savez(folder / name, x=images.astype(np.uint8), y=flipped, key=np.arange(start, start + count))


def test_arrays_become_rows_appended_files_a_batch_and_all_become_images(life):
    data = {
        "reader": {"kind": "npz", "path": "*.npz", "columns": ["key"]},
        "target": "y",
        "id": "key",
        "features": {"x": {"kind": "image", "size": [4, 4]}},
    }
    made = life(data)
    examples(made.folder, "a.npz", 0, 300)
    first = made.run()
    assert made.inputs(first).shape == (first["prepare"].rows["train"], 1, 4, 4)
    assert made.run()["actions"]["ingest"] == "cached"
    examples(made.folder, "b.npz", 300, 60)
    assert len(read_file(made.folder / "b.npz", load_recipe(str(made.folder)))) == 60
    second = made.run()
    assert (second["ingest"].rows, second["ingest"].new_rows) == (360, 60)
    assert made.rows(second)["x_3_3"].dtype == np.uint8
