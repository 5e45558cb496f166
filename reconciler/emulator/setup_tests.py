"""Run setup tests: results are scripted or passing, and set the status of the destination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from reconciler.catalogue.model import Service
from reconciler.emulator import network, targets, trust
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination, SetupStatus
from reconciler.emulator.store import Kind
from reconciler.emulator.trust import TestStatus, TrustFlags

_PASSING_STATUSES = frozenset({"PASSED", "SKIPPED"})


@dataclass(frozen=True, slots=True)
class SetupTest:
    """Result of one test. `details` is text, a list or a mapping; None leaves it out of the response."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    status: TestStatus = "PASSED"
    message: str = ""
    details: Any = None

    def to_json(self) -> dict[str, Any]:
        """Build the JSON form."""
        data = {"title": self.title, "status": self.status, "message": self.message}
        return data if self.details is None else {**data, "details": self.details}


RunResults = Sequence[SetupTest]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Outcome of a run: the destination with its new status, and the results.

    `results` are in JSON form. `seconds` is the duration of the run.
    """

    destination: Destination
    results: list[dict[str, Any]]
    seconds: float


def script_runs(
    account: Account, target: str, runs: Iterable[RunResults], *, finally_always: RunResults | None
) -> None:
    """Script the results of coming runs, one entry per run.

    `finally_always` is the result of all later runs; None lets them pass. Replaces an earlier script of the
    target.
    """
    body = {
        "runs": [[test.to_json() for test in run] for run in runs],
        "always": None if finally_always is None else [test.to_json() for test in finally_always],
    }
    account.store.remove(Kind.SETUP_SCRIPT, target)
    account.store.add(Kind.SETUP_SCRIPT, target, body)


def run(
    account: Account, destination: Destination, service: Service | None, trust_flags: TrustFlags
) -> RunOutcome:
    """Run the setup tests of a destination.

    An untrusted server ends the run: later tests are skipped, and the script keeps its next run.
    """
    facts = network.resolve_facts(account, destination)
    identity_tests = [
        SetupTest(*check) for check in trust.run_checks(account, destination, facts, trust_flags)
    ]
    # Fivetran does not talk to an untrusted server, so a scripted run waits for a trusted server.
    if all(test.status == "PASSED" for test in identity_tests):
        scripted = _take_scripted_run(account, destination)
        results = _to_json(build_passing_run(service, destination)) if scripted is None else scripted
    else:
        results = _to_json(
            replace(test, status="SKIPPED") for test in build_passing_run(service, destination)
        )
    results = _to_json(identity_tests) + results
    is_passed = all(_is_passed(result, account) for result in results)
    is_stuck = is_passed and account.behaviour.status_after_tests == "kept"
    tested = destination if is_stuck else _set_status(destination, is_passed)
    recorded = replace(tested, last_tests=results, tested_at=account.now())
    return RunOutcome(recorded, results, facts.seconds)


def build_passing_run(service: Service | None, destination: Destination) -> list[SetupTest]:
    """Build the results of a healthy destination.

    Titles depend on the kind of service, which follows from its fields.
    """
    fields = service.fields if service else {}
    titles: list[str] = []
    if destination.is_tunnelled:
        titles.append("Connecting to SSH tunnel")
    if "snapshot_retention_period" in fields:
        titles += [
            "Input fields validation test",
            _build_storage_title(destination),
            "Fivetran Catalog Access Test",
        ]
    elif "host" in fields or "server_host_name" in fields:
        titles += ["Host Connection", "Database Connection", "Permission Test"]
    elif "bootstrap_servers" in fields:
        titles += ["Host Connection", "Permission Test"]
    else:
        titles += ["Input fields validation test", "Permission Test"]
    return [SetupTest(title) for title in titles]


def _build_storage_title(destination: Destination) -> str:
    storage = {"ADLS": "Azure", "GCS": "GCS"}.get(str(destination.config.get("storage_provider")), "AWS")
    return f"{storage} Read and write access test"


def _take_scripted_run(account: Account, destination: Destination) -> list[dict[str, Any]] | None:
    """Take the results of the most specific script for this run, None if there is none."""
    for target in targets.list_matching(account, destination.id):
        body = account.store.find(Kind.SETUP_SCRIPT, target)
        if body is None:
            continue
        if body["runs"]:
            results: list[dict[str, Any]] = body["runs"].pop(0)
            account.store.replace(Kind.SETUP_SCRIPT, target, body)
            return results
        if body["always"] is not None:
            always: list[dict[str, Any]] = body["always"]
            return always
    return None


def _to_json(tests: Iterable[SetupTest]) -> list[dict[str, Any]]:
    return [test.to_json() for test in tests]


def _is_passed(result: Mapping[str, Any], account: Account) -> bool:
    if result["status"] == "WARNING":
        return account.behaviour.warnings_count_as == "passed"
    return result["status"] in _PASSING_STATUSES


def _set_status(destination: Destination, is_passed: bool) -> Destination:
    if is_passed:
        return replace(destination, setup_status="connected", connected_once=True)
    status: SetupStatus = "broken" if destination.connected_once else "incomplete"
    return replace(destination, setup_status=status)
