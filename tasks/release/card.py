"""The model card: what a packaged model is, what it was measured to do, and how to load it.

It states what the run recorded and nothing else. Written before the decision, because the card belongs
to the version and a version may be decided on more than once: decisions are in the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Gate, Prepared, Trained, Versioned
from tasks.core.home import write_atomically
from tasks.core.windows import window_columns
from tasks.report.numbers import count, listing

ENDED = {
    "epochs": "the number of epochs",
    "early_stopping": "early stopping",
    "timeout": "timeout",
    "not_finite": "a loss that was not finite",
    "callback": "a callback of the recipe",
}
"""Why a training stopped → in words."""


def write_card(
    path: Path,
    context: Context,
    version: str,
    versioned: Versioned,
    prepared: Prepared,
    trained: Trained,
    evaluated: Evaluated,
    requirements: Sequence[str],
) -> None:
    """Write the card of one registered version as Markdown; the same results give the same bytes."""
    name = context.recipe.name
    sections = [
        f"# {name}, version {version}",
        _what(context, prepared, trained),
        _data(context, versioned, prepared),
        _training(context, trained),
        _metrics(prepared, evaluated),
        _gates(evaluated.gates),
        _limits(context, prepared),
        _use(context, version, prepared, requirements),
        _provenance(context, versioned, trained),
    ]
    write_atomically(path, "\n\n".join(sections) + "\n")


def _what(context: Context, prepared: Prepared, trained: Trained) -> str:
    recipe = context.recipe
    if recipe.problem == "classification":
        answer = f"one of {prepared.output_size} classes of `{recipe.data.target}`"
    else:
        answer = f"the number `{recipe.data.target}`"
    network = f"A `{recipe.model.kind}` network with {trained.parameters:,} parameters that"
    columns = f"{len(prepared.feature_columns)} feature columns"
    if recipe.problem == "reconstruction":
        return f"{network} reproduces {columns}; how far a row is from its reconstruction is its anomaly score."
    return f"{network} predicts {answer} from {columns}."


def _data(context: Context, versioned: Versioned, prepared: Prepared) -> str:
    rows = [
        ("Dataset version", f"`{versioned.version}`"),
        ("Rows", f"{versioned.rows:,}, in {versioned.batches} batches"),
        ("Quarantined, not used", f"{versioned.quarantined:,}"),
        *([] if context.recipe.data.target is None else [("With a target", f"{versioned.labelled:,}")]),
        *((f"Rows for {split}", f"{count:,}") for split, count in sorted(prepared.rows.items())),
        ("Split", f"{context.recipe.data.split.kind}, key {context.recipe.data.split.key}"),
    ]
    if prepared.cutoff:
        rows.append(("Training saw rows up to", prepared.cutoff))
    return "\n\n".join(["## Data", _table(("", ""), rows), *prepared.notes])


def _training(context: Context, trained: Trained) -> str:
    training = context.recipe.training
    rows = [
        ("Epochs", f"{trained.epochs} of {training.epochs}, ended by {ENDED[trained.stopped]}"),
        ("Weights kept from epoch", trained.best_epoch),
        ("Began with", trained.start or "fresh weights"),
        ("Loss", training.loss.kind),
        ("Optimizer", f"{training.optimizer.kind}, learning rate {training.optimizer.lr:g}"),
        ("Batch size", training.batch_size),
        ("Seed", training.seed),
        ("Device", trained.device),
    ]
    return "## Training\n\n" + _table(("", ""), rows)


def _metrics(prepared: Prepared, evaluated: Evaluated) -> str:
    splits = [split for split in ("validation", "test") if split in evaluated.metrics]
    names = sorted({name for split in splits for name in evaluated.metrics[split]})
    rows = [(name, *(_number(evaluated.metrics[split].get(name)) for split in splits)) for name in names]
    heads = ("Metric", *(f"{split} (n = {prepared.rows.get(split, 0):,})" for split in splits))
    text = "## Metrics\n\n" + _table(heads, rows)
    if evaluated.baseline:
        baseline = ", ".join(f"{name} {_number(value)}" for name, value in sorted(evaluated.baseline.items()))
        text += f"\n\nA predictor that ignores the features reaches, on the test rows: {baseline}."
    if evaluated.undefined:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(evaluated.undefined.items()))
        text += f"\n\nWithout a value: {reasons}."
    return text


def _gates(gates: Sequence[Gate]) -> str:
    rows = [(gate.name, gate.state, "" if gate.threshold is None else _number(gate.threshold)) for gate in gates]
    text = _table(("Gate", "State", "Threshold"), rows) if rows else "None was evaluated before packaging."
    return (
        f"## Gates\n\n{text}\n\nThe gates `servable` and `better_than_champion` are evaluated after packaging; "
        "their results and every decision about this version are in the ledger."
    )


def _limits(context: Context, prepared: Prepared) -> str:
    transforms = context.recipe.transforms
    kinds = {feature.kind for feature in context.recipe.data.features.values()}
    refused, masked = "refuses rows with a missing number", "fills no gap and is told of each by a mask"
    if "series" in kinds and prepared.sequence:
        masked += ", but refuses one inside a series"
    elif kinds & {"image", "series"}:
        masked = refused
    gaps = {
        "none": masked,
        "refuse": refused,
        "constant": f"fills a missing number with {transforms.fill_value}",
    }.get(transforms.impute, f"fills a missing number with the training rows' {transforms.impute}")
    lines = [
        f"- The metrics describe rows like the {prepared.rows.get('test', 0):,} test rows, and no other population.",
        f"- The model {gaps}, and takes every category it has not seen for the same unknown one.",
        *(["- A number far outside the training rows' quartiles is cut off."] if transforms.outliers == "clip" else []),
        *(
            ["- Its probabilities are those of a world whose classes are as even as its training rows were made."]
            if transforms.balance.kind != "none"
            else []
        ),
        *(
            ["- Its anomaly scores are in its own scaled units: those of two versions are no comparison."]
            if context.recipe.problem == "reconstruction"
            else []
        ),
        "- It was not examined for fairness between groups of people, nor for resistance to manipulated inputs.",
    ]
    return "## Limits\n\n" + "\n".join(lines)


def _use(context: Context, version: str, prepared: Prepared, requirements: Sequence[str]) -> str:
    name = context.recipe.name
    columns = ", ".join(f"`{column}`" for column in prepared.feature_columns[:12])
    more = len(prepared.feature_columns) - 12
    shown = columns + (f" and {more} more" if more > 0 else "")
    outputs = "`prediction`" + (" and one `probability_<class>` per class" if prepared.classes else "")
    if context.recipe.problem == "reconstruction":
        outputs += ', the anomaly score, and with `params={"latent": True}` the latent features `latent_<number>`'
    return (
        "## How to load it\n\n"
        f'```python\nimport mlflow\n\nmodel = mlflow.pyfunc.load_model("models:/{name}/{version}")\n'
        "predictions = model.predict(frame)\n```\n\n"
        f"`frame` is a pandas DataFrame with {shown}; the answer has {outputs}. "
        f"It needs {', '.join(f'`{requirement}`' for requirement in requirements)} and no other package; "
        "no file of the model is a pickle." + _windows(context)
    )


def _windows(context: Context) -> str:
    """What the columns of a window hold, for those who have to bring them."""
    data, windows = context.recipe.data, context.recipe.data.windows
    if windows is None:
        return ""
    names = window_columns(windows)
    values = listing([f"`{column}`" for column in windows.columns])
    of_one = f" of the same `{windows.by}`" if windows.by is not None else ""
    return (
        f"\n\n`{names[0]}` to `{names[-1]}` are the window: {values} of "
        f"{count(windows.length, 'row')}{of_one} in the order of `{data.time}`, the oldest first. The answer is about "
        f"the row {windows.horizon} after the last of them. `evergreen predict {context.recipe.name} FILE` makes "
        "the windows itself from rows as the recipe's source gives them, and forecasts the rows that are to come."
    )


def _provenance(context: Context, versioned: Versioned, trained: Trained) -> str:
    rows = [
        ("MLflow run", f"`{trained.run_id}`"),
        ("Dataset version", f"`{versioned.version}`"),
        ("Recipe (SHA-256)", f"`{context.recipe_hash}`"),
        ("Weights (SHA-256)", f"`{trained.weights_sha256}`"),
        ("Key of the package", f"`{context.key}`"),
    ]
    return (
        "## Where it comes from\n\n"
        + _table(("", ""), rows)
        + f"\n\n`evergreen explain {context.recipe.name} --verify` recomputes these hashes."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
