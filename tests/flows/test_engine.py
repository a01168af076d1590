"""What is planned is what is executed, over random edits; and each cause is told rightly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.engine import Execution
from tasks.core import results
from tasks.core.context import Context
from tasks.core.contracts import Gate
from tasks.core.errors import GateStopped
from tasks.core.hashing import code_hashes
from tasks.core.home import Home, open_home
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.plan import Facts, Plan, make_plan
from tasks.stage import Stage, stage

RECIPE = """\
name: claims
problem: regression
data:
  reader: {kind: csv, path: claims.csv}
  target: cost
"""


@dataclass(frozen=True)
class Written:
    """The contract of the stages below: one small file."""

    path: str
    gates: tuple[Gate, ...] = ()


def write(context: Context, *parts: object) -> Written:
    path = context.folder / "out.txt"
    path.write_text(" ".join(map(str, parts)))
    return Written(context.relative(path))


@stage("ingest", reads=("data.reader",))
def ingest(context: Context) -> Written:
    return write(context, "rows")


@stage("prepare", inputs=("ingest",), reads=("transforms",))
def prepare(context: Context, ingested: Written) -> Written:
    return write(context, context.home.path(ingested.path).read_text(), context.recipe.transforms.scale)


@stage("explore", inputs=("ingest",))
def explore(context: Context, ingested: Written) -> Written:
    return write(context, "page")


@stage("train", inputs=("prepare",), reads=("training",), libraries=("numpy",))
def train(context: Context, prepared: Written) -> Written:
    return write(context, context.recipe.training.epochs)


@stage("decide", inputs=("train", "prepare"), reads=("gates.promotion",))
def decide(context: Context, trained: Written, prepared: Written) -> Written:
    return write(context, "yes")


STAGES: tuple[Stage, ...] = (ingest, prepare, explore, train, decide)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def plan(loaded: LoadedRecipe, home: Home, source: str = "a", champion: str | None = None) -> Plan:
    return make_plan(STAGES, loaded, home, Facts({"ingest": {"source": source}, "decide": {"champion": champion}}))


def execute(loaded: LoadedRecipe, home: Home, planned: Plan) -> Execution:
    execution = Execution(loaded, home, planned)
    outputs: dict[str, Any] = {}
    for declared in STAGES:
        inputs = (outputs[name] for name in declared.inputs)
        outputs[declared.name] = execution.carry_out(declared, *inputs).value
    return execution


def ran(execution: Execution) -> list[str]:
    return [taken.name for taken in execution.taken.values() if taken.state == "ran"]


def artifact(home: Home, name: str) -> Path:
    record = results.latest(home, "claims", name)
    assert record is not None
    return home.path(record.artifacts[0].path)


edits = st.lists(
    st.one_of(
        st.tuples(st.just("epochs"), st.integers(1, 3)),
        st.tuples(st.just("scale"), st.sampled_from(["standard", "minmax"])),
        st.tuples(st.just("margin"), st.sampled_from([0.01, 0.02])),
        st.tuples(st.just("source"), st.sampled_from("ab")),
        st.tuples(st.just("champion"), st.sampled_from([None, "1"])),
        st.tuples(st.just("delete"), st.sampled_from([declared.name for declared in STAGES])),
        st.tuples(st.just("damage"), st.sampled_from([declared.name for declared in STAGES])),
        st.tuples(st.just("forget"), st.sampled_from([declared.name for declared in STAGES])),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=edits)
def test_the_executed_set_is_the_planned_set_after_any_edits(
    edits: list[tuple[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "recipe.yaml").write_text(RECIPE)
    home = open_home(str(folder / "home"))
    world: dict[str, Any] = {"epochs": 1, "scale": "standard", "margin": 0.02, "source": "a", "champion": None}
    execute(load_recipe(str(folder)), home, plan(load_recipe(str(folder)), home))
    for kind, value in edits:
        if kind in world:
            world[kind] = value
        elif kind == "delete":
            artifact(home, value).unlink(missing_ok=True)
        elif kind == "damage" and artifact(home, value).exists():
            artifact(home, value).write_text("damaged")
        elif kind == "forget":
            for record in (home.results("claims") / value).glob("*.json"):
                record.unlink()
            execute(load_recipe(str(folder)), home, plan(load_recipe(str(folder)), home))
        overrides = [f"training.epochs={world['epochs']}", f"transforms.scale={world['scale']}"]
        loaded = load_recipe(str(folder), [*overrides, f"gates.promotion.margin={world['margin']}"])
        planned = plan(loaded, home, world["source"], world["champion"])
        assert ran(execute(loaded, home, planned)) == [step.name for step in planned.runs]
        again = plan(loaded, home, world["source"], world["champion"])
        assert not again.runs


def test_each_cause_is_told(folder: Path) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))
    first = plan(loaded, home)
    assert {step.cause for step in first.steps} == {"first_run"}
    execute(loaded, home, first)

    more = load_recipe(str(folder), ["training.epochs=31"])
    causes = {step.name: (step.action, step.cause, step.detail) for step in plan(more, home).steps}
    assert causes["train"] == ("run", "parameter_changed", "training.epochs: 30 → 31")
    assert causes["decide"] == ("run", "upstream", "train will run")
    assert causes["prepare"][:2] == ("cached", "unchanged")

    changed = plan(loaded, home, source="b")
    assert (changed.step("ingest").cause, changed.step("ingest").detail) == ("data_changed", "the source's bytes")
    assert changed.step("prepare").cause == "upstream"

    assert plan(loaded, home, champion="1").step("decide").detail == "champion: none → 1"

    artifact(home, "prepare").write_text("damaged")
    damaged = plan(loaded, home)
    assert [(step.name, step.cause) for step in damaged.runs] == [("prepare", "artifact_damaged")]
    artifact(home, "prepare").unlink()
    assert plan(loaded, home).step("prepare").cause == "artifact_missing"


def test_code_and_environment_changes_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))
    execute(loaded, home, plan(loaded, home))
    monkeypatch.setattr("tasks.core.plan.importlib.metadata.version", lambda name: "0")
    assert plan(loaded, home).step("train").cause == "environment_changed"
    edited = {"tasks/core/context.py": "0"}
    monkeypatch.setattr("tasks.core.plan.code_hashes", lambda *arguments: code_hashes(*arguments) | edited)
    step = plan(loaded, home).step("train")
    assert (step.cause, step.detail) == ("code_changed", "tasks/core/context.py")


def test_a_rebuilt_artifact_with_other_bytes_reruns_what_follows(folder: Path) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))
    execute(loaded, home, plan(loaded, home))
    record = results.latest(home, "claims", "ingest")
    assert record is not None
    # As if the stage were not deterministic: what was recorded differs from what a rerun gives.
    results.save(home, "claims", results.Record(**{**vars(record), "identity": "other"}))
    artifact(home, "ingest").unlink()
    execution = execute(loaded, home, plan(loaded, home))
    assert "prepare" in ran(execution)


def test_a_blocking_gate_stops_the_run_and_its_result_is_not_kept(folder: Path) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))

    @stage("ingest", reads=("data.reader",))
    def refusing(context: Context) -> Written:
        return Written("", (Gate("readable", "failed", evidence={"reason": "claims.csv is empty"}),))

    planned = make_plan((refusing,), loaded, home, Facts())
    with pytest.raises(GateStopped, match=r"Stopped by readable: claims\.csv is empty") as stopped:
        Execution(loaded, home, planned).carry_out(refusing)
    assert stopped.value.exit_code == 3
    assert make_plan((refusing,), loaded, home, Facts()).step("ingest").cause == "first_run"

    drilled = make_plan((refusing,), loaded, home, Facts(disabled=frozenset({"readable"})))
    execution = Execution(loaded, home, drilled)
    execution.carry_out(refusing)
    assert [gate.state for gate in execution.gates] == ["skipped"]
    assert make_plan((refusing,), loaded, home, Facts()).step("ingest").action == "run"


@dataclass(frozen=True)
class Registered:
    """A package's result: the version it made."""

    version: str


