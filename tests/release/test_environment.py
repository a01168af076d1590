"""The consumer's environment: what is in it, and above all what is not."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tasks.core.errors import RequestError
from tasks.release.environment import consumer_environment, distribution_closure, pinned_requirements


def test_requirements_are_exact_pins_without_a_build_tag():
    pins = pinned_requirements()
    assert [pin.partition("==")[0] for pin in pins] == ["mlflow", "torch", "numpy", "pandas", "safetensors"]
    assert all(pin.partition("==")[2] and "+" not in pin for pin in pins)


def test_the_closure_holds_what_the_requirements_need_and_no_more():
    closure = distribution_closure(["pandas"])
    assert {"pandas", "numpy", "python-dateutil", "six"} <= set(closure)
    assert not {"torch", "mlflow", "evergreen"} & set(closure)


def test_extras_are_followed_only_where_they_are_asked_for():
    bare, extra = distribution_closure(["sqlalchemy"]), distribution_closure(["sqlalchemy[asyncio]"])
    assert "greenlet" in extra and set(bare) <= set(extra)


def test_a_model_library_can_be_imported_there_and_this_project_cannot(tmp_path: Path):
    started = time.monotonic()
    python = consumer_environment(["pandas", "safetensors"], tmp_path / "environment")
    assert time.monotonic() - started < 10
    program = (
        "import importlib.util as u, pandas, safetensors, numpy.linalg, dateutil.parser\n"
        "print([name for name in ('tasks', 'flows', 'mlflow', 'torch', 'pip') if u.find_spec(name)])"
    )
    answer = subprocess.run(
        [str(python), "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ("no-such-library==1.0", "needs no-such-library==1.0, which is not installed here"),
        ("numpy==0.0.1", "needs numpy==0.0.1, but "),
    ],
)
def test_a_requirement_that_is_not_here_is_named(tmp_path: Path, requirement: str, sentence: str):
    with pytest.raises(RequestError, match=sentence) as caught:
        consumer_environment([requirement], tmp_path / "environment")
    assert "pip install" in caught.value.remedy
    assert not (tmp_path / "environment").exists()
