"""The program that plays the consumer: loads one packaged model in a bare environment and predicts.

It is run as a file by an interpreter that cannot import this project. Standard input gives one line,
`{"uri", "inputs"}`; standard output gets two: `{"ready": seconds}` once the imports are done, then
`{"outputs"}` or `{"error", "service"}`. End of input before a request ends it silently, so that it never
outlives the process that started it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from typing import Any

SERVICE_ERRORS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "MaxRetryError", "OperationalError")
"""Names of exceptions that mean a server or database is away, whatever library raises them."""


def main() -> None:
    """Import, wait for the request, answer it, end."""
    # What libraries print must not get between the two lines of the protocol.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    started = time.monotonic()
    # By name: this file is no part of the project when it runs, and the project's own door to MLflow is another one.
    pandas, pyfunc = importlib.import_module("pandas"), importlib.import_module("mlflow.pyfunc")
    importlib.import_module("torch")
    importlib.import_module("safetensors.torch")
    _answer(answers, {"ready": time.monotonic() - started})
    line = sys.stdin.readline()
    if line:
        _answer(answers, _predict(pandas, pyfunc, json.loads(line)))


def _predict(pandas: Any, pyfunc: Any, request: dict[str, Any]) -> dict[str, Any]:
    present = [name for name in ("tasks", "flows") if importlib.util.find_spec(name)]
    if present:
        return {"error": f"the consumer can import '{present[0]}', so it proves nothing", "service": False}
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = pyfunc.load_model(request["uri"], dst_path=folder)
            outputs = model.predict(pandas.DataFrame(request["inputs"]))
        return {"outputs": json.loads(outputs.to_json(orient="records", double_precision=15))}
    except Exception as error:  # noqa: BLE001  # the model's own code runs here and may raise anything; the gate reports it
        lines = str(error).strip().splitlines() or ["no message"]
        return {"error": f"{type(error).__name__}: {lines[0][:300]}", "service": _is_service(error)}


def _is_service(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ in SERVICE_ERRORS:
            return True
        error = error.__cause__ or error.__context__
    return False


def _answer(answers: Any, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