@stage("evaluate", inputs=("train",), reads=("gates.thresholds",))
def evaluate(context: Context, trained: Written) -> Written:
    return Written(write(context, "bad").path, (Gate("thresholds", "failed", evidence={"reason": "too low"}),))


@stage("package", inputs=("train",))
def package(context: Context, trained: Written) -> Registered:
    return Registered("1")


def test_a_package_counts_only_while_the_registry_holds_its_version(folder: Path) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))
    stages = (ingest, prepare, train, package)

    def planned(registered: dict[str, str] | None) -> Plan:
        return make_plan(stages, loaded, home, Facts(registered=registered))

    execution = Execution(loaded, home, planned({}))
    outputs: dict[str, Any] = {}
    for declared in stages:
        outputs[declared.name] = execution.carry_out(declared, *(outputs[name] for name in declared.inputs)).value
    record = results.latest(home, "claims", "package")
    assert record is not None
    assert planned({"1": record.key}).step("package").action == "cached"
    gone = planned({}).step("package")
    assert (gone.action, gone.cause, gone.detail) == ("run", "artifact_missing", "version 1 is not in the registry")
    assert planned({"1": "made by another home"}).step("package").action == "run"


def test_after_a_model_gate_said_no_nothing_is_left_to_package(folder: Path) -> None:
    home = open_home(str(folder / "home"))
    loaded = load_recipe(str(folder))
    stages = (ingest, prepare, train, evaluate, package)
    execution = Execution(loaded, home, make_plan(stages, loaded, home, Facts()))
    outputs: dict[str, Any] = {}
    for declared in stages[:-1]:
        outputs[declared.name] = execution.carry_out(declared, *(outputs[name] for name in declared.inputs)).value
    again = make_plan(stages, loaded, home, Facts())
    assert not again.runs
    assert again.step("package").detail == "nothing to package: the model failed thresholds"
