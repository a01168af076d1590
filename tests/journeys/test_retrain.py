"""Retraining through the real flow: promoted, held, stopped by an invalid batch, kept waiting by a dead server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.retraining import Retrained, retrain
from tasks.core import results
from tasks.core.home import Home
from tasks.core.load import load_recipe
from tasks.stores import registry, triggers
from tasks.stores.ledger import Ledger

RECIPE = """\
name: fresh
problem: classification
data:
  reader: {{kind: csv, path: rows.csv}}
  target: outcome
  id: order
model: {{kind: mlp, hidden: [8]}}
training: {{epochs: 8, batch_size: 32, optimizer: {{kind: adamw, lr: 0.01}}}}
gates: {{promotion: {{margin: {margin}}}}}
retraining: {{kind: drift, cooldown_days: 0, start_from: {start}}}
"""


def orders(first: int, count: int, turned: bool = False) -> pd.DataFrame:
    """Rows whose outcome follows from two of three numbers, with some noise; or the other way round."""
    random = np.random.default_rng(first + 1)
    frame = pd.DataFrame(random.normal(size=(count, 3)).round(4), columns=["a", "b", "c"])
    frame.insert(0, "order", range(first, first + count))
    signal = frame["a"] + 0.5 * frame["b"] + 0.2 * random.normal(size=count)
    frame["outcome"] = np.where((signal > 0) != turned, "yes", "no")
    return frame


class Fresh:
    """One recipe whose source changes, and what asks for a retraining of it."""

    def __init__(self, evergreen: Callable[..., Any], folder: Path) -> None:
        self.evergreen, self.home, self.recipe = evergreen, Home(folder / "home"), folder / "fresh"
        self.recipe.mkdir()
        self.settings()

    def settings(self, margin: float = 0.1, start: str = "scratch") -> None:
        (self.recipe / "recipe.yaml").write_text(RECIPE.format(margin=margin, start=start))

    def source(self, rows: pd.DataFrame) -> None:
        rows.to_csv(self.recipe / "rows.csv", index=False)

    def command(self, *words: str) -> Any:
        name, *rest = words
        return self.evergreen(self.home.root, name, self.recipe, *rest)

    def alarm(self, name: str, **more: Any) -> Retrained:
        """What a flow does that an event of confirmed drift has started."""
        Ledger(self.home.ledger).append("drift", "fresh", {"confirmed": True, "performance": None, "alarm": name})
        loaded = load_recipe(str(self.recipe))
        return retrain(loaded, self.home, reason=name, cause="drift", trigger_id=name, tell=lambda text: None, **more)

    @property
    def champion(self) -> str | None:
        return registry.champion_version(self.home, "fresh")


@pytest.fixture
def fresh(evergreen: Callable[..., Any], tmp_path: Path) -> Fresh:
    return Fresh(evergreen, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_drift_leads_to_a_run_whatever_that_decides(fresh: Fresh) -> None:
    fresh.source(orders(0, 700))
    first = fresh.command("retrain", "--reason", "a first model")
    assert (first.code, first.answer["status"], first.answer["policy"]["decision"]) == (0, "promoted", "retrain")
    assert first.answer["run"]["model"]["version"] == "1" and first.answer["trigger"]["state"] == "ran"
    again = fresh.command("retrain", "retraining.cooldown_days=1")
    assert (again.code, again.answer["status"], again.answer["run"]) == (0, "completed", None)
    assert "retraining.cooldown_days is 1: a retraining may begin in" in again.answer["policy"]["reason"]

    # Valid, labelled, and as good: the refresh is promoted.
    fresh.source(pd.concat([orders(0, 700), orders(700, 300)]))
    promoted = fresh.alarm("alarm-1")
    assert promoted.outcome is not None and promoted.outcome.status == "promoted", promoted.outcome
    assert (promoted.trigger.state, fresh.champion) == ("ran", "2")
    decided = Ledger(fresh.home.ledger).find(promoted.trigger.decision or "")
    assert decided is not None and decided.kind == "promote" and decided.body["version"] == "2"

    # Delivered once more, and an alarm about the same rows: nothing runs.
    assert fresh.alarm("alarm-1").outcome is None
    same = fresh.alarm("alarm-2")
    assert (same.trigger.state, same.trigger.into, same.outcome) == ("coalesced", "alarm-1", None)

    # Valid and labelled, but a margin that 30 rows cannot show: held, and the champion stays.
    fresh.settings(margin=0.0001)
    fresh.source(pd.concat([orders(0, 700), orders(700, 300), orders(1000, 30)]))
    held = fresh.alarm("alarm-3")
    assert held.outcome is not None and (held.outcome.status, held.outcome.exit_code) == ("held", 3)
    assert held.trigger.outcome.startswith("held: ") and fresh.champion == "2"
    told = fresh.evergreen(fresh.home.root, "history", "fresh").answer["entries"]
    assert told[-1]["kind"] == "trigger" and told[-1]["reason"].startswith("trigger alarm-3 ran: held: ")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_invalid_batch_ends_its_trigger_and_a_dead_server_leaves_it_open(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.source(orders(0, 700))
    with monkeypatch.context() as away:
        away.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
        lost = fresh.alarm("alarm-1")
    assert lost.outcome is not None and (lost.outcome.status, lost.outcome.exit_code) == ("stopped", 4)
    assert lost.trigger.open and lost.trigger.began
    back = fresh.alarm("alarm-2")
    assert back.outcome is not None and back.outcome.status == "promoted"
    states = {trigger.id: (trigger.state, trigger.into) for trigger in triggers.every(fresh.home, "fresh")}
    assert states == {"alarm-1": ("ran", None), "alarm-2": ("coalesced", "alarm-1")}

    fresh.source(orders(700, 300).drop(columns="outcome"))
    stopped = fresh.alarm("alarm-3")
    assert stopped.outcome is not None and (stopped.outcome.status, stopped.outcome.exit_code) == ("stopped", 3)
    assert stopped.trigger.state == "ran" and stopped.trigger.outcome.startswith("Stopped by schema")
    assert fresh.champion == "1"
    kinds = [entry.kind for entry in Ledger(fresh.home.ledger).entries("fresh")]
    assert kinds[-2:] == ["stop", "trigger"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_goes_on_from_its_champion_and_comes_to_rest(fresh: Fresh) -> None:
    def step(name: str) -> dict[str, Any]:
        stages = fresh.command("plan").answer["stages"]
        return next(stage for stage in stages if stage["name"] == name)

    def began_with() -> str:
        record = results.latest(fresh.home, "fresh", "train")
        assert record is not None
        return str(record.output["start"])

    fresh.settings(start="champion")
    fresh.source(orders(0, 700))
    assert fresh.command("run").answer["status"] == "promoted"
    assert began_with() == "fresh weights, as there is no champion whose weights are known"
    assert fresh.command("run").answer["status"] == "unchanged"

    fresh.source(pd.concat([orders(0, 700), orders(700, 300)]))
    train = step("train")
    assert (train["cause"], train["detail"]) == ("data_changed", "the champion whose weights it starts from")
    second = fresh.command("run")
    assert second.answer["status"] == "promoted", second.answer["reason"]
    assert began_with() == "the weights of version 1, which was champion"
    gates = {gate["name"]: gate for gate in second.answer["gates"]}
    assert gates["initial_loss"]["state"] == "skipped"
    assert gates["initial_loss"]["evidence"]["reason"].endswith("the weights of version 1, which was champion")
    # What it started from is no longer champion, and yet the same data would give the champion again.
    assert fresh.command("run").answer["status"] == "unchanged"
    assert step("train")["action"] == "cached"

    other = fresh.command("run", "model.hidden=[9]", "--until", "train")
    assert other.answer["status"] == "completed"
    assert began_with().startswith("fresh weights, as version 2 has another shape: ")
    cards = "".join(path.read_text() for path in fresh.home.root.glob("work/fresh/package/*/card.md"))
    assert "| Began with | the weights of version 1, which was champion |" in cards
