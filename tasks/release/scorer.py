"""The packaged model as MLflow runs it: a model from code that needs nothing of this project.

This file travels inside the model. Preprocessing, architecture and postprocessing come from the package
beside it, whose name is made of its content, so that two models in one process never share code that
differs; weights are safetensors and all else is JSON, so nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import safetensors.torch
from mlflow.models import set_model

BATCH = 4096
"""Rows per forward pass; bounds the memory."""


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no types
    """Feature columns in, `prediction` and `probability_<class>` or `latent_<number>` out."""

    def load_context(self, context: Any) -> None:
        """Rebuild transform and network from the model's files.

        Raises:
            ValueError: a file is not the one that was packaged.
        """
        folder = Path(context.artifacts["package"])
        model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        for name, sha256 in model["files"].items():
            # Flipped bits in weights load without complaint and predict silently wrong.
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
                raise ValueError(
                    f"The file {name} of the model {model['name']} is damaged: its SHA-256 is not the packaged one."
                )
        self.spec = json.loads((folder / "transform.json").read_text(encoding="utf-8"))
        runtime = model["runtime"]
        self.apply = importlib.import_module(f"{runtime}.transforms.apply")
        self.outputs = importlib.import_module(f"{runtime}.transforms.outputs")
        self.units = importlib.import_module(f"{runtime}.transforms.units")
        self.scored = importlib.import_module(f"{runtime}.models.scored")
        self.forward = importlib.import_module(f"{runtime}.models.predict").forward
        self.network = _network(importlib.import_module(f"{runtime}.models"), model)
        self.network.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
        self.network.eval()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict each row of a frame that holds the feature columns, in any order.

        Args:
            context: Not used.
            model_input: The rows.
            params: For a reconstruction, whose `prediction` is an anomaly score: `latent`, whether the latent features
                follow as `latent_<number>`; `units`, names of inputs and units that the score shall be in, as
                `transforms/units.py` has them.

        Returns:
            `prediction` and, for classification, `probability_<class>`, with the frame's index.

        Raises:
            ValueError: one sentence naming the column that is missing, unreadable, or has gaps the model
                does not fill; or saying that the model has no latent features.
        """
        self.apply.check_frame(model_input, self.spec)
        network = self._answering(params or {})
        pieces = [
            self._scored(network, model_input.iloc[start : start + BATCH])
            for start in range(0, max(1, len(model_input)), BATCH)
        ]
        return pd.concat(pieces).set_axis(model_input.index)

    def _answering(self, asked: dict[str, Any]) -> Any:
        latent = bool(asked.get("latent"))
        if self.spec["problem"] != "reconstruction":
            if latent:
                raise ValueError("The model predicts a target, so it has no latent features.")
            return self.network
        others = asked.get("units")
        if others is None:
            return self.scored.Scored(self.network, latent)
        places, factors = self.units.conversion(self.units.units(self.spec["state"]), others)
        return self.scored.Scored(self.network, latent, places, factors)

    def _scored(self, network: Any, frame: pd.DataFrame) -> pd.DataFrame:
        inputs = self.apply.apply(frame, self.spec["state"])
        scored: pd.DataFrame = self.outputs.predictions(self.forward(network, inputs), self.spec)
        return scored


def _network(models: Any, model: dict[str, Any]) -> Any:
    where = model["architecture"]
    if where["kind"] == "custom":
        factory = getattr(importlib.import_module(f"{model['runtime']}.custom"), where["name"])
    else:
        factory = models.architecture(where["kind"])
    shapes = (tuple(model["input_shape"]), model["output_size"])
    # A model from before there were texts does not say how many tokens it knows, nor what stands beside them: none.
    inputs_are = (model.get("vocabulary", 0), tuple(model.get("sequence", ())))
    return models.construct(factory, where["arguments"], *shapes, *inputs_are)


set_model(Scorer())
