"""List, show, check out or pin dataset versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, pass_invocation, table

if TYPE_CHECKING:
    from tasks.core.home import Home
    from tasks.core.load import LoadedRecipe


command = click.Group(
    "data",
    no_args_is_help=False,
    help="""Work with the dataset versions that runs of RECIPE have made.

    A version is known by DVC's hash; its first digits will do where a command asks for one.""",
)


@command.command("list")
@click.argument("recipe")
@pass_invocation
def list_versions(invocation: Invocation, recipe: str) -> Answer:
    """List every dataset version of RECIPE, oldest first."""
    from tasks.stores import datasets

    loaded, home = _open(invocation, recipe)
    name = loaded.recipe.name
    newest = datasets.head(home, name)
    versions = [
        {
            "version": info.version,
            "parent": info.parent,
            "created": info.created,
            "rows": info.rows,
            "quarantined": info.quarantined,
            "labelled": info.labelled,
            "batches": info.batches,
            "bytes": info.size,
            "newest": newest is not None and info.version == newest.version,
        }
        for info in datasets.versions(home, name)
    ]
    payload = {"status": "completed", "recipe": name, "versions": versions}
    if not versions:
        return Answer(payload, f"{name}: no dataset version yet; `evergreen run {recipe} --until version` makes one")
    rows = [
        (
            ("* " if item["newest"] else "  ") + str(item["version"]),
            str(item["created"])[:19].replace("T", " "),
            item["rows"],
            item["quarantined"],
            item["labelled"],
            item["batches"],
        )
        for item in versions
    ]
    return Answer(payload, table(("  version", "made (UTC)", "rows", "quarantined", "labelled", "batches"), rows))


@command.command("show")
@click.argument("recipe")
@click.argument("version", required=False)
@click.option("--rows", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="How many rows.")
@pass_invocation
def show_rows(invocation: Invocation, recipe: str, version: str | None, rows: int) -> Answer:
    """Show the first rows of a dataset version as records; without VERSION, of the newest."""
    from tasks.stores import datasets

    loaded, home = _open(invocation, recipe)
    name = loaded.recipe.name
    info = datasets.version_info(home, name, version or _newest(home, name, recipe))
    records = datasets.show(home, name, info.version, rows)
    payload: dict[str, Any] = {"status": "completed", "recipe": name, "version": info.version, "rows": records}
    columns = list(records[0]) if records else []
    shown = columns if len(columns) <= 12 else columns[:12]
    lines = [f"{name} {info.version}: {len(records)} of {info.rows} rows", ""]
    if records:
        lines.append(table(shown, [[record[column] for column in shown] for record in records]))
    if len(shown) < len(columns):
        lines.append(f"… and {len(columns) - len(shown)} more columns; --json shows all")
    return Answer(payload, "\n".join(lines))


@command.command("checkout")
@click.argument("recipe")
@click.argument("version")
@click.option("--out", required=True, metavar="DIR", help="An empty or new folder for the files.")
@pass_invocation
def check_out(invocation: Invocation, recipe: str, version: str, out: str) -> Answer:
    """Write the files of dataset VERSION below DIR, byte for byte."""
    from tasks.stores import datasets

    loaded, home = _open(invocation, recipe)
    folder = Path(out).expanduser().absolute()
    info = datasets.checkout(home, loaded.recipe.name, version, folder)
    payload = {
        "status": "completed",
        "recipe": loaded.recipe.name,
        "version": info.version,
        "out": str(folder),
        "files": len(info.md5s),
        "bytes": info.size,
    }
    return Answer(payload, f"{loaded.recipe.name} {info.version}: {len(info.md5s)} files, {info.size} bytes → {folder}")


@command.command("pin")
@click.argument("recipe")
@pass_invocation
def pin(invocation: Invocation, recipe: str) -> Answer:
    """Write the DVC pointer to the newest version into the recipe's folder, to be committed with git."""
    from tasks.stores import datasets

    loaded, home = _open(invocation, recipe)
    version = _newest(home, loaded.recipe.name, recipe)
    file = datasets.pin(home, loaded.recipe.name, loaded.folder)
    payload = {"status": "completed", "recipe": loaded.recipe.name, "version": version, "file": str(file)}
    return Answer(payload, f"{loaded.recipe.name} {version} is pinned in {file}")


def _open(invocation: Invocation, recipe: str) -> tuple[LoadedRecipe, Home]:
    from tasks.core.load import load_recipe

    return load_recipe(recipe), invocation.open_home()


def _newest(home: Home, name: str, recipe: str) -> str:
    from tasks.core.errors import RequestError
    from tasks.stores import datasets

    head = datasets.head(home, name)
    if head is None:
        raise RequestError(
            f"{name} has no dataset version in {home.root} yet.",
            remedy=f"`evergreen run {recipe} --until version` makes the first.",
            code="dataset_version",
        )
    return head.version
