"""A recipe whose CSV changes, taken through ingest and version as a run does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from tasks.core.context import Context
from tasks.core.contracts import Ingested, Validated, Versioned, to_json
from tasks.core.home import Home
from tasks.core.recipe import Recipe
from tasks.ingest.stage import ingest, version
from tasks.stores import datasets

FIRST = "key,a,y\n1,10,1\n2,20,0\n3,,1\n"


class Life:
    """Keeps the home, the recipe and its source together."""

    def __init__(self, home: Home, folder: Path, name: str = "claims", row_id: str | None = "key") -> None:
        self.home, self.folder, self.steps = home, folder / name, 0
        self.folder.mkdir(parents=True)
        self.recipe = Recipe.model_validate_json(
            json.dumps(
                {
                    "name": name,
                    "problem": "regression",
                    "data": {"reader": {"kind": "csv", "path": "in.csv"}, "target": "y", "id": row_id},
                }
            )
        )

    def context(self, stage: str, parent: str | None) -> Context:
        self.steps += 1
        folder = self.home.work(self.recipe.name, stage, f"{self.steps:016d}")
        folder.mkdir(parents=True, exist_ok=True)
        return Context(self.recipe, self.folder, self.home, folder, f"key-{self.steps}", "hash", {"parent": parent})

    def ingest(self, text: str, parent: str | None = "head") -> Ingested:
        (self.folder / "in.csv").write_text(text)
        head = datasets.head(self.home, self.recipe.name)
        return ingest(self.context("ingest", (head.version if head else None) if parent == "head" else parent))

    def validated(self, ingested: Ingested, bad: dict[str, str] | None = None) -> Validated:
        path = self.home.root / f"quarantine-{self.steps}.parquet"
        pd.DataFrame({"row_id": list(bad or {}), "reasons": list((bad or {}).values())}, dtype=object).to_parquet(path)
        kept = ingested.rows - len(bad or {})
        return Validated(ingested.rows, kept, len(bad or {}), self.home.relative(path), "", ())

    def version(self, ingested: Ingested, bad: dict[str, str] | None = None) -> Versioned:
        return version(self.context("version", None), ingested, self.validated(ingested, bad))

    def run(self, text: str) -> Versioned:
        return self.version(self.ingest(text))

    def rows(self, versioned: Versioned, **options: bool) -> pd.DataFrame:
        return datasets.load_rows(self.home.path(versioned.folder), **options)

    def objects(self, where: str) -> dict[str, Path]:
        store = self.home.remote if where == "remote" else self.home.dataset(self.recipe.name) / ".dvc" / "cache"
        return {path.parent.name + path.name: path for path in (store / "files" / "md5").rglob("*") if path.is_file()}

    def request(self, ingested: Ingested) -> Path:
        """A file that tells `commit_once` in another process what to commit."""
        values = {"ingested": to_json(ingested), "validated": to_json(self.validated(ingested))}
        path = self.folder / "request.json"
        path.write_text(json.dumps(values))
        return path


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
