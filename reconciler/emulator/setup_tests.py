"""Run setup tests: results are scripted or passing, and set the status of the destination."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field

from reconciler.catalogue.model import Service
from reconciler.emulator import agent_outages, network, targets, trust
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination, SetupStatus
from reconciler.emulator.network import NetworkFacts
from reconciler.emulator.store import Kind
from reconciler.emulator.targets import Target
from reconciler.emulator.trust import TestStatus, TrustFlags

PASSING_RUN: Final = "passing"
"""Word for a run in which every test passes."""

_PASSING_STATUSES = frozenset({"PASSED", "SKIPPED"})
_STORAGES = {"AWS": "AWS", "ADLS": "Azure", "GCS": "GCP"}


@dataclass(frozen=True, slots=True)
class SetupTest:
    """Result of one test.

    `details` is text, a list or a mapping; None leaves it out of the response. `seconds` is the duration of the test.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    status: TestStatus = "PASSED"
    message: str = ""
    details: Any = None
    seconds: Annotated[float, Field(ge=0, le=network.MAX_SETUP_TEST_SECONDS)] = 0.0

    def to_json(self) -> dict[str, Any]:
        """Build the form of the response, which has no duration."""
        data = {"title": self.title, "status": self.status, "message": self.message}
        return data if self.details is None else {**data, "details": self.details}


RunResults: TypeAlias = Sequence[SetupTest]
ScriptedRun: TypeAlias = Annotated[
    list[SetupTest] | None, BeforeValidator(lambda value: None if value == PASSING_RUN else value)
]
"""Results of a run. None is a passing run."""


