"""IDX, the format of MNIST and Fashion-MNIST: a header of type and sizes, then the numbers, nothing more.

The format: two zero bytes, a byte for the type of the numbers, a byte for how many sizes follow, each size as
an unsigned 32-bit integer, then the numbers row by row; everything big-endian (LeCun, Cortes and Burges, "The
MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.sources import IdxReader
from tasks.ingest.files import fingerprint_of, locations, opened
from tasks.ingest.readers import unreadable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

NUMBER_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Third byte of a file → numpy's name of the type."""
_GZIP = b"\x1f\x8b"


def fingerprint_idx(reader: IdxReader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of the names and bytes of the files of images and labels.

    Raises:
        RequestError: one of the paths matches nothing.
    """
    images, labels = _both(reader, recipe_folder)
    return fingerprint_of([*images, *labels])


def read_idx(reader: IdxReader, recipe_folder: Path, text: Sequence[str]) -> pd.DataFrame:
    """Read all pairs of files, in the order of their names; there is no text in them.

    Returns:
        One row per image: its columns (`tasks/ingest/grids.py`), then its label.

    Raises:
        RequestError: one of the paths matches nothing.
        GateStopped: gate `readable` failed; the sentence names the file.
    """
    import pandas as pd

    images, labels = _both(reader, recipe_folder)
    if len(images) != len(labels):
        unreadable(
            f"data.reader.images names {len(images)} files and data.reader.labels {len(labels)}.",
            field="data.reader.labels",
        )
    frames = [_pair(reader, *pair) for pair in zip(images, labels, strict=True)]
    first = frames[0]
    for (name, _), frame in zip(images, frames, strict=True):
        if list(frame.columns) != list(first.columns):
            unreadable(f"{name} has images of another size than {images[0][0]}.", file=name)
    return pd.concat(frames, ignore_index=True)


def _both(reader: IdxReader, recipe_folder: Path) -> tuple[list[tuple[str, Path | str]], list[tuple[str, Path | str]]]:
    # No suffix tells images from labels, so a folder alone names nothing.
    images = locations(reader.images, (), recipe_folder, "data.reader.images")
    return images, locations(reader.labels, (), recipe_folder, "data.reader.labels")


def _pair(reader: IdxReader, images: tuple[str, Path | str], labels: tuple[str, Path | str]) -> pd.DataFrame:
    from tasks.ingest.grids import native, number_columns

    pixels, answers = _array(*images), _array(*labels)
    try:
        frame = number_columns(reader.feature, pixels)
    except ValueError as error:
        unreadable(f"{images[0]}, which data.reader.images names, {error}.", file=images[0])
    if answers.shape != pixels.shape[:1]:
        unreadable(
            f"{labels[0]} has the shape {list(answers.shape)} where {images[0]} needs {len(pixels)} labels.",
            file=labels[0],
        )
    whole = answers.dtype.kind in "iu"
    frame.insert(frame.shape[1], reader.target, answers.astype("int64") if whole else native(answers))
    return frame


def _array(name: str, location: Path | str) -> npt.NDArray[np.generic]:
    """The numbers of one file, in the shape its header gives."""
    import numpy as np

    content = _content(name, location)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in NUMBER_TYPES or not content[3]:
        begins = f"begins with the bytes {content[:4].hex()}" if content else "is empty"
        unreadable(f"{name} is no IDX file: it {begins}.", file=name)
    kind, start = np.dtype(NUMBER_TYPES[content[2]]), 4 + 4 * content[3]
    if len(content) < start:
        unreadable(f"{name} ends within its header.", file=name)
    shape = [int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4)]
    promised = math.prod(shape) * kind.itemsize
    if len(content) - start != promised:
        unreadable(
            f"{name} has {len(content) - start} bytes of numbers where its header promises {promised}.", file=name
        )
    found: npt.NDArray[Any] = np.frombuffer(content, dtype=kind, offset=start).reshape(shape)
    return found


def _content(name: str, location: Path | str) -> bytes:
    """The file's bytes; a compressed one is known by its first two, which no IDX file has."""
    try:
        with opened(location) as stream:
            content = stream.read()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (OSError, EOFError, zlib.error) as error:
        unreadable(f"{name} cannot be read: {type(error).__name__}.", file=name)
