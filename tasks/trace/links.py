"""Each link of the chain of evidence: what it states, and what its bytes say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tasks.core import results
from tasks.core.hashing import PROJECT, file_sha256, json_sha256
from tasks.core.identity import unwatched
from tasks.stores import registry
from tasks.stores.ledger import Ledger
from tasks.trace.case import Case, Link, stage_link


def alias(case: Case) -> Link:
    """The alias points where the ledger says it was moved to."""
    assert case.alias is not None
    detail = f"{case.name}@{case.alias} is version {case.info.version}"
    problems: tuple[str, ...] = ()
    if case.verify and case.alias == registry.CHAMPION and not case.ledger_problems:
        known = Ledger(case.home.ledger).champion(case.name)
        if known != case.info.version:
            problems = (f"{detail}, but the ledger knows of no move there: it says version {known}",)
    return Link("alias", f"{case.name}@{case.alias}", None, detail, problems)


def decision(case: Case) -> Link:
    """The ledger's chain holds, no decision is cut off, and the version's tag names the line."""
    if case.ledger_problems:
        return Link("decision", "", None, case.ledger_problems[0], tuple(case.ledger_problems))
    entry = case.decision
    if entry is None:
        return Link("decision", "", None, "the ledger holds no decision about this version", checked=False)
    tagged = case.info.tags.get(registry.DECISION)
    problems: tuple[str, ...] = ()
    promoted = [
        line for line in case.entries if line.kind == "promote" and line.body.get("version") == case.info.version
    ]
    if tagged is not None and tagged not in {line.hash for line in promoted}:
        problems = (f"the version's tag names a decision {tagged[:12]} that does not promote it",)
    elif tagged is None and entry.kind == "promote" and any(line.kind == "done" for line in case.entries):
        problems = _untagged(case, entry.hash)
    detail = f"{entry.kind} on {entry.time[:19]} by {entry.actor}: {entry.body.get('reason', '')}"
    return Link("decision", entry.hash, entry.hash, detail, problems)


def version(case: Case) -> Link:
    """The model's files are those that were registered and decided on."""
    claimed = case.claim("content", registry.CONTENT)
    detail = f"{case.name}/{case.info.version}, the files consumers load"
    link = Link("version", f"{case.name}/{case.info.version}", claimed, detail)
    if not case.verify:
        return link
    from tasks.stores import runs

    problems = case.disagreement("content", registry.CONTENT)
    package = case.chain.get("package")
    if package and package.record and case.info.tags.get(registry.KEY) != package.record.key:
        problems += (f"the tag {registry.KEY} does not name the result that made the version",)
    actual = runs.content_hash(runs.local_files(case.home, f"models:/{case.name}/{case.info.version}"))
    if actual != claimed:
        problems += (f"the files of {case.name}/{case.info.version} give {actual[:12]}, not {str(claimed)[:12]}",)
    return replace(link, problems=problems)


def run(case: Case) -> Link:
    """The MLflow run is the one the training made, with the parameters it was made with."""
    run_id = case.sealed.get("run_id") or case.info.run_id
    link = Link("run", run_id, None, "MLflow run that tracked the training")
    found = case.chain.get("train")
    record = found.record if found else None
    if record is not None:
        link = replace(link, hash=record.key)
    if not case.verify:
        return link
    from tasks.stores import runs

    info = runs.run_info(case.home, run_id)
    problems = [] if case.info.run_id == run_id else [f"the version names the run {case.info.run_id}"]
    if record is None or found is None or not found.sound:
        return replace(link, problems=tuple(problems), checked=bool(problems))
    if info["tags"].get(registry.KEY) != record.key:
        problems.append(f"the run's tag {registry.KEY} is not the key of the training")
    expected = runs.parameter_texts(record.components["parameters"])
    changed = [name for name, text in expected.items() if name != "name" and info["parameters"].get(name) != text]
    problems += [f"the run's parameter {name} is not what the training was made with" for name in changed]
    return replace(link, problems=tuple(problems))


def weights(case: Case) -> Link:
    """The weights file is the one the training gave, and the one that was packaged."""

    def what(record: results.Record) -> tuple[str, str | None, str]:
        best = f"best of {record.output['epochs']} epochs: {record.output['best_epoch']}"
        return record.output["weights"], record.output["weights_sha256"], best

    link = stage_link(case, "weights", "train", what)
    claimed = case.claim("weights", registry.WEIGHTS)
    if link.hash is None:
        return replace(link, hash=claimed)
    problems = case.disagreement("weights", registry.WEIGHTS)
    if case.verify and not link.problems and link.hash != claimed:
        problems += (f"the training gave {link.hash[:12]}, the decision was about {str(claimed)[:12]}",)
    return replace(link, problems=link.problems + (problems if case.verify else ()))


def evaluation(case: Case) -> Link:
    """Predictions, metrics and report that the model gates and the decision rest on."""
    return stage_link(
        case, "evaluation", "evaluate", lambda record: (record.output["report"], record.identity, "metrics and gates")
    )


def package(case: Case) -> Link:
    """Model card and golden predictions."""
    return stage_link(
        case,
        "package",
        "package",
        lambda record: (record.output["card"], record.key, "model card and golden predictions"),
    )


