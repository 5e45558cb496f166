"""Setup tests: what a run finds, and what it makes of a destination's status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from reconciler.catalogue.model import Service
from reconciler.emulator import surroundings, targets, trust
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination, SetupStatus
from reconciler.emulator.store import Kind
from reconciler.emulator.trust import Accepted, TestStatus

_FINE = frozenset({"PASSED", "SKIPPED"})


@dataclass(frozen=True, slots=True)
class SetupTest:
    """One result. `details` is left out of the answer when it is None, and may be text, a list or a mapping."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    status: TestStatus = "PASSED"
    message: str = ""
    details: Any = None

    def answer(self) -> dict[str, Any]:
        """The JSON form."""
        answer = {"title": self.title, "status": self.status, "message": self.message}
        return answer if self.details is None else {**answer, "details": self.details}


Run = Sequence[SetupTest]


@dataclass(frozen=True, slots=True)
class Tested:
    """A destination after a run, with its new status; the results in JSON form, and how long it took."""

    destination: Destination
    results: list[dict[str, Any]]
    seconds: float


def script(account: Account, target: str, runs: Iterable[Run], *, finally_always: Run | None) -> None:
    """Decide what the coming runs find. Each run is used once; `finally_always` is found ever after,
    where it is None everything passes. Replaces an earlier script of the same target."""
    body = {
        "runs": [[test.answer() for test in run] for run in runs],
        "always": None if finally_always is None else [test.answer() for test in finally_always],
    }
    account.store.remove(Kind.SETUP_SCRIPT, target)
    account.store.add(Kind.SETUP_SCRIPT, target, body)


def run(account: Account, destination: Destination, service: Service | None, accepted: Accepted) -> Tested:
    """Test a destination. A server that it does not trust ends the run: what would come after it is
    skipped, and a script is not used up."""
    met = surroundings.around(account, destination)
    identified = [SetupTest(*check) for check in trust.checks(account, destination, met, accepted)]
    if all(test.status == "PASSED" for test in identified):
        scripted = _scripted(account, destination)
        results = _answers(passing_run(service, destination)) if scripted is None else scripted
    else:
        results = _answers(replace(test, status="SKIPPED") for test in passing_run(service, destination))
    results = _answers(identified) + results
    fine = all(_is_fine(result, account) for result in results)
    return Tested(_with_status(destination, fine), results, met.seconds)


def passing_run(service: Service | None, destination: Destination) -> list[SetupTest]:
    """What a healthy destination shows. Titles follow the kind of service, which its fields tell."""
    known = service.fields if service else {}
    titles: list[str] = []
    if destination.tunnelled:
        titles.append("Connecting to SSH tunnel")
    if "snapshot_retention_period" in known:
        titles += ["Input fields validation test", _storage_test(destination), "Fivetran Catalog Access Test"]
    elif "host" in known or "server_host_name" in known:
        titles += ["Host Connection", "Database Connection", "Permission Test"]
    elif "bootstrap_servers" in known:
        titles += ["Host Connection", "Permission Test"]
    else:
        titles += ["Input fields validation test", "Permission Test"]
    return [SetupTest(title) for title in titles]


def _storage_test(destination: Destination) -> str:
    store = {"ADLS": "Azure", "GCS": "GCS"}.get(str(destination.config.get("storage_provider")), "AWS")
    return f"{store} Read and write access test"


def _scripted(account: Account, destination: Destination) -> list[dict[str, Any]] | None:
    """The results that a script has for this run, the most particular script first."""
    for target in targets.of(account, destination.id):
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


def _answers(tests: Iterable[SetupTest]) -> list[dict[str, Any]]:
    return [test.answer() for test in tests]


def _is_fine(result: Mapping[str, Any], account: Account) -> bool:
    if result["status"] == "WARNING":
        return account.behaviour.warnings_count_as == "passed"
    return result["status"] in _FINE


def _with_status(destination: Destination, fine: bool) -> Destination:
    if fine:
        return replace(destination, setup_status="connected", connected_once=True)
    status: SetupStatus = "broken" if destination.connected_once else "incomplete"
    return replace(destination, setup_status=status)
