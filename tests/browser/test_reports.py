"""The reports of real runs, opened from the disk: they say what they should, at every width, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

RECIPES = ("digits", "breast_cancer")
LOOKS = ((1200, "light"), (400, "light"), (1200, "dark"), (400, "dark"))

UNSEEN = """() => [...document.querySelectorAll('svg, img')].filter(picture => {
    const box = picture.getBoundingClientRect();
    return !picture.closest('details:not([open])') && (box.width < 1 || box.height < 1 || picture.naturalWidth === 0);
}).length"""
SIDEWAYS = "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth"
SHADE = """() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
    return (red + green + blue) / 3;
}"""


def opened(window: Any, path: str, width: int = 1200, scheme: str = "light") -> Any:
    shown = window(width=width, scheme=scheme)
    shown.page.goto(Path(path).as_uri())
    return shown


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("report", ["validation", "data", "evaluation"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_report_is_whole_and_fits(
    recipe: str, report: str, width: int, scheme: str, runs: Any, window: Any, picture: Any
) -> None:
    # The data page of the first run was deleted and made anew by the last.
    answer = runs.mended if recipe == "digits" else runs.breast_cancer
    shown = opened(window, answer["reports"][report], width, scheme)
    picture(shown.page, f"{recipe}-{report}-{width}-{scheme}")
    assert shown.errors == []
    assert shown.text().startswith(f"{recipe}: ")
    assert shown.page.evaluate(SIDEWAYS) <= 0, "the page has to be scrolled sideways"
    assert shown.page.evaluate(UNSEEN) == 0, "a picture has no size"
    assert report == "validation" or shown.page.locator("svg").count() >= 4
    assert (shown.page.evaluate(SHADE) > 128) == (scheme == "light")
    assert shown.page.locator("script, link, iframe").count() == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_validation_page_shows_every_data_gate_and_folds_the_rules_that_hold(
    recipe: str, runs: Any, window: Any
) -> None:
    answer = getattr(runs, recipe)
    shown = opened(window, answer["reports"]["validation"])
    text = shown.text()
    for heading in ("Gates", "Expectations", "Quarantine"):
        assert shown.page.get_by_role("heading", name=heading).is_visible()
    for gate in ("schema", "expectations", "volume", "duplicates", "leakage", "class_coverage"):
        row = shown.page.locator("tr", has=shown.page.get_by_role("rowheader", name=gate, exact=True))
        assert "passed" in row.inner_text()
    assert f"{answer['dataset']['rows']:,}" in text
    assert "No row was set aside." in text
    assert "must not be null" not in text
    shown.page.locator("summary").click()
    assert "must not be null" in shown.text()


def test_the_data_page_says_what_follows_for_the_features(runs: Any, window: Any) -> None:
    tumours = opened(window, runs.breast_cancer["reports"]["data"]).text()
    assert "The classes are somewhat unbalanced: class malignant has 212 of 569 rows" in tumours
    assert "carry much the same information" in tumours and "No value is missing" in tumours
    for part in ("What follows", "The target: diagnosis", "Distributions", "Features and the target", "Correlations"):
        assert part in tumours
    digits = opened(window, runs.mended["reports"]["data"])
    assert "3 of the 64 pixels of pixel are the same in every image." in digits.text()
    assert runs.mended["dataset"]["version"] in digits.text()
    assert digits.page.locator("svg image").count() >= 10, "sample images are shown"


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_evaluation_page_shows_the_numbers_of_the_answer(recipe: str, runs: Any, window: Any) -> None:
    answer = getattr(runs, recipe)
    shown = opened(window, answer["reports"]["evaluation"])
    for part in ("In words", "Gates", "Metrics", "Confusion matrix", "Curves", "Training", "Slices", "Worst mistakes"):
        assert shown.page.get_by_role("heading", name=part, exact=True).is_visible()
    for name, value in answer["metrics"]["test"].items():
        row = shown.page.locator("tr", has=shown.page.get_by_role("rowheader", name=name)).last
        cells = [cell for cell in row.inner_text().split("\t")[1:4] if cell]
        assert float(cells[1]) == pytest.approx(value, rel=1e-3), name
    assert "skipped" in shown.text() and "The recipe names no gates.thresholds." in shown.text()
    said = answer["diagnosis"]
    assert said["verdict"] == "underfitting" and f"{said['finding']} {said['remedy']}" in shown.text()
