"""Promotion, rollback and recovery with real MLflow: what is moved, refused, repeated and observed."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import GateError, RequestError
from tasks.release import promotion
from tasks.stores import registry, runs
from tasks.stores.ledger import Ledger


def load_killing() -> Any:
    path = Path(__file__).with_name("killing.py")
    spec = importlib.util.spec_from_file_location("killing_helpers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home, and a function that gives a model name with so many versions."""
    from tasks.core.home import open_home

    home = open_home(str(tmp_path_factory.mktemp("promotion") / "home"))
    helpers = load_killing()

    def make(name: str, versions: int, champion: str | None = None) -> Any:
        helpers.versions(home, name, versions)
        for number in range(1, int(champion or 0) + 1):
            promote(home, name, str(number))
        return home

    return make


def promote(home: Any, name: str, number: str, rule: str = "superior") -> promotion.Moved:
    body = {"key": f"key{number}", "version": number, "rule": rule, "reason": "shown to be better"}
    decision = promotion.record_decision(home, name, "promote", body)
    return promotion.promote(home, name, number, decision)


def kinds(home: Any, name: str) -> list[str]:
    return [entry.kind for entry in Ledger(home.ledger).entries(name)]


def tags_of(home: Any, name: str, number: str) -> dict[str, str]:
    found = registry.version(home, name, number)
    assert found is not None
    return found.tags


def test_recovering_where_nothing_happened_does_nothing(home: Any) -> None:
    assert promotion.recover(home, "digits") == []
    assert [path.name for path in home.root.iterdir()] == ["home.json"]


def test_a_promotion_is_entered_before_and_after_the_alias_moves(registered: Any) -> None:
    home = registered("simple", 2)
    first, second = promote(home, "simple", "1", "first"), promote(home, "simple", "2")
    assert (first.previous, second.previous, second.version, second.repeated) == (None, "1", "2", False)
    assert registry.champion_version(home, "simple") == "2"
    assert kinds(home, "simple") == ["promote", "intent", "done"] * 2
    assert tags_of(home, "simple", "2")["evergreen.decision"] == second.decision_id
    assert set(registry.model_tags(home, "simple").values()) == {first.decision_id, second.decision_id}
    done = Ledger(home.ledger).entries("simple")[-1].body
    assert (done["from"], done["to"], done["decision"], done["outcome"]) == ("1", "2", second.decision_id, "moved")


def test_a_decision_that_is_repeated_is_the_same_line(registered: Any) -> None:
    home = registered("repeated", 2, champion="1")
    body = {"key": "package-key", "version": "2", "reason": "not shown"}
    first = promotion.record_decision(home, "repeated", "hold", body)
    assert promotion.record_decision(home, "repeated", "hold", body) == first
    assert promotion.record_decision(home, "repeated", "hold", body | {"key": "other"}) != first
    assert promotion.record_decision(home, "repeated", "reject", body) != first
    promote(home, "repeated", "2")
    assert promotion.record_decision(home, "repeated", "hold", body) != first
    stop = {"reason": "Stopped by volume", "gates": ["volume"]}
    assert promotion.record_decision(home, "repeated", "stop", stop) == promotion.record_decision(
        home, "repeated", "stop", stop
    )


def test_a_promotion_that_is_repeated_moves_nothing(registered: Any) -> None:
    home = registered("twice", 1)
    first = promote(home, "twice", "1")
    again = promotion.promote(home, "twice", "1", first.decision_id)
    assert again.repeated and kinds(home, "twice") == ["promote", "intent", "done"]


@pytest.mark.parametrize(
    ("number", "decision", "message"),
    [
        ("1", "0" * 64, "has no decision 000000000000 to promote wrong/1"),
        ("7", None, "no decision [0-9a-f]{12} to promote wrong/7"),
    ],
)
def test_a_promotion_without_a_decision_about_that_version_is_refused(
    registered: Any, number: str, decision: str | None, message: str
) -> None:
    home = registered("wrong", 1)
    made = promotion.record_decision(home, "wrong", "promote", {"key": "k", "version": "1", "reason": "x"})
    with pytest.raises(RequestError, match=message):
        promotion.promote(home, "wrong", number, decision or made)
    assert registry.champion_version(home, "wrong") is None


def test_a_decision_against_another_champion_is_refused(registered: Any) -> None:
    home = registered("stale", 3, champion="1")
    decision = promotion.record_decision(home, "stale", "promote", {"key": "k3", "version": "3", "reason": "x"})
    promote(home, "stale", "2")
    with pytest.raises(GateError, match="had champion 1 when this was decided; now it is 2"):
        promotion.promote(home, "stale", "3", decision)
    assert registry.champion_version(home, "stale") == "2"


