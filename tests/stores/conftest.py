"""One home for the module, because making MLflow's database takes seconds, and tiny real models in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCORER = """
import json
import mlflow
import pandas as pd

class Times(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["factor"]) as stream:
            self.factor = json.load(stream)

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        return pd.DataFrame({"prediction": model_input["x"] * self.factor})

mlflow.models.set_model(Times())
"""
SIGNATURE = {
    "inputs": '[{"type": "double", "name": "x", "required": true}]',
    "outputs": '[{"type": "double", "name": "prediction", "required": true}]',
}


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home used by all tests of a module; each test takes a model name of its own."""
    from tasks.core.home import open_home

    return open_home(str(tmp_path_factory.mktemp("shared") / "home"))


@pytest.fixture
def log_times(tmp_path: Path) -> Callable[..., str]:
    """A function that logs a pyfunc which multiplies by `factor`, and gives its address."""

    def log(home: Any, run_id: str, key: str, factor: int = 3, name: str = "times") -> str:
        import pandas as pd

        from tasks.stores import runs

        (tmp_path / "factor.json").write_text(str(factor))
        (tmp_path / "scorer.py").write_text(SCORER)
        return runs.log_model(
            home,
            run_id,
            name=name,
            scorer=tmp_path / "scorer.py",
            artifacts={"factor": str(tmp_path / "factor.json")},
            code_paths=[],
            signature=SIGNATURE,
            input_example=pd.DataFrame({"x": [1.0, 2.0]}),
            requirements=["mlflow"],
            key=key,
        )

    return log
