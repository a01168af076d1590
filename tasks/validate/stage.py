"""Stage `validate`: judge the candidate rows, set the bad ones aside with reasons, report the data gates."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Ingested, Validated
from tasks.core.errors import RequestError
from tasks.stage import stage


@stage(
    "validate",
    inputs=("ingest",),
    reads=(
        "name",
        "problem",
        "data.target",
        "data.id",
        "data.time",
        "data.features",
        "data.split",
        "data.expectations",
        "gates.min_rows",
        "gates.max_quarantined",
        "gates.max_duplicates",
        "gates.max_overlap",
        "gates.min_rows_per_class",
    ),
    libraries=("pandas", "great-expectations", "scikit-learn", "scipy"),
)
def validate(context: Context, ingested: Ingested) -> Validated:
    """Evaluate the data gates; writes `quarantine.parquet` and `validation.html`.

    Raises:
        RequestError: the expectation suite cannot be used.
    """
    from tasks.core.hashing import file_sha256
    from tasks.stores.datasets import candidate_rows
    from tasks.validate.expectations import load_suite
    from tasks.validate.judge import judge
    from tasks.validate.page import write_page
    from tasks.validate.quarantine import write

    recipe = context.recipe
    named = recipe.data.expectations
    suite = load_suite(context.recipe_folder / named) if named else None
    if named and file_sha256(context.recipe_folder / named) != context.outside.get("expectations"):
        raise RequestError(
            f"The expectation suite {named} changed since the run was planned.",
            remedy="Run again.",
            code="expectations",
        )
    context.progress(0.1, "reading the candidate rows")
    frame = candidate_rows(context.home, ingested)
    context.progress(0.3, f"judging {len(frame):,} rows")
    judgement = judge(frame, recipe, suite, ingested.batch, ingested.columns)
    set_aside = context.folder / "quarantine.parquet"
    write(set_aside, judgement.reasons)
    report = write_page(context.folder / "validation.html", recipe.name, judgement)
    return Validated(
        rows_in=len(frame),
        rows_kept=len(frame) - len(judgement.reasons),
        rows_quarantined=len(judgement.reasons),
        quarantine=context.relative(set_aside),
        report=context.relative(report),
        gates=judgement.gates,
    )
