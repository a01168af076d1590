"""A candidate dataset: the committed one plus what this read of the source adds."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from tasks.core.context import Context
from tasks.core.contracts import Gate, Ingested
from tasks.core.rows import Identity
from tasks.ingest.batches import Batch, Known, next_batch
from tasks.ingest.readers import fingerprint, read, unreadable
from tasks.ingest.windows import with_windows
from tasks.stores import datasets
from tasks.stores.datasets import Candidate, Manifest
from tasks.stores.shards import write_shard


def make_candidate(context: Context) -> Ingested:
    """Read, compare with the parent, write the new shard and candidate.json into the stage's folder.

    The parent is left behind, and a dataset begun anew, when the recipe now knows rows by something else
    (another id, or without an id another target): old and new row ids could not be compared.

    Raises:
        RequestError: the path matches nothing.
        GateStopped: gate `readable` failed.
    """
    data = context.recipe.data
    lenient = "readable" in context.disabled
    # Read as text, so that "007" stays "007" whichever file or batch it stands in.
    text = tuple(name for name in (data.id, getattr(data.split, "group", None)) if name is not None)
    bytes_read = fingerprint(data.reader, context.recipe_folder)
    if bytes_read != context.outside.get("source", bytes_read):
        unreadable("The source of data.reader changed since the run was planned.", field="data.reader")
    source = with_windows(read(data.reader, context.recipe_folder, text=text, lenient=lenient), data)
    if fingerprint(data.reader, context.recipe_folder) != bytes_read:
        unreadable("The source of data.reader changed while it was read.", field="data.reader")
    if data.id is not None and data.id not in source.columns:
        unreadable(f"The source has no column '{data.id}', which data.id names.", field="data.id", column=data.id)
    parent, identity = _parent(context, source)
    batch = next_batch(source, identity, _known(context, parent))
    manifest = _extended(context, parent[1] if parent else None, identity, batch)
    candidate = Candidate(
        recipe=context.recipe.name,
        ingest_key=context.key,
        parent=parent[0] if parent else None,
        source=bytes_read,
        manifest=manifest,
    )
    return Ingested(
        candidate=datasets.write_candidate(context.home, context.folder, candidate),
        source=candidate.source,
        rows=manifest.rows,
        new_rows=batch.new,
        superseded=batch.superseded,
        batch=max(manifest.batches - 1, 0),
        parent=candidate.parent,
        columns={str(name): str(dtype) for name, dtype in source.dtypes.items()},
        gates=(_readable(source),),
    )


def _parent(context: Context, source: pd.DataFrame) -> tuple[tuple[str, Manifest] | None, Identity]:
    """The version to extend, unless its rows are known by something else; and what rows are known by."""
    data = context.recipe.data
    own = Identity(data.id, data.target, tuple(sorted(str(name) for name in source.columns if name != data.target)))
    if context.parent is None:
        return None, own
    info = datasets.version_info(context.home, context.recipe.name, context.parent)
    kept = Identity(**(info.manifest.identity | {"columns": tuple(info.manifest.identity["columns"])}))
    if not kept.same_rows(own):
        return None, own
    return (info.version, info.manifest), Identity(data.id, data.target, kept.columns)


def _known(context: Context, parent: tuple[str, Manifest] | None) -> Known | None:
    if parent is None:
        return None
    version, manifest = parent
    return Known(datasets.version_rows(context.home, context.recipe.name, version), manifest.batches)


def _extended(context: Context, parent: Manifest | None, identity: Identity, batch: Batch) -> Manifest:
    shards = parent.shards if parent else ()
    batches = parent.batches if parent else 0
    if len(batch.rows):
        shards = (*shards, write_shard(batch.rows, context.folder, "rows", int(batch.rows["batch"].max())))
    return Manifest(
        shards=shards,
        identity=asdict(identity) | {"columns": list(identity.columns)},
        rows=(parent.rows if parent else 0) + batch.new,
        batches=batches + bool(batch.new),
    )


def _readable(source: pd.DataFrame) -> Gate:
    return Gate("readable", "passed", evidence={"rows": len(source), "columns": source.shape[1]})
