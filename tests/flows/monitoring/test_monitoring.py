"""Monitoring a real champion through the command line: files, the source, late labels, the journal, and kills."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tasks.stores import triggers
from tasks.stores.ledger import Entry, Ledger

HEADER = "id,age,income,region,outcome"


def test_rows_as_before_leave_a_line_and_ask_for_nothing(claims: Any) -> None:
    code, answer = claims.monitor("--data", claims.file("new.csv", claims.rows(5000, 80, seed=1)))
    assert (code, answer["status"], answer["model"]) == (0, "completed", "claims"), answer
    assert answer["window"]["rows"] == 80
    drift = answer["drift"]
    assert (drift["detected"], drift["confirmed"]) == (False, False), drift
    assert {column["name"] for column in drift["columns"]} == {"age", "income", "region", "prediction"}
    assert all(set(column) == {"name", "effect", "threshold", "drifted"} for column in drift["columns"])
    assert drift["statistic"] < drift["threshold"]
    assert answer["performance"]["worse"] is False
    assert answer["trigger_id"] is None
    assert Path(answer["report"]).is_file()
    assert claims.kinds == ["drift"]


def test_the_second_shifted_window_confirms_and_the_line_stands_before_its_trigger(claims: Any) -> None:
    first = claims.file("monday.csv", claims.rows(5000, 80, older=25))
    second = claims.file("tuesday.csv", claims.rows(6000, 80, older=25))
    code, answer = claims.monitor("--data", first, "--fail-on-drift")
    assert (code, answer["drift"]["detected"], answer["drift"]["confirmed"]) == (3, True, False)
    assert answer["trigger_id"] is None
    code, answer = claims.monitor("--data", first)
    assert (code, answer["repeated"], answer["drift"]["confirmed"]) == (0, True, False), "one window is one window"

    code, answer = claims.monitor("--data", second)
    assert (code, answer["drift"]["confirmed"]) == (0, True)
    assert next(column["name"] for column in answer["drift"]["columns"] if column["drifted"]) == "age"
    pictures = Path(answer["report"]).with_name("evidently.html")
    assert pictures.stat().st_size > 100_000 and pictures.name in Path(answer["report"]).read_text()
    assert claims.kinds == ["drift", "drift", "trigger"]
    line, proposed = claims.lines[1:]
    assert proposed.body["evidence"] == line.hash and proposed.body["cause"] == "drift"
    assert answer["trigger_id"] == proposed.body["id"]
    assert "age" in proposed.body["reason"]

    code, again = claims.monitor("--data", second, "--fail-on-drift")
    assert (code, again["repeated"], again["trigger_id"]) == (3, True, answer["trigger_id"])
    assert claims.kinds == ["drift", "drift", "trigger"], "the same window again adds nothing"


def test_a_person_reads_the_verdict_first_then_what_moved_and_what_comes_next(
    claims: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.cli import main

    for day in (1, 2):
        path = claims.file(f"day-{day}.csv", claims.rows(5000 + 1000 * day, 80, older=25))
        capfd.readouterr()
        assert main(["--home", str(claims.home.root), "monitor", str(claims.folder), "--data", str(path)]) == 0
    text = capfd.readouterr().out
    assert text.splitlines()[0] == "claims: DRIFT CONFIRMED"
    moved = next(line for line in text.splitlines() if line.split()[:1] == ["age"])
    assert "DRIFTED" in moved
    assert "evergreen retrain" in text and "evergreen up" in text
    assert text.splitlines()[-1].strip().startswith(str(claims.home.root))


def test_no_value_of_a_row_reaches_the_ledger(claims: Any) -> None:
    header = HEADER.replace("region", "region")
    lines = [line.replace("north", "a-secret-place") for line in claims.rows(5000, 90)]
    claims.monitor("--data", claims.file("new.csv", lines, header))
    text = json.dumps([entry.body for entry in claims.lines])
    assert "a-secret-place" not in text
    assert claims.kinds == ["drift"]


def test_a_source_that_has_not_grown_and_a_silent_champion_are_nothing_new(claims: Any) -> None:
    code, answer = claims.monitor("--fail-on-drift")
    assert (code, answer["window"]["rows"], answer["report"]) == (0, 0, None)
    assert "nothing new" in answer["reason"]
    assert claims.kinds == []


def test_rows_of_the_source_are_judged_once_and_too_few_wait_for_more(claims: Any) -> None:
    claims.append(claims.rows(5000, 20))
    code, answer = claims.monitor()
    assert (code, answer["window"]["rows"], claims.kinds) == (0, 20, [])
    assert "min_rows" in answer["reason"]
    claims.append(claims.rows(5100, 50))
    _, answer = claims.monitor()
    assert (answer["window"]["origin"], answer["window"]["rows"], claims.kinds) == ("source", 70, ["drift"])
    claims.append(claims.rows(5200, 60))
    _, answer = claims.monitor()
    assert answer["window"]["rows"] == 60, "the 70 before were judged"
    _, answer = claims.monitor()
    assert (answer["window"]["rows"], claims.kinds) == (0, ["drift", "drift"])


def test_labels_that_arrive_show_that_the_champion_does_worse(claims: Any) -> None:
    claims.append(claims.rows(5000, 120, labels="none"))
    _, answer = claims.monitor()
    assert (answer["performance"], answer["drift"]["detected"]) == (None, False)
    whole = [line for line in (claims.folder / "rows.csv").read_text().splitlines()[1:] if not line.startswith("50")]
    claims.file(
        "rows.csv", [line for line in whole if int(line.split(",")[0]) < 5000] + claims.rows(5000, 120, labels="turned")
    )
    code, answer = claims.monitor()
    assert code == 0
    assert answer["window"]["labelled"] == 120
    performance = answer["performance"]
    assert performance["worse"] is True and performance["value"] < performance["expected"]
    assert claims.kinds == ["drift", "drift", "trigger"]
    assert claims.lines[-1].body["cause"] == "performance"
    assert answer["trigger_id"] == claims.lines[-1].body["id"]
    _, answer = claims.monitor()
    assert (answer["window"]["rows"], answer["window"]["labelled"]) == (0, 0), "these labels were looked at"


def test_rows_the_champion_was_trained_on_do_not_count_for_its_performance(claims: Any) -> None:
    known = (claims.folder / "rows.csv").read_text().splitlines()[1:]
    _, answer = claims.monitor("--data", claims.file("known.csv", known))
    assert answer["window"]["rows"] == 900
    assert 200 < answer["window"]["labelled"] < 340, "the test rows alone"
    assert answer["drift"]["detected"] is False


def test_the_journal_is_compared_by_predictions_alone(claims: Any) -> None:
    source, output = (
        claims.file("asked.csv", claims.rows(7000, 120, older=40, labels="none")),
        claims.folder / "scored.csv",
    )
    code, answer, _ = claims.call("predict", "claims", source, "-o", output)
    assert code == 0, answer
    code, answer = claims.monitor()
    assert (code, answer["window"]["origin"], answer["window"]["rows"]) == (0, "journal", 120)
    assert [column["name"] for column in answer["drift"]["columns"]] == ["prediction"]
    assert answer["drift"]["detected"] is True
    assert answer["window"]["from"] <= answer["window"]["to"]
    assert claims.kinds == ["drift"]
    _, answer = claims.monitor()
    assert (answer["window"]["rows"], claims.kinds) == (0, ["drift"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.csv", "id,age,region,outcome\n1,30,north,yes\n", ["missing.csv", "'income'", "claims/1"]),
        ("empty.csv", "", ["empty.csv is empty"]),
        ("words.csv", "id,age,income,region,outcome\n" + "1,old,300,north,yes\n" * 40, ["words.csv", "'age'"]),
        ("long.csv", "id,age,income,region,outcome\n1,30,300,north,yes,6\n", ["long.csv"]),
        ("broken.parquet", "PAR1", ["broken.parquet"]),
    ],
)
def test_rows_the_champion_cannot_read_are_a_wrong_request(claims: Any, name: str, text: str, says: list[str]) -> None:
    (claims.folder / name).write_text(text)
    code, answer = claims.monitor("--data", claims.folder / name)
    assert (code, answer["status"]) == (2, "error"), answer
    assert all(word in answer["error"]["message"] for word in says), answer
    assert answer["error"]["remedy"]
    assert claims.kinds == []


@pytest.mark.parametrize("after", ["line", "trigger"])
def test_a_kill_between_line_and_delivery_leaves_exactly_one_trigger(claims: Any, after: str) -> None:
    claims.monitor("--data", claims.file("monday.csv", claims.rows(5000, 80, older=25)))
    second = claims.file("tuesday.csv", claims.rows(6000, 80, older=25))
    child = os.fork()
    if child == 0:
        die_after(after)
        claims.monitor("--data", second)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert claims.kinds == ["drift", "drift", *(["trigger"] if after == "trigger" else [])]

    _, answer = claims.monitor("--data", second)
    assert claims.kinds == ["drift", "drift", "trigger"]
    (trigger,) = triggers.every(claims.home, "claims")
    assert (answer["trigger_id"], trigger.evidence, trigger.state) == (trigger.id, claims.lines[1].hash, "pending")
    assert Ledger(claims.home.ledger).verify() == []


def test_a_trigger_that_a_kill_kept_back_is_made_up_for_by_the_next_look_at_anything(claims: Any) -> None:
    claims.append(claims.rows(5000, 80, older=25))
    claims.monitor()
    claims.append(claims.rows(6000, 80, older=25))
    child = os.fork()
    if child == 0:
        die_after("line")
        claims.monitor()
        os._exit(0)
    os.waitpid(child, 0)
    assert claims.kinds == ["drift", "drift"]
    _, answer = claims.monitor()
    assert answer["window"]["rows"] == 0, "its rows were judged"
    assert claims.kinds == ["drift", "drift", "trigger"]
    assert answer["trigger_id"] == claims.lines[-1].body["id"]


def die_after(what: str) -> None:
    """Let this process die by SIGKILL once the line, or the trigger, is in the ledger."""
    append = Ledger.append
    wanted = {"line": "drift", "trigger": "trigger"}[what]

    def append_and_die(self: Ledger, kind: str, *arguments: Any, **options: Any) -> Entry:
        entry = append(self, kind, *arguments, **options)
        if kind == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        return entry

    Ledger.append = append_and_die  # type: ignore[method-assign]


def test_people_are_told_of_a_confirmed_drift_once(claims: Any) -> None:
    told = claims.folder / "told.json"
    recipe = claims.folder / "recipe.yaml"
    hook = f"alerts: [{{kind: command, argv: [tee, {told}], on: [drifted]}}]\n"
    recipe.write_text(recipe.read_text() + hook)
    claims.monitor("--data", claims.file("monday.csv", claims.rows(5000, 80, older=25)))
    assert not told.exists(), "one window is suspicion"
    second = claims.file("tuesday.csv", claims.rows(6000, 80, older=25))
    claims.monitor("--data", second)
    alert = json.loads(told.read_text())
    assert "age" in json.dumps(alert) and "drift" in json.dumps(alert)
    told.unlink()
    claims.monitor("--data", second)
    assert not told.exists(), "it is the same drift"


def test_windows_are_judged_anew_for_another_champion_or_another_budget(claims: Any) -> None:
    path = claims.file("monday.csv", claims.rows(5000, 80, seed=1))
    claims.monitor("--data", path)
    _, answer = claims.monitor("--data", path, "monitoring.false_alarms_per_year=0.1")
    assert (answer["repeated"], claims.kinds) == (False, ["drift", "drift"])
    first, second = (line.body["threshold"] for line in claims.lines)
    assert second > first


def test_the_same_window_judged_twice_confirms_nothing(claims: Any) -> None:
    path = claims.file("monday.csv", claims.rows(5000, 80, older=25))
    claims.monitor("--data", path)
    _, answer = claims.monitor("--data", path, "monitoring.false_alarms_per_year=1")
    assert (answer["drift"]["detected"], answer["drift"]["confirmed"]) == (True, False)
    assert claims.kinds == ["drift", "drift"]
