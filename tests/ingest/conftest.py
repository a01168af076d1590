"""A recipe's folder taken through the real stages, from ingest to prepare."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks.core.home import Home


class Life:
    """One recipe, its home, and what its stages gave."""

    def __init__(self, folder: Path, home: Home, data: dict[str, Any], **sections: Any) -> None:
        self.folder, self.home = folder, home
        values = {"name": "small", "problem": "classification", "data": data, **sections}
        (folder / "recipe.yaml").write_text(yaml.safe_dump(values))

    def run(self, until: str = "prepare") -> dict[str, Any]:
        """Stage → result."""
        from flows.engine import Execution
        from flows.training import LIFE_CYCLE, Order, plan_of
        from tasks.core.contracts import STAGES
        from tasks.core.load import load_recipe

        order = Order(load_recipe(str(self.folder)), self.home)
        plan = plan_of(order)
        execution = Execution(order.loaded, self.home, plan)
        given: dict[str, Any] = {"actions": {step.name: step.action for step in plan.steps}}
        for name in STAGES[: STAGES.index(until) + 1]:
            stage = LIFE_CYCLE[name]
            given[name] = execution.carry_out(stage, *(given[earlier] for earlier in stage.inputs)).value
        assert [gate.name for gate in execution.gates if gate.blocks] == []
        return given

    def rows(self, given: dict[str, Any]) -> pd.DataFrame:
        """The stored rows of the version a run made."""
        from tasks.stores import datasets

        return datasets.load_rows(self.home.path(given["version"].folder))

    def inputs(self, given: dict[str, Any], split: str = "train") -> np.ndarray:
        """What the network is given."""
        return np.load(self.home.path(given["prepare"].folder) / f"{split}_inputs.npy")


@pytest.fixture
def life(tmp_path: Path, home: Home) -> Callable[..., Life]:
    """Makes a recipe below the test's folder, from its data section and other sections."""
    folder = tmp_path / "recipe"
    folder.mkdir()
    return lambda data, **sections: Life(folder, home, json.loads(json.dumps(data)), **sections)


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Reads a source that cannot be read; gives the sentence of the gate `readable`."""
    from tasks.core.errors import GateStopped
    from tasks.core.sources import Reader
    from tasks.ingest.readers import read

    def reason(folder: Path, **fields: Any) -> str:
        from pydantic import TypeAdapter

        with pytest.raises(GateStopped) as caught:
            read(TypeAdapter(Reader).validate_python(fields), folder)
        (gate,) = caught.value.gates
        assert (gate.name, gate.state) == ("readable", "failed")
        assert gate.reason.endswith(".") and "\n" not in gate.reason
        assert "Mrs-Robinson" not in str(gate.evidence)
        return gate.reason

    return reason
