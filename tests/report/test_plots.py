"""Plots show what the arrays hold, stay small, survive odd input and are well-formed XML."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from tasks.report.boxes import boxes, fences
from tasks.report.curves import Line, curves
from tasks.report.heatmaps import confusion_matrix, correlations
from tasks.report.histograms import bars, histogram
from tasks.report.images import grey_png, image_grid
from tasks.report.scatter import scatter
from tasks.report.svg import MOST_POINTS, Scale, extent, thin

NONE = np.full(5, np.nan)
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    assert "nan" not in re.sub(r">[^<]*<", "><", svg)
    assert "inf" not in re.sub(r">[^<]*<", "><", svg)
    return ElementTree.fromstring(svg)


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}title")]


@pytest.mark.parametrize("first", [1e20, -1e20, 2.0**53, 1.0, 1e-320])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_numbers_that_floats_hardly_tell_apart_share_a_bar(first: float, steps: int):
    values = first + np.spacing(first) * np.arange(steps + 1)
    assert titles(histogram(values, "x"))[0].endswith(f": {steps + 1} rows")


def test_the_bars_of_a_histogram_hold_every_finite_row():
    values = np.r_[np.random.default_rng(0).normal(size=1000), np.nan, np.inf]
    rows = [int(re.search(r": ([\d,]+) rows", title)[1].replace(",", "")) for title in titles(histogram(values, "x"))]
    assert sum(rows) == 1000
    assert len(rows) <= 30


def test_few_whole_numbers_get_one_bar_each():
    assert titles(histogram(np.array([3, 3, 5.0]), "x")) == ["3: 2 rows", "5: 1 rows"]


@pytest.mark.parametrize(
    "values", [NONE, np.empty(0), np.full(4, 2.5), np.full(4, 1e300), np.array([-1e308, 1e308]), np.array([0.0])]
)
def test_histograms_and_boxes_survive_odd_columns(values: np.ndarray):
    drawn = (
        histogram(values, "x"),
        boxes({"x": values, "y": np.arange(3.0)}, "value"),
        scatter(values, values, "x", "y", diagonal=True),
    )
    for svg in drawn:
        assert parsed(svg).tag.endswith("svg") and "nan" not in svg and "inf" not in svg


def test_a_box_names_median_and_quartiles_and_its_whiskers_end_at_the_fences():
    assert any("median 5, quartiles 3 and 7" in title for title in titles(boxes({"g": np.arange(1.0, 10.0)}, "x")))
    assert fences(np.arange(1.0, 10.0)) == (-3.0, 13.0)


def test_a_scatter_plot_of_many_rows_is_thinned_evenly_and_the_same_each_time():
    x = np.arange(100_000.0)
    svg = scatter(x, x, "x", "y")
    assert svg.count("h0") == MOST_POINTS
    assert svg == scatter(x, x, "x", "y")
    assert thin(10, 4).tolist() == [0, 3, 6, 9]
    assert thin(3, 4).tolist() == [0, 1, 2]


def test_more_than_ten_groups_share_the_last_colour():
    groups = np.array(list("abcdefghijkl"))
    svg = scatter(np.arange(12.0), np.arange(12.0), "x", "y", groups=groups)
    assert svg.count("h0") == 12
    assert ">other</text>" in svg
    assert ">j</text>" not in svg


def test_a_confusion_matrix_says_rows_and_share_of_each_cell():
    found = titles(confusion_matrix(np.array([[3, 1], [0, 0]]), ["a", "b"]))
    assert found == ["true a, predicted a: 3 rows (75.0 % of a)", "true a, predicted b: 1 rows (25.0 % of a)"]


def test_an_undefined_correlation_is_empty_and_says_so():
    found = titles(correlations(np.array([[1, np.nan], [np.nan, -0.5]]), ["a", "b"]))
    assert found == ["a, a: 1.00", "a, b: undefined", "b, a: undefined", "b, b: -0.50"]


def test_a_curve_is_broken_where_a_value_is_missing():
    svg = curves([Line("loss", [1, 2, 3, 4], [0.5, np.nan, 0.4, 0.3])], "epoch", "loss")
    path = next(element.get("d") for element in parsed(svg).iter(f"{SVG}path") if element.get("stroke") == "var(--c0)")
    assert path is not None
    assert path.count("M") == 2


def test_curves_survive_no_points_and_many_lines():
    for svg in (
        curves([Line("a", [], [])], "x", "y"),
        curves([Line("long name " * 3, [1], [2])] * 12, "x", "y"),
    ):
        assert parsed(svg).tag.endswith("svg") and "nan" not in svg


def test_labels_are_escaped():
    svg = bars(["<b>&\"'"], [1.0], "x < y")
    assert "<b>" not in svg
    parsed(svg)


def test_a_png_reads_back_as_the_same_grey_values():
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
    back = np.asarray(Image.open(io.BytesIO(grey_png(pixels))))
    assert (back == pixels).all()


def test_an_image_grid_is_scaled_between_its_limits():
    svg = image_grid(np.array([[[0.0, 8.0], [16.0, np.nan]]]), ["seven"], limits=(0, 16))
    image = next(parsed(svg).iter(f"{SVG}image")).get("href", "").split(",")[1]
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))
    assert back.tolist() == [[0, 128], [255, 0]]


def test_ticks_are_round_and_inside_the_range():
    assert Scale(0, 1, 0, 100).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Scale(-3, 40, 0, 100).ticks(4) == [0, 20, 40]
    assert all(3.1 <= tick <= 3.2 for tick in Scale(3.1, 3.2, 0, 1).ticks())
    assert len(Scale(5, 5, 0, 1).ticks()) > 1


def test_extent_ignores_what_is_not_finite():
    assert extent([np.nan, 1.0, 3.0, np.inf], pad=0) == (1.0, 3.0)
    assert extent(NONE) == (0.0, 1.0)
