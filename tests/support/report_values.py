"""Build plans and outcomes from model values, for tests of `report` and `cli`."""

from __future__ import annotations

import io

from rich.console import Console
from terminal_screen import TerminalScreen

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.outcome import ApplyResult, Check, Outcome, Status
from reconciler.model.plan import (
    Action,
    Change,
    FieldChange,
    Plan,
    Reason,
    SecretComparison,
    UnmanagedGroup,
    Visibility,
)
from reconciler.model.risk import FieldRisk, Risk
from reconciler.model.source import Span
from reconciler.report.style import make_console


def group_address(key: str) -> Address:
    return Address(GROUP, key)


def destination_address(key: str) -> Address:
    return Address(DESTINATION, key)


def make_span(path: str, line: int, column: int = 1, length: int = 1) -> Span:
    return Span(path, line, column, line, column + length)


NEW_GROUP = Change(
    address=group_address("finance_prod"),
    action=Action.CREATE,
    reasons=(Reason.NEW,),
    fields=(FieldChange(("name",), None, "finance_prod"),),
    span=make_span("specs/groups/finance.yaml", 5),
)
NEW_DESTINATION = Change(
    address=destination_address("finance_prod"),
    action=Action.CREATE,
    reasons=(Reason.NEW,),
    fields=(
        FieldChange(("service",), None, "snowflake"),
        FieldChange(("config", "port"), None, 443),
        FieldChange(("config", "private_key"), None, "env:FINANCE_KEY", Visibility.SECRET),
        FieldChange(("id",), None, "that of group.finance_prod", Visibility.KNOWN_AFTER_APPLY),
    ),
    depends_on=(group_address("finance_prod"),),
    span=make_span("specs/groups/finance.yaml", 7),
)
CHANGED_DESTINATION = Change(
    address=destination_address("analytics_prod"),
    action=Action.UPDATE,
    reasons=(Reason.FIELDS_DIFFER,),
    fields=(
        FieldChange(("region",), "GCP_US_EAST4", "AWS_US_EAST_1", risk=FieldRisk.REGION),
        FieldChange(("config", "role"), None, "FIVETRAN_ROLE"),
        FieldChange(("private_link_id",), "pl_old", None),
    ),
    id="decent_dropsy",
    span=make_span("specs/groups/analytics.yaml", 9),
    risk=Risk.INTERRUPTS_SYNCS,
)
UNTESTED_DESTINATION = Change(
    address=destination_address("lake"),
    action=Action.VERIFY,
    reasons=(Reason.TESTS_OUTSTANDING,),
    id="brave_otter",
    span=make_span("specs/groups/lake.yaml", 3),
)
UNCHANGED_GROUP = Change(address=group_address("analytics_prod"), action=Action.NO_OP, id="decent_dropsy")
UNCHANGED_DESTINATION = Change(
    address=destination_address("old"),
    action=Action.NO_OP,
    id="old_mole",
    uncomparable=(("config", "password"), ("config", "server_host_name")),
    secrets=SecretComparison(unchanged=(("config", "passphrase"),), uncomparable=(("config", "password"),)),
)


def build_plan(
    *changes: Change, unmanaged: tuple[UnmanagedGroup, ...] = (), uncomparable_secrets: tuple[str, ...] = ()
) -> Plan:
    return Plan(
        account_id="intently_yarn",
        account_name="Acme",
        changes=changes,
        unmanaged=unmanaged,
        files=4,
        requests=14,
        seconds=3.14,
        uncomparable_secrets=uncomparable_secrets,
    )


FULL_PLAN = build_plan(
    NEW_GROUP,
    UNCHANGED_GROUP,
    NEW_DESTINATION,
    CHANGED_DESTINATION,
    UNTESTED_DESTINATION,
    UNCHANGED_DESTINATION,
    unmanaged=(UnmanagedGroup("loose_end", "hackathon"),),
    uncomparable_secrets=("destination.old:config.password",),
)

CREATED = Outcome(
    group_address("finance_prod"), Action.CREATE, Status.DONE, id="yawning_sponge", seconds=0.42
)
TESTED = Outcome(
    destination_address("finance_prod"),
    Action.CREATE,
    Status.DONE,
    id="yawning_sponge",
    checks=(
        Check("Connect", "PASSED"),
        Check("Validate Permissions", "WARNING", "role R cannot\ncreate schemas"),
        Check("Read", "PASSED"),
    ),
    seconds=3.9,
)
SKIPPED = Outcome(destination_address("analytics_prod"), Action.UPDATE, Status.SKIPPED)


def build_apply_result(
    *outcomes: Outcome, remaining: tuple[Address, ...] | None = (), interrupted: bool = False
) -> ApplyResult:
    return ApplyResult(outcomes, requests=19, seconds=11.8, interrupted=interrupted, remaining=remaining)


class FakeTerminal(io.StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class RecordingTerminal(FakeTerminal):
    """Terminal of `columns` cells that records the rows of its screen after each write in `samples`."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.screen = TerminalScreen(columns)
        self.samples: list[list[str]] = []

    def write(self, text: str) -> int:
        self.screen.feed(text.replace("\n", "\r\n"))
        self.samples.append(self.screen.rows)
        return super().write(text)


def open_terminal(columns: int) -> tuple[RecordingTerminal, Console]:
    """Open a terminal of this width, with a console on it."""
    terminal = RecordingTerminal(columns)
    console = make_test_console(terminal)
    console.width = columns
    return terminal, console


def make_test_console(stream: io.TextIOBase) -> Console:
    return make_console(stream)  # type: ignore[arg-type]
