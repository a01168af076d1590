"""The stages that turn source bytes into a dataset version: ingest, and after validation, version."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Ingested, Validated, Versioned
from tasks.stage import stage


@stage(
    "ingest",
    reads=("data.reader", "data.id", "data.target", "data.time", "data.split", "data.windows"),
    libraries=("pandas", "pyarrow", "scikit-learn"),
)
def ingest(context: Context) -> Ingested:
    """Read the source and write the rows that are new or edited as one shard beside candidate.json.

    Raises:
        RequestError: the path matches nothing.
        GateStopped: gate `readable` failed.
    """
    from tasks.ingest.candidate import make_candidate

    return make_candidate(context)


@stage("version", inputs=("ingest", "validate"), libraries=("dvc",), retries=2)
def version(context: Context, ingested: Ingested, validated: Validated) -> Versioned:
    """Commit the candidate to DVC and give a copy of exactly that version.

    Raises:
        GateError: the bytes of an earlier version are damaged in every place.
        ServiceError: the remote does not take or give back the bytes.
    """
    from tasks.stores import datasets

    name = context.recipe.name
    version = datasets.commit(context.home, name, ingested, validated, context.folder)
    info = datasets.version_info(context.home, name, version)
    return Versioned(
        version=version,
        rows=info.rows,
        quarantined=info.quarantined,
        labelled=info.labelled,
        batches=info.batches,
        folder=context.relative(context.folder / "dataset"),
    )
