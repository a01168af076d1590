"""IDX files: written by hand after the format's description, refused where they are cut, and the real ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import ImageFeature
from tasks.core.features import pixel_columns
from tasks.core.load import load_recipe
from tasks.core.sources import IdxReader
from tasks.ingest.fresh import read_source, source_changed
from tasks.ingest.readers import fingerprint, read

BYTE = 0x08


def idx(kind: int, shape: tuple[int, ...], numbers: bytes) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + numbers


def source(**fields) -> IdxReader:
    return IdxReader(kind="idx", **{"images": "images", "labels": "labels", **fields})


def write(folder: Path, images: bytes, labels: bytes) -> None:
    (folder / "images").write_bytes(images)
    (folder / "labels").write_bytes(labels)


def test_the_numbers_stand_row_by_row_after_the_sizes(tmp_path: Path):
    write(tmp_path, idx(BYTE, (2, 2, 3), bytes(range(12))), idx(BYTE, (2,), bytes([7, 9])))
    frame = read(source(), tmp_path)
    assert list(frame.columns) == [*pixel_columns("pixel", ImageFeature(kind="image", size=(2, 3))), "label"]
    assert frame.loc[1, ["pixel_0_0", "pixel_0_2", "pixel_1_0", "label"]].tolist() == [6, 8, 9, 9]
    assert frame["pixel_0_0"].dtype == np.uint8 and frame["label"].dtype == np.int64


@pytest.mark.parametrize(
    ("kind", "code", "values"),
    [
        (0x09, "b", [-1, 2]),
        (0x0B, "h", [-300, 2]),
        (0x0C, "i", [-70000, 2]),
        (0x0D, "f", [-1.5, 2]),
        (0x0E, "d", [0.1, 2]),
    ],
)
def test_every_type_of_number_is_read_big_endian(tmp_path: Path, kind: int, code: str, values: list):
    numbers = struct.pack(f">2{code}", *values)
    write(tmp_path, idx(kind, (2, 1), numbers), idx(kind, (2,), numbers))
    frame = read(source(feature="x", target="y"), tmp_path)
    assert frame["x_0"].tolist() == values == frame["y"].tolist() and frame["x_0"].dtype.isnative


def test_compressed_files_are_known_by_their_bytes_and_pairs_by_their_order(tmp_path: Path):
    for name, shade in (("b", 1), ("a", 2)):
        (tmp_path / f"{name}-images").write_bytes(gzip.compress(idx(BYTE, (1, 1, 1), bytes([shade]))))
        (tmp_path / f"{name}-labels").write_bytes(idx(BYTE, (1,), bytes([shade + 10])))
    frame = read(source(images="*-images", labels="*-labels"), tmp_path)
    assert frame.to_dict("list") == {"pixel_0_0": [2, 1], "label": [12, 11]}


GOOD_IMAGES, GOOD_LABELS = idx(BYTE, (2, 2, 2), bytes(8)), idx(BYTE, (2,), bytes(2))


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (b"", GOOD_LABELS, "images is no IDX file: it is empty."),
        (b"\0\0", GOOD_LABELS, "images is no IDX file: it begins with the bytes 0000."),
        (b"id,a\n1,2\n", GOOD_LABELS, "images is no IDX file: it begins with the bytes 69642c61."),
        (idx(0x0A, (2, 2, 2), bytes(8)), GOOD_LABELS, "images is no IDX file: it begins with the bytes 00000a03."),
        (GOOD_IMAGES[:10], GOOD_LABELS, "images ends within its header."),
        (GOOD_IMAGES[:-1], GOOD_LABELS, "images has 7 bytes of numbers where its header promises 8."),
        (GOOD_IMAGES + b"\0", GOOD_LABELS, "images has 9 bytes of numbers where its header promises 8."),
        (idx(BYTE, (2**31, 2**31, 9), b"\0"), GOOD_LABELS, "images has 1 bytes of numbers where its header promises"),
        (gzip.compress(GOOD_IMAGES, mtime=0)[:-9], GOOD_LABELS, "images cannot be read: EOFError."),
        (GOOD_IMAGES, idx(BYTE, (3,), bytes(3)), "labels has the shape [3] where images needs 2 labels."),
        (GOOD_IMAGES, GOOD_IMAGES, "labels has the shape [2, 2, 2] where images needs 2 labels."),
        (GOOD_LABELS, GOOD_LABELS, "images, which data.reader.images names, has the shape [2] where"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_one_sentence(tmp_path: Path, refusal, images, labels, sentence: str):
    write(tmp_path, images, labels)
    assert refusal(tmp_path, kind="idx", images="images", labels="labels").startswith(sentence)


def test_files_that_do_not_go_together_are_one_sentence(tmp_path: Path, refusal):
    write(tmp_path, GOOD_IMAGES, GOOD_LABELS)
    (tmp_path / "images-2").write_bytes(idx(BYTE, (2, 1, 2), bytes(4)))
    fields = {"kind": "idx", "images": "images*"}
    reason = refusal(tmp_path, labels="labels*", **fields)
    assert reason == "data.reader.images names 2 files and data.reader.labels 1."
    (tmp_path / "labels-2").write_bytes(GOOD_LABELS)
    assert refusal(tmp_path, labels="labels*", **fields) == "images-2 has images of another size than images."


def test_a_path_that_names_no_file_is_a_wrong_request(tmp_path: Path):
    write(tmp_path, GOOD_IMAGES, GOOD_LABELS)
    with pytest.raises(RequestError, match=r"data\.reader\.labels 'gone' matches nothing"):
        fingerprint(source(labels="gone"), tmp_path)
    with pytest.raises(RequestError, match=r"data\.reader\.images '\.' matches nothing"):
        read(source(images="."), tmp_path)


DATA = {"target": "label", "features": {"pixel": {"kind": "image", "size": [14, 14]}}}
NAMES = {"images": "t10k-images-idx3-ubyte.gz", "labels": "t10k-labels-idx1-ubyte.gz"}


def test_the_real_files_are_read_whole(shared_data: Path):
    folder = shared_data / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip("the files of Fashion-MNIST are not among the public data files")
    frame = read(source(**NAMES), folder)
    assert frame.shape == (10_000, 785)
    assert frame["label"].value_counts().to_dict() == dict.fromkeys(range(10), 1000)
    pixels = frame.drop(columns="label").to_numpy()
    # Published for the whole data set: mean 0.2860 and standard deviation 0.3530 of the training images over 255.
    assert abs(pixels.mean() / 255 - 0.2860) < 0.002 and abs(pixels.std() / 255 - 0.3530) < 0.002


def test_real_images_become_rows_appended_ones_a_batch_and_all_become_inputs(shared_data: Path, life):
    folder = shared_data / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip("the files of Fashion-MNIST are not among the public data files")
    whole = np.frombuffer(gzip.decompress((folder / NAMES["images"]).read_bytes()), dtype=np.uint8, offset=16)
    pixels = whole.reshape(-1, 28, 28)[:, ::2, ::2].tobytes()  # a quarter of the pixels, a quarter of the time
    labels = gzip.decompress((folder / NAMES["labels"]).read_bytes())[8:]
    made = life({"reader": {"kind": "idx", "images": "images", "labels": "labels"}, **DATA})

    def take(count: int) -> None:
        images = idx(BYTE, (count, 14, 14), pixels[: 196 * count])
        write(made.folder, images, idx(BYTE, (count,), labels[:count]))

    take(600)
    first = made.run()
    assert made.inputs(first).shape == (first["prepare"].rows["train"], 1, 14, 14)
    assert made.run()["actions"]["ingest"] == "cached"
    take(700)
    loaded = load_recipe(str(made.folder))
    assert source_changed(made.home, loaded) and len(read_source(loaded)) == 700
    second = made.run()
    assert (second["ingest"].rows, second["ingest"].new_rows) == (700, 100)
    assert not source_changed(made.home, loaded)
