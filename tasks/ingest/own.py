"""A reader of your own: a function that gives a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core import refs
from tasks.core.blocks import Custom
from tasks.core.hashing import file_sha256, json_sha256
from tasks.ingest.readers import unreadable

if TYPE_CHECKING:
    import pandas as pd


def fingerprint_own(reader: Custom, recipe_folder: Path) -> str:
    """SHA-256 (hex) of the bytes of its file, of its arguments and of the files that these name.

    Files it reads should be named in `args`, relative to the recipe's folder: then their bytes count.

    Raises:
        RequestError: the ref names no file.
    """
    code = file_sha256(refs.source_file(reader.ref, recipe_folder))
    named = {name: file_sha256(recipe_folder / name) for name in _files_in(reader.args, recipe_folder)}
    return json_sha256({"ref": reader.ref, "code": code, "args": reader.args, "files": named})


def read_own(reader: Custom, recipe_folder: Path, text: Sequence[str]) -> pd.DataFrame:
    """Call the function; its own types stand, so `text` changes nothing.

    Raises:
        RequestError: it cannot be loaded.
        GateStopped: gate `readable` failed: it raised something, or gave no frame.
    """
    import pandas as pd

    function = refs.load(reader.ref, recipe_folder)
    named = _files_in(reader.args, recipe_folder)
    # Paths in a recipe start from its folder, also those that are given to its own functions.
    arguments = {
        name: str((recipe_folder / value).resolve()) if value in named else value for name, value in reader.args.items()
    }
    try:
        frame = function(**arguments)
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the sentence says what and where
        unreadable(f"The reader {reader.ref} failed with {type(error).__name__}.", reader=reader.ref)
    if not isinstance(frame, pd.DataFrame):
        unreadable(f"The reader {reader.ref} gave a {type(frame).__name__} where a pandas DataFrame is needed.")
    return frame


def _files_in(arguments: dict[str, Any], folder: Path) -> list[str]:
    """Arguments of a custom reader that name files below the recipe's folder."""
    texts = (value for value in arguments.values() if isinstance(value, str) and 0 < len(value) < 1024)
    return sorted({text for text in texts if (folder / text).is_file()})
