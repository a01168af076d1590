"""The stage `evaluate`: metrics on rows the model never saw, the model gates and the error-analysis page."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Prepared, Trained, Versioned
from tasks.stage import stage


@stage(
    "evaluate",
    inputs=("version", "prepare", "train"),
    reads=(
        "name",
        "problem",
        "data.target",
        "data.id",
        "data.time",
        "model",
        "training.class_weights",
        "training.device",
        "training.loss",
        "gates.thresholds",
        "gates.promotion.metric",
    ),
    libraries=("jinja2", "mlflow", "numpy", "pandas", "pyarrow", "safetensors", "torch"),
    uses_device=True,
)
def evaluate(context: Context, versioned: Versioned, prepared: Prepared, trained: Trained) -> Evaluated:
    """Score the best weights on validation and test rows, judge the model gates, log metrics and page to MLflow."""
    from tasks.evaluate.evaluation import evaluate as judge
    from tasks.stores import runs

    evaluated = judge(context, versioned, prepared, trained)
    numbers = {
        f"{split}_{name}": value for split, values in evaluated.metrics.items() for name, value in values.items()
    }
    numbers |= {f"baseline_{name}": value for name, value in evaluated.baseline.items()}
    runs.log_metrics(context.home, trained.run_id, numbers)
    runs.tag_run(context.home, trained.run_id, {"evergreen.diagnosis": evaluated.diagnosis["verdict"]})
    runs.log_files(context.home, trained.run_id, [context.home.path(evaluated.report)], "reports")
    return evaluated