def test_a_rollback_goes_to_the_champion_before_and_blocks_what_it_left(registered: Any) -> None:
    home = registered("back", 3, champion="3")
    moved = promotion.rollback(home, "back", reason="wrong on Mondays")
    assert (moved.version, moved.previous) == ("2", "3")
    assert registry.champion_version(home, "back") == "2"
    assert promotion.blocked(home, "back") == {"3": "rolled back: wrong on Mondays"}
    assert tags_of(home, "back", "3")["evergreen.blocked"] == "true"
    assert tags_of(home, "back", "3")["evergreen.blocked_reason"] == "rolled back: wrong on Mondays"
    with pytest.raises(GateError, match=r"Refused promotion: back/3 is blocked: rolled back: wrong on Mondays"):
        promote(home, "back", "3")


def test_the_same_rollback_again_is_done_already_and_another_goes_further_back(registered: Any) -> None:
    home = registered("further", 3, champion="3")
    promotion.rollback(home, "further", reason="first")
    assert promotion.rollback(home, "further", reason="first").repeated
    assert promotion.rollback(home, "further", reason="still wrong").version == "1"
    assert set(promotion.blocked(home, "further")) == {"2", "3"}
    with pytest.raises(GateError, match="Refused rollback: further has no earlier champion"):
        promotion.rollback(home, "further", reason="and again")


def test_a_rollback_goes_to_a_version_or_a_time(registered: Any) -> None:
    home = registered("named", 3, champion="3")
    moves = Ledger(home.ledger).moves("named")
    assert promotion.rollback_target(home, "named", "1") == "1"
    assert promotion.rollback_target(home, "named", moves[1].entry.time) == "2"
    assert promotion.rollback(home, "named", reason="x", to=moves[0].entry.time).version == "1"
    assert set(promotion.blocked(home, "named")) == {"3"}


@pytest.mark.parametrize(
    ("to", "error", "message"),
    [
        ("9", RequestError, "refusals has no version 9"),
        ("last week", RequestError, "'last week' is neither a version of refusals nor a time"),
        ("3", GateError, "Refused rollback: refusals/3 has never been champion"),
        ("2", GateError, "Refused rollback: refusals/2 is the champion already"),
        ("1999-01-01", GateError, "Refused rollback: refusals had no champion at 1999-01-01"),
        ("2999-01-01", GateError, "Refused rollback: refusals/2 is the champion already"),
    ],
)
def test_a_rollback_that_cannot_be_is_refused_in_one_sentence(
    registered: Any, to: str, error: type[Exception], message: str
) -> None:
    home = registered("refusals", 3)
    if registry.champion_version(home, "refusals") is None:
        promote(home, "refusals", "1")
        promote(home, "refusals", "2")
    before = kinds(home, "refusals")
    with pytest.raises(error, match=re.escape(message)) as caught:
        promotion.rollback(home, "refusals", reason="x", to=to)
    assert caught.value.remedy
    assert kinds(home, "refusals") == before


def test_a_rollback_without_a_champion_or_to_a_blocked_version_is_refused(registered: Any) -> None:
    home = registered("none", 1)
    with pytest.raises(GateError, match="none has no champion to roll back from") as caught:
        promotion.rollback(home, "none", reason="x")
    assert caught.value.exit_code == 3
    home = registered("ruled", 2, champion="2")
    promotion.rollback(home, "ruled", reason="x")
    with pytest.raises(GateError, match="ruled/2 is blocked: rolled back: x") as caught:
        promotion.rollback(home, "ruled", reason="y", to="2")
    assert "--unblock" in caught.value.remedy


def test_a_person_can_unblock_and_promote(registered: Any) -> None:
    home = registered("person", 2, champion="2")
    promotion.rollback(home, "person", reason="x")
    with pytest.raises(GateError, match="person/2 is blocked"):
        promotion.promote_by_person(home, "person", "2", reason="it was right")
    moved = promotion.promote_by_person(home, "person", "2", reason="it was right", unblock=True)
    assert (moved.version, moved.previous) == ("2", "1")
    assert promotion.blocked(home, "person") == {}
    assert "evergreen.blocked" not in tags_of(home, "person", "2")
    assert kinds(home, "person")[-4:] == ["unblock", "promote", "intent", "done"]
    assert promotion.promote_by_person(home, "person", "2", reason="it was right").repeated
    with pytest.raises(RequestError, match="person/2 is the champion already"):
        promotion.promote_by_person(home, "person", "2", reason="once more")
    with pytest.raises(RequestError, match="person has no version 8"):
        promotion.promote_by_person(home, "person", "8", reason="x")


