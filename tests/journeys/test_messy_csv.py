"""`init` on a CSV nobody prepared gives a recipe that `run` takes to a champion, without a line edited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

HEADER = (
    "Customer ID,Age (years),fixed acidity,pH.value,Visits,Country of birth,member?,Remarks,Channel,Version,churn.flag"
)


def messy(rows: int = 420) -> str:
    """Blanks, words among numbers, mixed types, an id, two constants, free text, dots and spaces in names."""
    random = np.random.default_rng(11)
    lines = [HEADER]
    for number in range(rows):
        age, acidity = random.integers(18, 90), random.normal(7, 1.5)
        leaving = (age - 54) / 15 + (acidity - 7) + random.normal(0, 0.4) > 0
        cells = [
            f"C-{number:05}",
            "" if random.random() < 0.1 else str(age),
            random.choice(["", " ", "NA"]) if random.random() < 0.08 else f"{acidity:.2f}",
            "unknown" if random.random() < 0.02 else f"{random.normal(3.2, 0.2):.3f}",
            str(random.poisson(3)) if random.random() < 0.9 else f"{random.poisson(3)}.0",
            str(random.choice(["Türkiye", "Côte d'Ivoire", "日本", ""])),
            str(random.choice(["TRUE", "FALSE"])),
            f'"said ""{random.integers(10**9)}"", then left"',
            "web",
            "1",
            "yes" if leaving else "no",
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Kunden 2024 (final).csv").write_text(messy(), encoding="utf-8")
    return tmp_path


def test_a_messy_csv_becomes_a_champion_without_editing_the_recipe(
    evergreen: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    home = folder / "home"
    made = evergreen(home, "init", "Kunden 2024 (final).csv", "--target", "churn.flag")
    assert made.code == 0, made.answer
    recipe = folder / "kunden-2024-final"
    assert made.answer["folder"] == str(recipe)
    written = (recipe / "recipe.yaml").read_bytes()
    assert yaml.safe_load(written)["data"]["id"] == "Customer ID"
    assert set(made.answer["left_out"]) == {"Remarks", "Channel", "Version"}
    assert made.answer["features"]["pH.value"] == "numeric"

    ended = evergreen(home, "run", recipe)
    assert (ended.code, ended.answer["status"]) == (0, "promoted"), (ended.answer.get("reason"), ended.errors)
    assert (recipe / "recipe.yaml").read_bytes() == written
    assert ended.answer["metrics"]["test"]["accuracy"] > 0.8
    # The words among the numbers were set aside, and nothing else.
    assert 0 < ended.answer["dataset"]["quarantined"] < 20
    again = evergreen(home, "run", recipe)
    assert (again.code, again.answer["status"]) == (0, "unchanged")
