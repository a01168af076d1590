"""The stage `explore`: what the data look like, as one page, and what follows for the features, in words."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Explored, Versioned
from tasks.stage import stage


@stage(
    "explore",
    inputs=("version",),
    reads=(
        *("name", "problem", "data.target", "data.id", "data.time", "data.features", "data.split"),
        "transforms.text",
    ),
    libraries=("jinja2", "numpy", "pandas", "pyarrow"),
)
def explore(context: Context, versioned: Versioned) -> Explored:
    """Describe the rows that were not quarantined, labelled or not."""
    from tasks.explore.columns import describe, read_table
    from tasks.explore.findings import findings
    from tasks.explore.page import dataset_page
    from tasks.explore.relations import relate
    from tasks.explore.words import tell
    from tasks.stores.datasets import load_rows

    recipe = context.recipe
    frame = load_rows(context.home.path(versioned.folder))
    table = read_table(frame, recipe.data, recipe.problem)
    described = {name: describe(values) for name, values in table.numeric.items()}
    if recipe.problem == "regression":
        described[table.target_name] = describe(table.target)
    relations = relate(table)
    told = tell(frame, table, recipe.data, recipe.transforms.text)
    found = findings(table, described, relations, told)
    page = dataset_page(recipe.name, versioned.version, table, described, relations, told, found)
    return Explored(context.relative(page.write(context.folder / "data.html")), found)
