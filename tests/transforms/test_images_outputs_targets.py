"""Images as pixel columns, predictions from raw outputs, and targets there and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import ImageFeature, NumericFeature
from tasks.core.recipe import Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame
from tasks.transforms.outputs import predictions
from tasks.transforms.targets import encode_classes, encode_quantity, fit_classes, fit_quantity, quantity

PROJECT = Path(__file__).parents[2]


def picture(name: str, *size: int) -> dict:
    return {name: ImageFeature(kind="image", size=size)}


def pixels(name: str, images: np.ndarray) -> dict:
    _, height, width = images.shape
    return {f"{name}_{row}_{column}": images[:, row, column] for row in range(height) for column in range(width)}


def test_pixel_columns_become_an_image_in_reading_order():
    images = np.arange(12.0).reshape(2, 2, 3)
    state = fit(pd.DataFrame(pixels("p", images)), picture("p", 2, 3), Transforms(scale="none"))
    assert state["input_shape"] == [1, 2, 3]
    assert apply(pd.DataFrame(pixels("p", images)), state).tolist() == images[:, None].tolist()


def test_pixels_share_one_scale():
    images = np.arange(12.0).reshape(2, 2, 3)
    inputs = apply(
        pd.DataFrame(pixels("p", images)), fit(pd.DataFrame(pixels("p", images)), picture("p", 2, 3), Transforms())
    )
    assert inputs.mean() == pytest.approx(0, abs=1e-6) and inputs.std() == pytest.approx(1, abs=1e-6)
    assert np.diff(inputs.ravel()) == pytest.approx(np.diff(inputs.ravel())[0], abs=1e-6)


def test_images_of_one_size_become_channels():
    frame = pd.DataFrame({**pixels("p", np.zeros((1, 2, 2))), **pixels("q", np.ones((1, 2, 2)))})
    state = fit(frame, {**picture("p", 2, 2), **picture("q", 2, 2)}, Transforms(scale="none"))
    assert apply(frame, state).mean(axis=(2, 3)).tolist() == [[0, 1]]


def test_a_missing_pixel_is_filled_with_the_mean():
    frame = pd.DataFrame(pixels("p", np.array([[[0.0, 4.0]], [[0.0, 4.0]]])))
    state = fit(frame, picture("p", 1, 2), Transforms(scale="none", impute="mean"))
    frame.loc[0, "p_0_0"] = None
    assert apply(frame, state)[0].ravel().tolist() == [2, 4]


def test_a_frame_without_a_pixel_is_refused():
    frame = pd.DataFrame(pixels("p", np.zeros((1, 2, 2))))
    state = fit(frame, picture("p", 2, 2), Transforms())
    with pytest.raises(ValueError, match="The column 'p_1_1' is missing"):
        check_frame(frame.drop(columns="p_1_1"), {"state": state})


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({**picture("p", 2, 2), "x": NumericFeature(kind="numeric")}, "data.features mixes the image 'p' with 'x'"),
        ({**picture("p", 2, 2), **picture("q", 1, 2)}, "data.features.q has the size [1, 2], but 'p' has [2, 2]"),
        (picture("p", 3, 2), "no column 'p_2_0'"),
    ],
)
def test_features_that_are_no_stack_of_images_are_refused(features, says):
    with pytest.raises(RequestError) as caught:
        fit(pd.DataFrame(pixels("p", np.zeros((1, 2, 2)))), features, Transforms())
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("column", "classes", "codes"),
    [
        (pd.Series([3, 1, 3]), [1, 3], [1, 0, 1]),
        (pd.Series([1.0, 0.0, None]), [0, 1], [1, 0]),
        (pd.Series([0.5, 1.0]), [0.5, 1.0], [0, 1]),
        (pd.Series(["b", "a"]), ["a", "b"], [1, 0]),
        (pd.Series([True, False]), [False, True], [1, 0]),
        (pd.Series(["b", 1], dtype=object), ["1", "b"], [1, 0]),
        (pd.Series([2, 1], dtype="Int64"), [1, 2], [1, 0]),
    ],
    ids=["ints", "floats with gaps", "fractions", "text", "bools", "mixed", "nullable"],
)
def test_class_labels_keep_their_type_and_can_be_encoded(column, classes, codes):
    found = fit_classes(column)
    assert found == classes and [type(label) for label in found] == [type(label) for label in classes]
    assert encode_classes(column.dropna(), found).tolist() == codes


def test_one_class_is_refused_naming_the_target():
    with pytest.raises(RequestError, match=r"data\.target 'y' has 1 distinct value,"):
        fit_classes(pd.Series([1, 1], name="y"))


def test_probabilities_are_the_softmax_and_the_prediction_its_largest():
    spec = {"problem": "classification", "classes": [3, 7]}
    frame = predictions(np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]], dtype=np.float32), spec)
    assert list(frame.columns) == ["prediction", "probability_3", "probability_7"]
    assert frame["prediction"].tolist() == [7, 3] and frame["prediction"].dtype.kind == "i"
    assert frame["probability_7"].tolist() == pytest.approx([0.75, 0.0])


@pytest.mark.parametrize(("classes", "kind"), [(["no", "yes"], "O"), ([False, True], "b"), ([0, 1], "i")])
def test_predictions_have_the_labels_type(classes, kind):
    assert (
        predictions(np.zeros((2, 2)), {"problem": "classification", "classes": classes})["prediction"].dtype.kind
        == kind
    )


def test_no_rows_give_an_empty_prediction_frame():
    frame = predictions(np.zeros((0, 0), dtype=np.float32), {"problem": "classification", "classes": [0, 1]})
    assert list(frame.columns) == ["prediction", "probability_0", "probability_1"] and len(frame) == 0


def test_a_standardised_target_comes_back_in_its_unit():
    values = quantity(pd.Series([10, 20, 60]))
    state = fit_quantity(values)
    encoded = encode_quantity(values, state)
    assert encoded.mean() == pytest.approx(0, abs=1e-6) and encoded.std() == pytest.approx(1, abs=1e-6)
    back = predictions(encoded.reshape(-1, 1), {"problem": "regression", "target": state, "classes": []})
    assert back["prediction"].tolist() == pytest.approx([10, 20, 60])


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pd.Series(["x", "1"], name="y"), "data.target 'y' is text in 1 of 2 rows"),
        (pd.Series([np.inf, 1.0], name="y"), "data.target 'y' is no finite number in 1 of 2 rows"),
        (pd.Series(pd.to_datetime(["2020-01-01"]), name="y"), "data.target: The column 'y' holds datetime64"),
    ],
)
def test_a_target_that_is_no_quantity_is_refused(column, says):
    with pytest.raises(RequestError) as caught:
        quantity(column)
    assert says in caught.value.message


MODELS = [path.stem for path in (PROJECT / "tasks" / "models").glob("*.py")]


def test_the_shipped_half_runs_under_another_name_without_this_project(tmp_path):
    shipped = tmp_path / "elsewhere"
    ours = ["apply", "cells", "words", "dates", "outputs", "units"]
    for package, files in {"transforms": ours, "models": MODELS}.items():
        folder = shipped / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        for file in files:
            (folder / f"{file}.py").write_bytes((PROJECT / "tasks" / package / f"{file}.py").read_bytes())
    (shipped / "__init__.py").touch()
    code = (
        "import sys\n"
        "from elsewhere.models import KINDS, OF_TEXT, architecture, construct\n"
        "from elsewhere.models.predict import forward\n"
        "from elsewhere.transforms import apply, outputs, units\n"
        "import numpy\n"
        "for kind in KINDS:\n"
        "    shape = (16,) if kind.startswith('tabular_') or kind in OF_TEXT else (1, 4, 4)\n"
        "    network = construct(architecture(kind), {}, shape, 3, 9 if kind in OF_TEXT else 0)\n"
        "    outputs = 16 if kind.endswith('autoencoder') else 3\n"
        "    assert forward(network, numpy.zeros((5, *shape), numpy.float32)).shape == (5, outputs)\n"
        "assert not [name for name in sys.modules if name == 'tasks' or name.startswith('tasks.')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
