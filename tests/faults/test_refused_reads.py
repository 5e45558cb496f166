"""S-15, S-22: reads that the rate limit refuses are repeated, and change neither a plan nor its order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from in_process_harness import InProcessProject, check_applied, open_project

from reconciler.emulator.fault_text import parse_fault
from reconciler.planning.pipeline import make_plan
from reconciler.report.plan_json import serialize_plan
from reconciler.workspace.settings import DEFAULT_WORKERS

PAIRS = 40


def declare_pair(number: int, region: str = "AWS_US_EAST_1") -> dict[str, Any]:
    config = {"host": "acme.snowflakecomputing.com", "port": 443, "auth": "PASSWORD", "user": f"U_{number}"}
    secret = {"password": {"secret": "env:PASSWORD"}, "database": "D"}
    destination = {
        "service": "snowflake",
        "region": region,
        "time_zone_offset": "0",
        "config": config | secret,
    }
    return {"destination": {**destination, "setup_tests": {"run": False}}}


def plan(project: InProcessProject, *faults: str) -> tuple[dict[str, Any], Counter[tuple[str, int]]]:
    """Make a plan while these faults strike. Returns its document, and the reads of destinations by path and status.

    The refusals name no time: a thread on the virtual clock would take the pauses of all others for its own time.
    """
    project.app.faults.add(*map(parse_fault, faults))
    project.read_new_history()
    with project.open_workspace() as workspace:
        document = serialize_plan(make_plan(workspace).plan)
    counts = {name: document.pop(name) for name in ("requests", "seconds")}
    project.app.faults.clear()
    assert counts["requests"] >= PAIRS
    reads = [entry for entry in project.read_new_history() if entry.path.startswith("/v1/destinations/")]
    return document, Counter((entry.path, entry.status) for entry in reads)


def check_applied_all(project: InProcessProject) -> None:
    project.apply()
    assert project.applied is not None
    check_applied(project.applied)


@pytest.mark.parametrize("refused", ["#1..6", "every 4 times 5"])
def test_refused_reads_change_no_plan(refused: str) -> None:
    with open_project() as project:
        project.secrets["PASSWORD"] = "canary-of-refused-reads-51"
        project.declare({f"team_{number:02}": declare_pair(number) for number in range(PAIRS)})
        check_applied_all(project)
        changed = {
            f"team_{number:02}": declare_pair(number, "GCP_US_EAST4" if number % 7 == 0 else "AWS_US_EAST_1")
            for number in range(PAIRS)
        }
        project.declare(changed)
        project.parallelism = 1
        expected, _ = plan(project)
        project.parallelism = None
        document, reads = plan(project, f"GET /v1/destinations/* {refused} status 429 retry-after=0")
    assert document == expected
    assert sum(count for (_, status), count in reads.items() if status == 429) > 0
    successes = {path: count for (path, status), count in reads.items() if status == 200}
    assert len(successes) == PAIRS
    assert set(successes.values()) == {1}


def test_reads_have_twice_the_default_workers_and_the_number_of_the_user() -> None:
    with open_project() as project:
        project.parallelism = None
        settings = project.build_settings()
        assert (settings.workers, settings.readers) == (DEFAULT_WORKERS, 2 * DEFAULT_WORKERS)
        project.parallelism = 3
        settings = project.build_settings()
        assert (settings.workers, settings.readers) == (3, 3)