def preflight(case: Case) -> Link:
    """The cheap checks before the training."""
    return stage_link(
        case,
        "preflight",
        "preflight",
        lambda record: ("preflight", record.identity, f"{record.output['parameters']} trainable parameters"),
    )


def preparation(case: Case) -> Link:
    """Splits, tensors and the fitted transform."""

    def what(record: results.Record) -> tuple[str, str | None, str]:
        rows = ", ".join(f"{split} {count}" for split, count in record.output["rows"].items())
        return record.output["folder"], record.identity, f"rows: {rows}"

    return stage_link(case, "preparation", "prepare", what)


def dataset(case: Case) -> Link:
    """The dataset version can be fetched back byte for byte."""
    claimed = case.claim("dataset", registry.DATASET)

    def what(record: results.Record) -> tuple[str, str | None, str]:
        output = record.output
        return output["version"], output["version"], f"{output['rows']} rows, {output['quarantined']} quarantined"

    link = stage_link(case, "dataset", "version", what)
    if not claimed:
        return link
    link = replace(link, id=link.id or claimed, hash=link.hash or claimed)
    if not case.verify:
        return link
    from tasks.stores import datasets

    problems = case.disagreement("dataset", registry.DATASET) + tuple(datasets.verify(case.home, case.name, claimed))
    if link.hash != claimed and not link.problems:
        problems += (f"the decision was about the dataset {claimed[:12]}",)
    return replace(link, problems=link.problems + problems, checked=True)


def validation(case: Case) -> Link:
    """Which rows were kept, which were quarantined and why."""

    def what(record: results.Record) -> tuple[str, str | None, str]:
        output = record.output
        kept = f"{output['rows_in']} rows in, {output['rows_kept']} kept, {output['rows_quarantined']} quarantined"
        return output["report"], record.identity, kept

    return stage_link(case, "validation", "validate", what)


def source(case: Case) -> Link:
    """The source's bytes, as they were when they were read."""
    return stage_link(
        case,
        "source",
        "ingest",
        lambda record: (
            record.output["candidate"],
            record.output["source"],
            f"{record.output['new_rows']} rows read anew",
        ),
    )


def recipe(case: Case) -> Link:
    """The resolved recipe, put together again from what each stage says it read."""
    claimed = case.sealed.get("recipe_hash") or case.info.tags.get(registry.RECIPE)
    link = Link("recipe", case.name, claimed, "resolved recipe, with the code it names")
    if case.verify and case.decision and case.decision.kind == "promote" and not case.decision.body.get("by_person"):
        link = replace(link, problems=case.disagreement("recipe_hash", registry.RECIPE))
    intact = {stage: found.record for stage, found in case.chain.items() if found.record and found.sound}
    if not case.verify or len(intact) < len(case.chain) or "decide" not in intact:
        return replace(link, checked=False)
    resolved: dict[str, Any] = {}
    code: dict[str, str] = {}
    for record in intact.values():
        for dotted, value in record.components["parameters"].items():
            _put(resolved, dotted.split("."), value)
        code |= {name: sha for name, sha in record.components["code"].items() if ":" in name}
    resolved["training"] = unwatched(resolved["training"])
    actual = json_sha256({"recipe": resolved, "code": code})
    if actual == claimed:
        return link
    if not case.sealed:
        # The tag was set when the model was packaged; gates may have been edited before it was decided on.
        return replace(link, checked=False)
    return replace(
        link, problems=(*link.problems, f"what the stages read gives {actual[:12]}, not {str(claimed)[:12]}")
    )


def code(case: Case) -> Link:
    """The code that made it, file by file; it may have changed since, which is no fault."""
    files: dict[str, str] = {}
    for found in case.chain.values():
        if found.record is not None:
            files |= {name: sha for name, sha in found.record.components["code"].items() if ":" not in name}
    if not files:
        return Link(
            "code", case.info.tags.get(registry.COMMIT, ""), None, "this home has no record of it", checked=False
        )
    absent = [name for name in files if not (PROJECT / name).is_file()]
    changed = [name for name, sha in files.items() if name not in absent and not _same_code(name, sha)]
    detail = f"{len(files)} files"
    if absent or changed:
        detail += f", {len(absent) + len(changed)} of them changed since by an upgrade of Evergreen"
    commit = case.info.tags.get(registry.COMMIT, "")
    return Link("code", commit, json_sha256(files), detail, checked=not absent and not changed)


CHAIN: tuple[Callable[[Case], Link], ...] = (
    decision,
    version,
    run,
    weights,
    evaluation,
    package,
    preflight,
    preparation,
    dataset,
    validation,
    source,
    recipe,
    code,
)
"""The links behind a version, from the decision back to source, recipe and code."""


def _same_code(name: str, sha: str) -> bool:
    # A stage's own file is hashed without the other stages in it, so it cannot be compared as a whole.
    return name.endswith("/stage.py") or file_sha256(PROJECT / name) == sha


def _untagged(case: Case, identifier: str) -> tuple[str, ...]:
    moved = any(
        line.kind == "done" and line.body.get("decision") == identifier and line.body.get("outcome") == "moved"
        for line in case.entries
    )
    return (f"the version lacks the tag {registry.DECISION}",) if moved else ()


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    if isinstance(value, dict) and isinstance(values.get(path[-1]), dict):
        values[path[-1]] |= value
    else:
        values[path[-1]] = value
