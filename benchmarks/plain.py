"""The glue a team would write by hand: the same library calls as `evergreen run digits`, in sequence.

One process: a Prefect flow on an ephemeral server (or on PREFECT_API_URL), Great Expectations, DVC,
one page of plots, a training in torch, and an MLflow run with a registered model and its alias. No
quarantine, no cache, no ledger, no comparison with the champion, no check that the model can be served.

    python benchmarks/plain.py HOME        prints one JSON object: seconds inside the training loop
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}
HOME = Path(sys.argv[1]).absolute()
HOME.mkdir(parents=True, exist_ok=True)
os.environ["PREFECT_HOME"] = str(HOME / "prefect")

import great_expectations as gx  # noqa: E402
import matplotlib  # noqa: E402
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from dvc.repo import Repo  # noqa: E402
from prefect import flow, task  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.metrics import accuracy_score  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

EPOCHS = int(os.environ.get("PLAIN_EPOCHS", "20"))


@task
def read() -> pd.DataFrame:
    """The digits as one frame."""
    bunch = load_digits()
    frame = pd.DataFrame(bunch.data, columns=[f"pixel_{row}_{column}" for row in range(8) for column in range(8)])
    return frame.assign(digit=bunch.target)


@task
def validate(frame: pd.DataFrame) -> None:
    """A range and a null check per column."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    suite = gx.ExpectationSuite(name="digits")
    for column in frame.columns:
        suite.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=16))
        suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column=column))
    result = batch.get_batch({"dataframe": frame}).validate(suite)
    if not result.success:
        raise ValueError("the data are not valid")


@task
def version(frame: pd.DataFrame) -> None:
    """DVC add and push, without git."""
    folder = HOME / "data"
    folder.mkdir(exist_ok=True)
    repo = Repo(str(folder)) if (folder / ".dvc").exists() else Repo.init(str(folder), no_scm=True)
    with repo.config.edit() as config:
        config["remote"]["store"] = {"url": str(HOME / "remote")}
        config["core"]["remote"] = "store"
    frame.to_parquet(folder / "digits.parquet")
    repo.add(str(folder / "digits.parquet"))
    Repo(str(folder)).push()


@task
def explore(frame: pd.DataFrame) -> None:
    """The mean image of each class and the class balance."""
    figure, axes = pyplot.subplots(2, 6)
    for digit, axis in zip(range(10), axes.flat, strict=False):
        axis.imshow(frame[frame.digit == digit].drop(columns="digit").mean().to_numpy().reshape(8, 8))
    figure.savefig(HOME / "explore.svg")


@task
def train(frame: pd.DataFrame) -> tuple[Any, list[float], float]:
    """A small convolutional network."""
    x = frame.drop(columns="digit").to_numpy(np.float32).reshape(-1, 1, 8, 8) / 16
    y = frame.digit.to_numpy()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.15, random_state=0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(1024, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 10),
    )
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    inputs, targets = torch.from_numpy(x_train), torch.from_numpy(y_train)
    started, losses = time.perf_counter(), []
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    seconds = time.perf_counter() - started
    with torch.inference_mode():
        predicted = network(torch.from_numpy(x_test)).argmax(1).numpy()
    return network, [*losses, float(accuracy_score(y_test, predicted))], seconds


@task
def register(network: Any, numbers: list[float]) -> None:
    """An MLflow run, a registered version and the alias that consumers load."""
    mlflow.set_tracking_uri(f"sqlite:///{HOME / 'mlflow.db'}")
    if mlflow.get_experiment_by_name("digits") is None:
        mlflow.create_experiment("digits", artifact_location=str(HOME / "artifacts"))
    mlflow.set_experiment("digits")
    with mlflow.start_run():
        mlflow.log_params({"epochs": EPOCHS, "batch_size": 64})
        for step, loss in enumerate(numbers[:-1]):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.log_metric("test_accuracy", numbers[-1])
        example = np.zeros((4, 1, 8, 8), dtype=np.float32)
        model = mlflow.pytorch.log_model(
            network, name="model", input_example=example, pip_requirements=["torch"], registered_model_name="digits"
        )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("digits", "champion", model.registered_model_version)


@flow
def pipeline() -> float:
    """What the templates call a pipeline."""
    frame = read()
    validate(frame)
    version(frame)
    explore(frame)
    network, numbers, seconds = train(frame)
    register(network, numbers)
    return seconds


if __name__ == "__main__":
    print(json.dumps({"training_seconds": pipeline()}))
