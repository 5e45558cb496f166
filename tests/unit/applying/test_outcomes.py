"""Test the outcomes of writes after which a run stops."""

from __future__ import annotations

from typing import Any

import pytest
from in_process_harness import open_project

from reconciler.applying.outcomes import InFlight, finish_untested
from reconciler.applying.schedule import Task
from reconciler.model.address import DESTINATION, Address
from reconciler.model.outcome import Status

SALES = {
    "service": "big_query",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "config": {"project_id": "acme", "data_set_location": "US"},
}


@pytest.mark.parametrize(("runs_tests", "codes"), [(True, ["setup-tests-not-run"]), (False, [])])
def test_only_missing_setup_tests_make_a_stopped_write_incomplete(runs_tests: bool, codes: list[str]) -> None:
    """The service account would have been read after both writes."""
    declared: dict[str, Any] = {"destination": {**SALES, "setup_tests": {"run": runs_tests}}}
    with open_project() as project:
        project.declare({"sales": declared})
        operation = project.plan_operations()[Address(DESTINATION, "sales")]
    assert operation.unread_parts
    outcome = finish_untested(InFlight(Task(operation.change, (), operation), 0.0, "a_b"), None, 1.0)
    assert outcome.status is Status.DONE
    assert [diagnostic.code for diagnostic in outcome.diagnostics] == codes
