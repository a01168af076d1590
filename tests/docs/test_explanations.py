"""What the explanations state about gates and the promotion rule is what the code does and the tests prove."""

from __future__ import annotations

import re

import pytest

from tasks.core.contracts import GATES, RESERVED_GATES, Status
from tasks.core.stats.paired import LABEL_METRICS, MINIMUM_UNITS, RELATIVE_METRICS
from tests.docs.reading import ROOT, section
from tests.faults.fault_table import FAULTS

GATES_PAGE = (ROOT / "docs" / "explanation" / "gates.md").read_text()
RULE_PAGE = (ROOT / "docs" / "explanation" / "promotion.md").read_text()


def test_every_gate_has_its_section_in_the_order_of_a_run():
    assert re.findall(r"^### (\w+)$", GATES_PAGE, flags=re.MULTILINE) == list(GATES)


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_names_the_fault_that_proves_it_and_its_evidence(gate: str):
    text = " ".join(section(GATES_PAGE, gate).split())
    assert f"**Fault**: {FAULTS[gate].what}." in text
    assert "**Evidence**" in text


def test_gates_that_are_not_there_are_named_as_such():
    assert set(RESERVED_GATES) <= set(re.findall(r"`(\w+)`", section(GATES_PAGE, "Not yet")))


def test_every_end_of_a_run_is_told():
    told = re.findall(r"^\| `(\w+)` \| \d", section(GATES_PAGE, "How a run ends"), flags=re.MULTILINE)
    assert set(told) == set(Status.__args__)


def test_every_metric_has_its_test_and_its_least_number_of_rows():
    tests = section(RULE_PAGE, "The tests")
    for metric in {*LABEL_METRICS, *RELATIVE_METRICS, "roc_auc", "r2"}:
        assert f"`{metric}`" in tests
    few = " ".join(section(RULE_PAGE, "The tests").split())
    assert f"{MINIMUM_UNITS['log_loss']} for `log_loss`, {MINIMUM_UNITS['rmse']} for `rmse`, `mae` and `r2`" in few
    assert MINIMUM_UNITS["rmse"] == MINIMUM_UNITS["mae"] == MINIMUM_UNITS["r2"]
    relative = re.search(r"For losses and errors \(([^)]*)\)", " ".join(RULE_PAGE.split()))
    assert relative
    assert set(re.findall(r"`(\w+)`", relative[1])) == set(RELATIVE_METRICS)
