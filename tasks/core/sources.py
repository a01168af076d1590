"""The section of a recipe that says where rows come from: `data.reader` and its kinds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

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


Side = Annotated[int, Field(gt=0, le=128)]


class ImageFolderReader(Block):
    """A folder of PNG and JPEG files, one sub-folder for each class.

    Pictures are turned upright as their camera noted,
    stretched to one size and stored as columns of pixels; transparency is ignored.
    """

    kind: Literal["image_folder"]
    path: str
    """Folder on this machine, relative to the recipe's folder; the name of a sub-folder is the class."""
    size: tuple[Side, Side]
    """Height and width in pixels that every picture gets."""
    filter: Literal["box", "bilinear", "bicubic", "lanczos"] = "bilinear"
    """How pixels are mixed where a picture has another size."""
    colors: Literal["grey", "rgb"] = "grey"
    """`grey`: one image feature, `<feature>`; `rgb`: three, `<feature>_red`, `<feature>_green`, `<feature>_blue`."""
    feature: str = "pixel"
    """What the columns `<feature>_<row>_<column>` begin with."""
    target: str = "label"
    """Column that gets the class."""
    file: str | None = None
    """Column that gets the file's name below the folder, for data.id: a picture that changes is then an edit of its
    row; none: a picture is known by its pixels."""

    @field_validator("path")
    @classmethod
    def _is_here(cls, path: str) -> str:
        if "://" in path.removeprefix("file://"):
            raise ValueError("a folder of pictures must lie on this machine")
        return path


class SqlReader(Block):
    """A table or a query of any database that SQLAlchemy has a driver for; nothing is written to it."""

    kind: Literal["sql"]
    url: SecretStr
    """`dialect://user:password@host/database`, never shown; take it from the environment with ${oc.env:NAME}. A SQLite
    file (`sqlite:///rows.db`) is relative to the recipe's folder."""
    table: str | None = None
    """Table or view, read whole; `schema.table` where it has one."""
    query: str | None = None
    """Or a SELECT. Where rows are written all the time it should end before now, at yesterday for example: a source
    that changes while it is read stops the run."""
    watermark: str | None = None
    """SELECT whose answer is another whenever the rows are (`SELECT count(*), max(changed) FROM claims`); none: all
    rows are read to see whether they changed."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        if not re.match(r"[A-Za-z][A-Za-z0-9_+.-]*://", url.get_secret_value()):
            raise ValueError("the address of a database looks like dialect://user:password@host/database")
        return url

    @field_validator("query", "watermark")
    @classmethod
    def _only_asks(cls, statement: str | None) -> str | None:
        if statement is not None and not re.match(r"(\s|--.*\n)*(select|with)\b", statement, flags=re.IGNORECASE):
            raise ValueError("a statement must begin with SELECT or WITH; nothing is written to the database")
        return statement

    @model_validator(mode="after")
    def _one_of_two(self) -> SqlReader:
        if (self.table is None) == (self.query is None):
            raise ValueError("data.reader of kind sql needs either table or query")
        return self


class SklearnReader(Block):
    """Real data bundled with scikit-learn: works offline."""

    kind: Literal["sklearn"]
    name: Literal["digits", "breast_cancer", "diabetes", "iris", "wine"]
    """The data set."""


FileReader = CsvReader | ParquetReader | JsonlReader | NpzReader
"""Every file that `path` names is a table of its own."""

Reader = Annotated[
    FileReader | IdxReader | ImageFolderReader | SqlReader | SklearnReader | Custom, Field(discriminator="kind")
]
