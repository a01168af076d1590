"""A folder of pictures with a sub-folder for each class: decoded and resized once, kept as columns of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import RequestError
from tasks.core.hashing import json_sha256
from tasks.core.sources import ImageFolderReader
from tasks.ingest.files import fingerprint_of
from tasks.ingest.readers import unreadable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Which files count, in small or capital letters."""
CHANNELS = {"grey": ("",), "rgb": ("_red", "_green", "_blue")}
"""`colors` → what follows the feature's name in the names of its columns."""
_MODES = {"grey": "L", "rgb": "RGB"}


class _Undecodable(Exception):
    """What is wrong with a picture."""


def fingerprint_image_folder(reader: ImageFolderReader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of names and bytes of all pictures and of the version of the library that decodes them.

    Raises:
        RequestError: there is no such folder, or no picture in it.
    """
    return json_sha256({"files": fingerprint_of(_pictures(reader, recipe_folder)), "library": version("pillow")})


def read_image_folder(reader: ImageFolderReader, recipe_folder: Path, text: Sequence[str]) -> pd.DataFrame:
    """Decode every picture; a name of a class is text and stays so.

    Returns:
        One row per file in the order of their names: pixels 0 to 255 (uint8) as `<feature>_<row>_<column>`, for rgb
        as `<feature>_red_<row>_<column>` and so on; the file's name where the recipe asks for it; the class.

    Raises:
        RequestError: there is no such folder, or no picture in it.
        GateStopped: gate `readable` failed: a file is no picture, or lies in no class; the sentence names it.
    """
    import pandas as pd

    from tasks.ingest.grids import number_columns

    pictures = _pictures(reader, recipe_folder)
    homeless = [name for name, _ in pictures if "/" not in name]
    if homeless:
        unreadable(f"{homeless[0]} lies in no sub-folder, so it has no class.", files=homeless[:20])
    pixels = _all_pixels(reader, pictures)
    frames = [
        number_columns(f"{reader.feature}{channel}", pixels[:, place])
        for place, channel in enumerate(CHANNELS[reader.colors])
    ]
    names = {} if reader.file is None else {reader.file: [name for name, _ in pictures]}
    classes = [name.partition("/")[0] for name, _ in pictures]
    return pd.concat([*frames, pd.DataFrame({**names, reader.target: classes}, dtype=object)], axis=1)


def _pictures(reader: ImageFolderReader, recipe_folder: Path) -> list[tuple[str, Path]]:
    """Name below the folder and path of every picture, in the order of their names."""
    folder = recipe_folder / reader.path.removeprefix("file://")
    if not folder.is_dir():
        raise RequestError(
            f"data.reader.path '{reader.path}' is no folder.",
            remedy="Correct data.reader.path; it is relative to the recipe's folder.",
            code="reader",
        )
    found = [(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()]
    found = [(name, path) for name, path in found if name.lower().endswith(SUFFIXES) and not path.name.startswith(".")]
    if not found:
        raise RequestError(
            f"data.reader.path '{reader.path}' holds no pictures.",
            remedy=f"Put files in {', '.join(SUFFIXES)} into one sub-folder for each class.",
            code="reader",
        )
    return sorted(found)


def _all_pixels(reader: ImageFolderReader, pictures: Sequence[tuple[str, Path]]) -> npt.NDArray[np.uint8]:
    """Pixels [N, channels, height, width] of all pictures; stops at the gate where one cannot be decoded."""
    import numpy as np

    pixels = np.empty((len(pictures), len(CHANNELS[reader.colors]), *reader.size), dtype=np.uint8)
    broken: dict[str, str] = {}
    for place, (name, path) in enumerate(pictures):
        try:
            pixels[place] = _decoded(path, reader)
        except _Undecodable as error:
            broken[name] = str(error)
    if broken:
        first, what = next(iter(broken.items()))
        more = f"; so it is with {len(broken) - 1} more" if len(broken) > 1 else ""
        unreadable(f"{first} {what}{more}.", files=list(broken)[:20], count=len(broken))
    return pixels


def _decoded(path: Path, reader: ImageFolderReader) -> npt.NDArray[np.uint8]:
    """The picture's pixels [channels, height, width].

    Raises:
        _Undecodable: the file is damaged or of another kind.
    """
    import numpy as np
    from PIL import Image, ImageOps

    height, width = reader.size
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.mode.startswith(("I", "F")):
                raise _Undecodable(f"has pixels of kind {opened.mode}, where 8 bits are needed")
            upright: Any = ImageOps.exif_transpose(opened)
            picture = upright.convert(_MODES[reader.colors])
    # A damaged PNG is a SyntaxError to Pillow; one that claims to be huge is refused before it is decoded.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _Undecodable("cannot be decoded as PNG or JPEG") from None
    resized = picture.resize((width, height), Image.Resampling[reader.filter.upper()])
    pixels: npt.NDArray[np.uint8] = np.asarray(resized, dtype=np.uint8).reshape(height, width, -1).transpose(2, 0, 1)
    return pixels
