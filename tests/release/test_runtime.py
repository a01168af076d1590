"""The code inside a package: named by its content, free of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import models
from tasks.core.errors import RequestError
from tasks.release.runtime import foreign_imports, runtime_files, runtime_name, write_runtime

MLP = {"kind": "mlp", "hidden": [4], "dropout": 0.0, "batch_norm": False}


def custom(folder: Path, source: str) -> dict:
    (folder / "recipe.py").write_text(source)
    return {"kind": "custom", "ref": "recipe.py:Net", "args": {}}


def test_same_code_has_the_same_name_and_other_code_another(tmp_path: Path):
    files = runtime_files(MLP, tmp_path)
    assert runtime_name(files) == runtime_name(runtime_files(MLP, tmp_path))
    changed = {**files, "models/mlp.py": files["models/mlp.py"] + "\n"}
    assert runtime_name(changed) != runtime_name(files)
    renamed = {("x.py" if path == "models/mlp.py" else path): source for path, source in files.items()}
    assert runtime_name(renamed) != runtime_name(files)


def test_only_the_chosen_architecture_is_shipped(tmp_path: Path):
    assert "models/mlp.py" in runtime_files(MLP, tmp_path)
    assert "models/cnn.py" not in runtime_files(MLP, tmp_path)
    cnn = {"kind": "cnn", "channels": [4], "hidden": 8, "dropout": 0.0}
    assert "models/cnn.py" in runtime_files(cnn, tmp_path)


@pytest.mark.parametrize("kind", models.KINDS)
def test_a_family_is_shipped_with_every_file_it_needs_and_no_other(kind: str, tmp_path: Path):
    files = runtime_files({"kind": kind}, tmp_path)
    package = write_runtime(files, tmp_path)
    shape = (6,) if "tabular" in kind or kind in models.OF_TEXT else (1, 4, 4)
    vocabulary = 9 if kind in models.OF_TEXT else 0
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import {package.name}.models as m\n"
        f"m.construct(m.architecture({kind!r}), {{}}, {shape}, 2, {vocabulary})\n"
        f"from {package.name}.models import predict, scored\n"
        "print(*(name for name in sys.modules if '.models.' in name and 'evergreen_rt' in name))"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    imported = {f"models/{name.rpartition('.')[2]}.py" for name in answer.stdout.split()}
    assert imported == {path for path in files if path.startswith("models/")} - {"models/__init__.py"}


def test_the_package_works_where_this_project_is_absent(tmp_path: Path):
    package = write_runtime(runtime_files(MLP, tmp_path), tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import {package.name}.models as m, {package.name}.transforms.apply, {package.name}.transforms.outputs\n"
        f"import {package.name}.models.predict\n"
        "print(m.construct(m.architecture('mlp'), {'hidden': [4]}, (3,), 2).__class__.__module__)\n"
        "print(any(name.split('.')[0] in ('tasks', 'flows') for name in sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert answer.stdout.split() == [f"{package.name}.models.mlp", "False"]


def test_imports_inside_functions_count_as_foreign():
    assert foreign_imports("import numpy\ndef f():\n    import sklearn.tree\n    from tasks.core import refs") == [
        "sklearn.tree",
        "tasks.core",
    ]


@pytest.mark.parametrize(
    ("source", "module", "line"),
    [
        ("import torch\nimport sklearn\n", "sklearn", 2),
        ("from tasks.models.mlp import Mlp as Net\n", "tasks.models.mlp", 1),
        ("from . import helpers\n", r"\.", 1),
        ("class Net:\n    import requests\n", "requests", 2),
        ("try:\n    import yaml\nexcept ImportError:\n    pass\n", "yaml", 2),
    ],
)
def test_a_custom_file_with_another_import_is_refused_by_line(tmp_path: Path, source: str, module: str, line: int):
    with pytest.raises(RequestError, match=f"imports '{module}' in line {line}, which a packaged model does not have"):
        runtime_files(custom(tmp_path, source), tmp_path)


def test_a_custom_file_may_hold_a_reader_that_imports_what_it_likes(tmp_path: Path):
    source = (
        "from typing import TYPE_CHECKING\nimport torch\nif TYPE_CHECKING:\n    import polars\n"
        "def read():\n    import sqlalchemy\nclass Net(torch.nn.Module):\n    pass\n"
    )
    assert runtime_files(custom(tmp_path, source), tmp_path)["custom.py"] == source


def test_a_custom_file_that_is_not_python_is_named(tmp_path: Path):
    with pytest.raises(RequestError, match=r"recipe.py of model.ref 'recipe.py:Net' is not valid Python: .* in line 1"):
        runtime_files(custom(tmp_path, "class Net(:\n"), tmp_path)
