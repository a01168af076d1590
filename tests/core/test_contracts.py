"""Contracts survive JSON, and name the life cycle consistently."""

from __future__ import annotations

import json

import pytest

from tasks.core.contracts import (
    GATES,
    RESERVED_GATES,
    STAGES,
    Decided,
    Evaluated,
    Gate,
    Prepared,
    from_json,
    to_json,
)

EXAMPLES = [
    Prepared("work/a", {"train": 3}, (1, 8, 8), 10, ("0", "1"), ("pixel_0_0",), None),
    Evaluated({"test": {"accuracy": 0.9}}, {"roc_auc": "one class"}, {}, "p", "r", (Gate("finite", "passed"),)),
    Decided("hold", "superior", "no", "id", "accuracy", 9, 0.1, (-0.1, 0.3), None, "1", {}, False, ()),
    Decided("promote", "first", "yes", "id", "accuracy", 9, None, None, None, None, {}, True, ()),
]


@pytest.mark.parametrize("contract", EXAMPLES, ids=lambda contract: type(contract).__name__)
def test_a_contract_comes_back_from_json_as_it_was(contract: object) -> None:
    assert from_json(type(contract), json.loads(json.dumps(to_json(contract)))) == contract


def test_a_contract_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        from_json(Gate, {"name": "finite", "state": "passed", "colour": "green"})


def test_every_gate_belongs_to_a_stage_and_no_name_is_taken_twice() -> None:
    assert set(GATES.values()) <= set(STAGES)
    assert not set(GATES) & set(RESERVED_GATES)