class SetupTestScript(Target):
    """Results of coming setup tests, as a seed, an option or a control request describes them.

    `runs` are the next runs one by one, and `finally_always` are all runs after them.
    """

    runs: tuple[ScriptedRun, ...] = ()
    finally_always: ScriptedRun = None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Outcome of a run: the destination with its new status, and the results.

    `results` are in JSON form. `seconds` is the duration of the run.
    """

    destination: Destination
    results: list[dict[str, Any]]
    seconds: float


def script_runs(
    account: Account,
    target: str,
    runs: Iterable[RunResults | None],
    *,
    finally_always: RunResults | None,
) -> None:
    """Script the results of coming runs, one entry per run.

    `finally_always` is the result of all later runs. None stands for a passing run. Replaces an earlier script of the
    target.
    """
    body = {
        "target": target,
        "runs": [_encode_run(run) for run in runs],
        "always": _encode_run(finally_always),
    }
    account.store.remove(Kind.SETUP_SCRIPT, target)
    account.store.add(Kind.SETUP_SCRIPT, target, body)


def clear_scripts(account: Account, target: str | None) -> None:
    """Clear the script of a target, None for all scripts. Scripts of more general targets apply again."""
    for script in account.store.list_documents(Kind.SETUP_SCRIPT):
        if target in (None, script["target"]):
            account.store.remove(Kind.SETUP_SCRIPT, script["target"])


def dump_scripts(account: Account) -> Iterator[dict[str, Any]]:
    """Dump what is left of every script, in the form of `SetupTestScript`."""
    for script in account.store.list_documents(Kind.SETUP_SCRIPT):
        dumped: dict[str, Any] = targets.describe_target(script["target"])
        if script["runs"]:
            dumped["runs"] = [PASSING_RUN if run is None else run for run in script["runs"]]
        if script["always"] is not None:
            dumped["finally_always"] = script["always"]
        yield dumped


def _encode_run(run: RunResults | None) -> list[dict[str, Any]] | None:
    """Encode a run for the store, None for a passing run. Fields that are not set are left out."""
    return None if run is None else [_encode_test(test) for test in run]


def _encode_test(test: SetupTest) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(test).items() if value is not None}
    return {name: value for name, value in fields.items() if name not in ("message", "seconds") or value}


def run(
    account: Account, destination: Destination, service: Service | None, trust_flags: TrustFlags
) -> RunOutcome:
    """Run the setup tests of a destination.

    An offline agent or an untrusted server ends the run: later tests are skipped, and the script keeps its next run.
    """
    facts = network.resolve_facts(account, destination)
    first_tests = _run_first_tests(account, destination, facts, trust_flags)
    # Fivetran does not talk to an untrusted server, so a scripted run waits for a trusted server.
    if all(test.status == "PASSED" for test in first_tests):
        scripted = _take_scripted_run(account, destination)
        tests = build_passing_run(service, destination) if scripted is None else scripted
    else:
        tests = [replace(test, status="SKIPPED") for test in build_passing_run(service, destination)]
    tests = [*first_tests, *tests]
    is_passed = all(_is_passed(test, account) for test in tests)
    is_stuck = is_passed and account.behaviour.status_after_tests == "kept"
    tested = destination if is_stuck else _set_status(destination, is_passed)
    seconds = facts.seconds + sum(test.seconds for test in tests)
    results = [test.to_json() for test in tests]
    recorded = replace(tested, last_tests=results, tested_at=account.now())
    return RunOutcome(recorded, results, seconds)


def _run_first_tests(
    account: Account, destination: Destination, facts: NetworkFacts, trust_flags: TrustFlags
) -> list[SetupTest]:
    """Run the tests of the way to the database: of its agent, and of the identity of its servers."""
    agent = agent_outages.find_outage(account, destination)
    if agent is not None:
        return [SetupTest("Agent Connection", "FAILED", f"The agent '{agent}' is offline")]
    return [SetupTest(*check) for check in trust.run_checks(account, destination, facts, trust_flags)]


def build_passing_run(service: Service | None, destination: Destination) -> list[SetupTest]:
    """Build the results of a healthy destination.

    Titles depend on the kind of service, which follows from its fields.
    """
    fields = service.fields if service else {}
    titles: list[str] = []
    if destination.is_tunnelled:
        titles.append("Connecting to SSH tunnel")
    if "snapshot_retention_period" in fields:
        titles += ["Input fields validation test", _build_storage_title(fields, destination)]
        if "polaris_catalog_configuration" in fields:
            titles.append("Fivetran Catalog Access Test")
    elif "host" in fields or "server_host_name" in fields:
        titles += ["Host Connection", "Database Connection", "Permission Test"]
    elif "bootstrap_servers" in fields:
        titles += ["Host Connection", "Permission Test"]
    else:
        titles += ["Input fields validation test", "Permission Test"]
    return [SetupTest(title) for title in titles]


def _build_storage_title(fields: Collection[str], destination: Destination) -> str:
    """Build the title of the storage test. A lake without a bucket is on Azure."""
    provider = destination.config.get("storage_provider") or ("AWS" if "bucket" in fields else "ADLS")
    return f"{_STORAGES.get(provider, 'AWS')} Read and write access test"


def _take_scripted_run(account: Account, destination: Destination) -> list[SetupTest] | None:
    """Take the results of the most specific script for this run, None for a passing run."""
    for target in targets.list_matching(account, destination.id):
        script = account.store.find(Kind.SETUP_SCRIPT, target)
        if script is None:
            continue
        if script["runs"]:
            run = script["runs"].pop(0)
            account.store.replace(Kind.SETUP_SCRIPT, target, script)
            return _decode_run(run)
        if script["always"] is not None:
            return _decode_run(script["always"])
    return None


def _decode_run(run: list[dict[str, Any]] | None) -> list[SetupTest] | None:
    return None if run is None else [SetupTest(**test) for test in run]


def _is_passed(test: SetupTest, account: Account) -> bool:
    if test.status == "WARNING":
        return account.behaviour.warnings_count_as == "passed"
    return test.status in _PASSING_STATUSES


def _set_status(destination: Destination, is_passed: bool) -> Destination:
    if is_passed:
        return replace(destination, setup_status="connected", connected_once=True)
    status: SetupStatus = "broken" if destination.connected_once else "incomplete"
    return replace(destination, setup_status=status)
