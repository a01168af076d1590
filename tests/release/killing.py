"""Kill a command before and after each of its side effects, repeat it, and report how things stand.

Run as a program, `killing.py SCENARIO HOME STRIDE`: it imports MLflow once and forks a child for every
STRIDE-th kill point, so that a point costs a fraction of a second. Prints one JSON object per point.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks.core.home import Home, open_home
from tasks.stores.tracking import prepare_environment

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

EFFECTS = (
    "create_run",
    "update_run",
    "log_batch",
    "create_logged_model",
    "log_model_artifacts",
    "set_logged_model_tags",
    "log_outputs",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "set_registered_model_tag",
    "set_model_version_tag",
    "delete_model_version_tag",
)


def kill_at(point: int) -> None:
    """Count side effects of this process; point 2n is before, 2n + 1 after the n-th; -1 is never."""
    from mlflow import MlflowClient

    from tasks.stores.ledger import Ledger

    passed = {"effects": 0}

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*arguments: Any, **keywords: Any) -> Any:
            number = passed["effects"]
            passed["effects"] += 1
            if point == 2 * number:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = original(*arguments, **keywords)
            if point == 2 * number + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return effect

    Ledger.append = counted(Ledger.append)  # type: ignore[method-assign]
    for name in EFFECTS:
        setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))


def open_once(home: Home) -> None:
    """Let MLflow look its schema over once, here; no connection is left open across a fork."""
    import sqlalchemy

    from tasks.stores import address, runs

    client = runs.open_tracking(home)
    client.search_experiments()
    client.search_registered_models()
    for engine in [item for item in gc.get_objects() if isinstance(item, sqlalchemy.Engine)]:
        engine.dispose()
    assert address.database(home).exists()


def in_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Do the work in a fork; its end (negative: the signal) and its answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            answer = json.dumps(work())
            os.write(writing, answer.encode())
            code = 0
        except BaseException:  # noqa: BLE001  # whatever it is, it is shown and the child ends here
            traceback.print_exc()
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return ended, json.loads(text) if text else None


def store(home: Home, name: str) -> str:
    """Run, logged model and version, as `train` and `package` make them."""
    import pandas as pd

    from tasks.stores import runs

    folder = home.root / "scorer"
    folder.mkdir(exist_ok=True)
    (folder / "scorer.py").write_text(SCORER)
    (folder / "factor.json").write_text("3")
    run_id = runs.start_run(home, name, "train", {"a": 1}, {})
    runs.log_history(home, run_id, [{"epoch": epoch, "loss": 0.5} for epoch in range(3)])
    uri = runs.log_model(
        home,
        run_id,
        name="times",
        scorer=folder / "scorer.py",
        artifacts={"factor": str(folder / "factor.json")},
        code_paths=[],
        signature={
            "inputs": '[{"type": "double", "name": "x"}]',
            "outputs": '[{"type": "double", "name": "prediction"}]',
        },
        input_example=pd.DataFrame({"x": [1.0]}),
        requirements=["mlflow"],
        key="package",
    )
    return runs.register(home, name, uri, run_id, {}, "package")


def versions(home: Home, name: str, count: int) -> None:
    """`count` versions that share the files of one logged model."""
    from tasks.stores import registry, runs

    store(home, "base")
    uri = registry.versions(home, "base")[0].source
    run_id = registry.versions(home, "base")[0].run_id
    for number in range(count):
        runs.register(home, name, uri, run_id, {}, f"key{number}")


def promote(home: Home, name: str, number: str) -> str:
    """Decide for a version and promote it, as `decide` and `promote` do."""
    from tasks.release import promotion
    from tasks.stores import registry

    promotion.recover(home, name)
    if registry.champion_version(home, name) == number:
        return number
    body = {"key": f"key{number}", "version": number, "rule": "superior", "reason": "better"}
    decision = promotion.record_decision(home, name, "promote", body)
    return promotion.promote(home, name, number, decision).version


def prepare_promotion(home: Home, name: str) -> None:
    versions(home, name, 2)
    promote(home, name, "1")


def act_promotion(home: Home, name: str) -> None:
    promote(home, name, "2")


def prepare_rollback(home: Home, name: str) -> None:
    versions(home, name, 3)
    for number in ("1", "2", "3"):
        promote(home, name, number)


def act_rollback(home: Home, name: str) -> None:
    from tasks.release import promotion

    promotion.rollback(home, name, reason="it is wrong")


def prepare_return(home: Home, name: str) -> None:
    prepare_rollback(home, name)
    act_rollback(home, name)


def act_return(home: Home, name: str) -> None:
    from tasks.release import promotion

    promotion.promote_by_person(home, name, "3", reason="it was right after all", unblock=True)


def prepare_storing(home: Home, name: str) -> None:
    store(home, "base")


def act_storing(home: Home, name: str) -> None:
    store(home, name)


SCENARIOS: dict[str, tuple[Callable[[Home, str], None], Callable[[Home, str], None]]] = {
    "promotion": (prepare_promotion, act_promotion),
    "rollback": (prepare_rollback, act_rollback),
    "return": (prepare_return, act_return),
    "storing": (prepare_storing, act_storing),
}


def standing(home: Home, name: str) -> dict[str, Any]:
    """Everything the act is about, without what differs from one act to the next (ids, times, names)."""
    from tasks.stores import registry, runs
    from tasks.stores.ledger import Ledger

    client = runs.open_tracking(home)
    experiment = client.get_experiment_by_name(name)
    ids = [experiment.experiment_id] if experiment else []
    ledger = Ledger(home.ledger)
    tags = registry.model_tags(home, name)
    return {
        "aliases": registry.aliases(home, name),
        "versions": [
            (
                item.version,
                {key: value for key, value in item.tags.items() if "decision" not in key and "content" not in key},
            )
            for item in registry.versions(home, name)
        ],
        "ledger": [
            (
                entry.kind,
                entry.body.get("from"),
                entry.body.get("to"),
                entry.body.get("version"),
                entry.body.get("outcome"),
            )
            for entry in ledger.entries(name)
        ],
        "problems": ledger.verify() + ledger.missing(tags.values()),
        "tagged": len(tags) == len([entry for entry in ledger.entries(name) if entry.kind in ("promote", "rollback")]),
        "champion_by_ledger": ledger.champion(name),
        "runs": len(client.search_runs(ids)) if ids else 0,
        "logged_models": [str(model.status) for model in client.search_logged_models(ids)] if ids else [],
        "loads": [
            runs.load(home, f"models:/{name}/{item.version}") is not None for item in registry.versions(home, name)
        ],
    }


def main(scenario: str, folder: str, stride: str) -> None:
    """Try the kill points of a scenario, first none at all."""
    prepare_environment()
    import mlflow.pyfunc  # noqa: F401  # once, before the forks

    home = open_home(folder)
    open_once(home)
    prepare, act = SCENARIOS[scenario]
    ended, _ = in_child(lambda: prepare(home, "never"))
    assert ended == 0, "preparing failed"
    point = -1
    while True:
        name = f"point{point}" if point >= 0 else "never"
        if point >= 0:
            assert in_child(lambda name=name: prepare(home, name))[0] == 0, "preparing failed"  # type: ignore[misc]

        def attempt(name: str = name, point: int = point) -> None:
            kill_at(point)
            act(home, name)

        killed, _ = in_child(attempt)
        again, _ = in_child(lambda name=name: act(home, name)) if killed else (0, None)  # type: ignore[misc]
        _, result = in_child(lambda name=name: standing(home, name))  # type: ignore[misc]
        print(json.dumps({"point": point, "killed": killed, "again": again, "standing": result}), flush=True)
        if point >= 0 and killed == 0:
            return
        point += 1 if point < 0 else int(stride)


if __name__ == "__main__":
    main(*sys.argv[1:])
