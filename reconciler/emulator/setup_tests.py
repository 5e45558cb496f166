"""Setup tests: what a run finds, and what it makes of a destination's status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.catalogue.model import Service
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination, SetupStatus
from reconciler.emulator.store import Kind

ANY_DESTINATION: Final = "any"

_FINE = frozenset({"PASSED", "SKIPPED"})


@dataclass(frozen=True, slots=True)
class SetupTest:
    """One result. `status` is PASSED, SKIPPED, WARNING, FAILED or JOB_FAILED; `details` is left out
    of the answer when it is None, and may be text, a list or a mapping."""

    title: str
    status: str = "PASSED"
    message: str = ""
    details: Any = None

    def answer(self) -> dict[str, Any]:
        """The JSON form."""
        answer = {"title": self.title, "status": self.status, "message": self.message}
        return answer if self.details is None else {**answer, "details": self.details}


Run = Sequence[SetupTest]


def script(account: Account, target: str, runs: Iterable[Run], *, finally_always: Run | None) -> None:
    """Decide what the coming runs find. Each run is used once; `finally_always` is found ever after,
    where it is None everything passes. Replaces an earlier script of the same target."""
    body = {
        "runs": [[test.answer() for test in run] for run in runs],
        "always": None if finally_always is None else [test.answer() for test in finally_always],
    }
    account.store.remove(Kind.SETUP_SCRIPT, target)
    account.store.add(Kind.SETUP_SCRIPT, target, body)


def target_id(identifier: str) -> str:
    """Script target: the destination with this id."""
    return f"id:{identifier}"


def target_name(group_name: str) -> str:
    """Script target: the destination of a group of this name, also one that is still to be made."""
    return f"name:{group_name}"


def run(
    account: Account, destination: Destination, service: Service | None
) -> tuple[Destination, list[dict[str, Any]]]:
    """Test a destination: it with its new status, and the results in JSON form."""
    results = _scripted(account, destination)
    if results is None:
        results = [test.answer() for test in passing_run(service, destination)]
    fine = all(_is_fine(result, account) for result in results)
    return _with_status(destination, fine), results


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
    group = account.store.find(Kind.GROUP, destination.id) or {}
    for target in (target_id(destination.id), target_name(group.get("name", "")), ANY_DESTINATION):
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


def _is_fine(result: Mapping[str, Any], account: Account) -> bool:
    if result["status"] == "WARNING":
        return account.behaviour.warnings_count_as == "passed"
    return result["status"] in _FINE


def _with_status(destination: Destination, fine: bool) -> Destination:
    if fine:
        return replace(destination, setup_status=SetupStatus.CONNECTED, connected_once=True)
    broken = SetupStatus.BROKEN if destination.connected_once else SetupStatus.INCOMPLETE
    return replace(destination, setup_status=broken)
