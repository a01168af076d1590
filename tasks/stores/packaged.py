"""Reading a registered model's files, after making sure that they are the ones that were registered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import GateError, RequestError
from tasks.core.home import Home
from tasks.stores import registry, runs


@dataclass(frozen=True)
class Verified:
    """A version whose files have the content hash that its tag states."""

    name: str
    info: registry.VersionInfo
    folder: Path
    """The model's files (see tasks/release/package.py)."""

    def read(self, file: str) -> Any:
        """A JSON file of the package: recipe.json, transform.json, model.json or golden.json."""
        return json.loads((self.folder / "artifacts" / "package" / file).read_text(encoding="utf-8"))

    @property
    def weights(self) -> Path:
        """The safetensors file of its network."""
        return self.folder / "artifacts" / "package" / "weights.safetensors"

    def scorer(self, home: Home) -> Any:
        """Load the model; `predict(None, frame)` answers a frame of feature columns.

        This is the packaged scorer itself: MLflow's wrapper around it looks at every cell in Python.

        Raises:
            ServiceError: the registry does not answer.
        """
        return runs.load(home, f"models:/{self.name}/{self.info.version}").unwrap_python_model()


def verified(home: Home, name: str, version: str) -> Verified:
    """Find a version's files and check them; code in a model is run when it is loaded, so check first.

    Raises:
        RequestError: there is no such version, or its files are gone.
        GateError: the files are not those that were registered.
        ServiceError: the registry does not answer.
    """
    info = registry.version(home, name, version)
    if info is None:
        raise RequestError(
            f"{name} has no version {version}.", remedy=f"`evergreen history {name}` lists what exists.", code="version"
        )
    folder = runs.local_files(home, f"models:/{name}/{version}")
    if runs.content_hash(folder) != info.tags.get(registry.CONTENT):
        raise GateError(
            f"The files of {name}/{version} in {folder} are not those that were registered.",
            remedy="Restore them from a backup, or roll back to another version.",
            code="model",
        )
    return Verified(name, info, folder)
