"""A first data card: what the table holds, what was decided, and the questions only a person can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.validate.columns import Column
    from tasks.validate.inference import Inference

QUESTIONS = (
    "Where do the data come from, who collected them, and when?",
    "Under which licence or agreement may they be used, and for what?",
    "Do they describe people, and if so: did they agree, and which groups could be treated worse?",
    "Which columns are known at the moment a prediction is asked for? The others belong to `kind: drop`.",
    "How is the target measured, and how often is it wrong?",
)


def data_card(found: Inference, name: str, source: str) -> str:
    """The card as Markdown: names, kinds and counts, no value of a row.

    Args:
        found: What `infer` concluded.
        name: The model's name.
        source: The data file's or folder's name.
    """
    lines = [
        f"# Data card: {name}",
        "",
        f"{found.rows:,} rows, {len(found.columns) + 1} columns, read from `{source}`. "
        f"{found.labelled:,} rows have a value of the target `{found.target}`, learned as a {found.problem}.",
        "",
        "## Decisions",
        "",
        *(f"- {note}" for note in found.notes),
        "",
        "## Columns",
        "",
        "| column | stored as | used as | different values | gaps |",
        "|---|---|---|---:|---:|",
        *(_row(column, found) for column in found.columns),
        "",
        "## Questions for you",
        "",
        *(f"- {question}" for question in QUESTIONS),
    ]
    return "\n".join(lines) + "\n"


def _row(column: Column, found: Inference) -> str:
    if column.name == found.id:
        used = "id"
    elif column.name == found.time:
        used = "time, datetime" if column.parts else "time"
    elif column.role == "drop":
        used = f"left out: {column.why}"
    else:
        used = column.role
    gaps = f"{column.gaps / found.rows:.1%}" if column.gaps else "none"
    name = column.name.replace("|", "\\|").replace("\n", " ")
    return f"| {name} | {column.dtype} | {used} | {column.distinct:,} | {gaps} |"
