"""The training core runs where there is nothing but torch, NumPy and safetensors, as on a bare machine with a GPU."""

from __future__ import annotations

import os
import subprocess
import sys

CORE = (
    "loop", "epochs", "stepping", "steps", "batches", "checkpoints", "callbacks", "generators", "recorded", "pace",
    "norms", "spoiled", "averaging", "finder", "sizes",
)  # fmt: skip
LOADING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("pydantic", "pandas", "mlflow", "prefect", "yaml", "sklearn", "scipy", "lightning", "hydra"):
            raise ImportError(f"{top} is not here")

sys.meta_path.insert(0, Absent())
for name in sys.argv[1:]:
    __import__(f"tasks.train.{name}")
"""


def test_the_core_needs_torch_numpy_and_safetensors_alone():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", LOADING, *CORE]
    process = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert process.returncode == 0, process.stderr[-2000:]