def test_a_person_who_approves_keeps_the_rule_of_the_decision(registered: Any) -> None:
    home = registered("waiting", 2, champion="1")
    body = {"key": "k2", "version": "2", "rule": "non_inferior", "reason": "as good", "waiting": True}
    decision = promotion.record_decision(home, "waiting", "promote", body)
    moved = promotion.promote_by_person(home, "waiting", "2", reason="approved")
    made = Ledger(home.ledger).find(moved.decision_id)
    assert made is not None
    assert (made.body["rule"], made.body["basis"], made.body["by_person"]) == ("non_inferior", decision, True)


def test_a_move_made_by_somebody_else_is_noticed_and_entered(registered: Any) -> None:
    home = registered("foreign", 3, champion="1")
    runs.open_tracking(home).set_registered_model_alias("foreign", "champion", "3")
    assert promotion.recover(home, "foreign") == ["the alias was moved outside Evergreen: foreign went from 1 to 3"]
    assert promotion.recover(home, "foreign") == []
    observed = Ledger(home.ledger).entries("foreign")[-1]
    assert (observed.kind, observed.body["from"], observed.body["to"]) == ("observed", "1", "3")
    assert Ledger(home.ledger).champion("foreign") == "3"
    runs.delete_alias(home, "foreign")
    promotion.recover(home, "foreign")
    assert Ledger(home.ledger).champion("foreign") is None


def test_an_intent_that_somebody_else_overtook_is_void(registered: Any) -> None:
    home = registered("overtaken", 3, champion="1")
    decision = promotion.record_decision(home, "overtaken", "promote", {"key": "k", "version": "2", "reason": "x"})
    body = {"from": "1", "to": "2", "decision": decision}
    Ledger(home.ledger).append("intent", "overtaken", body)
    runs.open_tracking(home).set_registered_model_alias("overtaken", "champion", "3")
    assert "somebody else moved the alias" in promotion.recover(home, "overtaken")[0]
    assert registry.champion_version(home, "overtaken") == "3" == Ledger(home.ledger).champion("overtaken")
    assert kinds(home, "overtaken")[-3:] == ["intent", "done", "observed"]


def test_an_intent_whose_version_was_deleted_is_void(registered: Any) -> None:
    home = registered("gone", 2, champion="1")
    decision = promotion.record_decision(home, "gone", "promote", {"key": "k", "version": "2", "reason": "x"})
    Ledger(home.ledger).append("intent", "gone", {"from": "1", "to": "2", "decision": decision})
    runs.open_tracking(home).delete_model_version("gone", "2")
    promotion.recover(home, "gone")
    assert registry.champion_version(home, "gone") == "1"
    assert Ledger(home.ledger).entries("gone")[-1].body["outcome"] == "void"


def test_the_champion_during_an_interrupted_move_is_the_one_consumers_saw(registered: Any) -> None:
    home = registered("between", 2, champion="1")
    decision = promotion.record_decision(home, "between", "promote", {"key": "k", "version": "2", "reason": "x"})
    intent = Ledger(home.ledger).append("intent", "between", {"from": "1", "to": "2", "decision": decision})
    runs.set_alias(home, "between", "2")
    between = Ledger(home.ledger).append("drift", "between", {}).time
    promotion.recover(home, "between")
    assert Ledger(home.ledger).champion_at("between", between) == "2"
    assert Ledger(home.ledger).moves("between")[-1].since == intent.time


def test_a_version_blocked_by_hand_in_mlflow_counts_too(registered: Any) -> None:
    home = registered("byhand", 2, champion="1")
    runs.tag_version(home, "byhand", "2", {"evergreen.blocked": "true"})
    assert promotion.blocked(home, "byhand") == {"2": "tagged in MLflow"}
    with pytest.raises(GateError, match="byhand/2 is blocked: tagged in MLflow"):
        promote(home, "byhand", "2")
    assert promotion.promote_by_person(home, "byhand", "2", reason="fine", unblock=True).version == "2"


def test_nothing_is_moved_on_top_of_a_ledger_that_does_not_hold(registered: Any, tmp_path: Path) -> None:
    home = registered("cut", 2, champion="1")
    whole = home.ledger.read_bytes()
    try:
        connection = sqlite3.connect(home.ledger)
        connection.execute("DROP TRIGGER entries_are_not_removed")
        connection.execute("DELETE FROM entries WHERE model = 'cut'")
        connection.execute(
            "CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries"
            " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
        connection.commit()
        connection.close()
        assert Ledger(home.ledger).verify() == []
        with pytest.raises(
            GateError, match=r"does not hold: 1 decisions are no longer in it, the first is [0-9a-f]{12}"
        ):
            promotion.recover(home, "cut")
        assert Ledger(home.ledger).entries("cut") == []
    finally:
        home.ledger.write_bytes(whole)
    assert promotion.recover(home, "cut") == []
