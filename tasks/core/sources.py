"""The section of a recipe that says where rows come from: `data.reader` and its kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tasks.core.blocks import Block, Custom


class CsvReader(Block):
    """Delimited text."""

    kind: Literal["csv"]
    path: str
    """File or glob, relative to the recipe's folder; any fsspec URL."""
    separator: str = ","
    """What stands between two cells."""
    decimal: str = "."
    """What stands before the decimals of a number."""
    encoding: str = "utf-8"
    """How the bytes are text, as Python names it."""


class ParquetReader(Block):
    """Parquet files."""

    kind: Literal["parquet"]
    path: str
    """File or glob, relative to the recipe's folder; any fsspec URL."""


class JsonlReader(Block):
    """JSON lines: one object of plain values a line, as UTF-8; a name that a line lacks is a missing value."""

    kind: Literal["jsonl"]
    path: str
    """File or glob, relative to the recipe's folder; any fsspec URL. What ends in .gz is decompressed."""


class NpzReader(Block):
    """NumPy archives (`numpy.savez`): an array of inputs and one of targets, a row for each example."""

    kind: Literal["npz"]
    path: str
    """File or glob, relative to the recipe's folder; any fsspec URL."""
    inputs: str = "x"
    """Array of numbers: [N, d] becomes the columns `<inputs>_<place>`; [N, height, width] becomes
    `<inputs>_<row>_<column>`, which an image feature of that name takes."""
    target: str = "y"
    """Array [N]; it becomes the column of its name, which data.target then names."""
    columns: tuple[str, ...] = ()
    """Further arrays [N], each a column of its name: an id, a time."""

    @model_validator(mode="after")
    def _names_differ(self) -> NpzReader:
        names = [self.inputs, self.target, *self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"data.reader names the array '{twice[0]}' twice; inputs, target and columns must differ")
        return self


class IdxReader(Block):
    """The files of MNIST and Fashion-MNIST (IDX): images in one file, their labels in another."""

    kind: Literal["idx"]
    images: str
    """File or glob of images, relative to the recipe's folder; any fsspec URL. Compressed with gzip, or plain."""
    labels: str
    """As many files of labels; the first belongs to the first of the images, in the order of their names."""
    feature: str = "pixel"
    """What the columns `<feature>_<row>_<column>` begin with; an image feature of that name takes them."""
    target: str = "label"
    """Column that gets the labels."""


class SklearnReader(Block):
    """Real data bundled with scikit-learn: works offline."""

    kind: Literal["sklearn"]
    name: Literal["digits", "breast_cancer", "diabetes", "iris", "wine"]
    """The data set."""


FileReader = CsvReader | ParquetReader | JsonlReader | NpzReader
"""Every file that `path` names is a table of its own."""

Reader = Annotated[FileReader | IdxReader | SklearnReader | Custom, Field(discriminator="kind")]
