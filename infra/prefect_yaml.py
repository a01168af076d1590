"""Write infra/prefect.yaml: the deployments of every shipped recipe that has a schedule.

    .venv/bin/python infra/prefect_yaml.py > infra/prefect.yaml

It gives the same deployments as `evergreen deploy RECIPE --pool NAME`, for teams that deploy with Prefect's own
command. Nothing in it belongs to one machine: where recipes and home lie, and who carries the flows out, is read
from the environment by `prefect deploy`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flows.deployments import Spec, prefect_yaml, specs_of  # noqa: E402
from tasks.core.load import load_recipe  # noqa: E402

HEADER = """\
# Deployments of the shipped recipes that have a schedule. Generated; do not edit:
#
#     .venv/bin/python infra/prefect_yaml.py > infra/prefect.yaml
#
# Use, from the checkout, with the same paths wherever the flows run:
#
#     export PREFECT_API_URL=http://server:4200/api
#     export EVERGREEN_DATA=/srv/evergreen/data EVERGREEN_HOME=/srv/evergreen/home EVERGREEN_POOL=local
#     prefect --no-prompt deploy --all --prefect-file infra/prefect.yaml
#
# `evergreen deploy RECIPE --pool NAME` gives the same deployments for any recipe, and beside them the automations
# for silent and crashed runs, which a prefect.yaml cannot hold.
"""
HOME = "{{ $EVERGREEN_HOME }}"
POOL = "{{ $EVERGREEN_POOL }}"


def text(folder: Path) -> str:
    """The whole file, for the recipes of a folder."""
    return HEADER + prefect_yaml(_specs(folder), POOL)


def _specs(folder: Path) -> list[Spec]:
    found: list[Spec] = []
    for file in sorted(folder.glob("*/recipe.yaml")):
        recipe = load_recipe(str(file)).recipe
        if recipe.schedule.monitor or recipe.schedule.retrain:
            found += specs_of(recipe, f"{{{{ $EVERGREEN_DATA }}}}/{file.parent.name}/recipe.yaml", HOME)
    return found


if __name__ == "__main__":
    sys.stdout.write(text(ROOT / "data"))
