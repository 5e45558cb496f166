"""Plans and outcomes that the tests of `report` and `cli` share, built from model values."""

from __future__ import annotations

import io

from rich.console import Console

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.outcome import Applied, Check, Outcome, Status
from reconciler.model.plan import Action, Change, FieldChange, Plan, Reason, Risk, Secrets, Shown, Unmanaged
from reconciler.model.source import Span
from reconciler.report.style import make_console


def group(key: str) -> Address:
    return Address(GROUP, key)


def destination(key: str) -> Address:
    return Address(DESTINATION, key)


def at(path: str, line: int, column: int = 1, length: int = 1) -> Span:
    return Span(path, line, column, line, column + length)


NEW_GROUP = Change(
    address=group("finance_prod"),
    action=Action.CREATE,
    reasons=(Reason.NEW,),
    fields=(FieldChange(("name",), None, "finance_prod"),),
    span=at("specs/groups/finance.yaml", 5),
)
NEW_DESTINATION = Change(
    address=destination("finance_prod"),
    action=Action.CREATE,
    reasons=(Reason.NEW,),
    fields=(
        FieldChange(("service",), None, "snowflake"),
        FieldChange(("config", "port"), None, 443),
        FieldChange(("config", "private_key"), None, "env:FINANCE_KEY", Shown.SECRET),
        FieldChange(("id",), None, "that of group.finance_prod", Shown.KNOWN_AFTER_APPLY),
    ),
    depends_on=(group("finance_prod"),),
    span=at("specs/groups/finance.yaml", 7),
)
CHANGED_DESTINATION = Change(
    address=destination("analytics_prod"),
    action=Action.UPDATE,
    reasons=(Reason.FIELDS_DIFFER,),
    fields=(
        FieldChange(("region",), "GCP_US_EAST4", "AWS_US_EAST_1"),
        FieldChange(("config", "role"), None, "FIVETRAN_ROLE"),
        FieldChange(("private_link_id",), "pl_old", None),
    ),
    id="decent_dropsy",
    span=at("specs/groups/analytics.yaml", 9),
    risk=Risk.INTERRUPTS_SYNCS,
)
UNTESTED_DESTINATION = Change(
    address=destination("lake"),
    action=Action.VERIFY,
    reasons=(Reason.TESTS_OUTSTANDING,),
    id="brave_otter",
    span=at("specs/groups/lake.yaml", 3),
)
KEPT_GROUP = Change(address=group("analytics_prod"), action=Action.NO_OP, id="decent_dropsy")
KEPT_DESTINATION = Change(
    address=destination("old"),
    action=Action.NO_OP,
    id="old_mole",
    uncomparable=(("config", "password"), ("config", "server_host_name")),
    secrets=Secrets(unchanged=(("config", "passphrase"),), uncomparable=(("config", "password"),)),
)


def plan_of(*changes: Change, unmanaged: tuple[Unmanaged, ...] = ()) -> Plan:
    return Plan(
        account_id="intently_yarn",
        account_name="Acme",
        changes=changes,
        unmanaged=unmanaged,
        files=4,
        requests=14,
        seconds=3.14,
    )


FULL_PLAN = plan_of(
    NEW_GROUP,
    KEPT_GROUP,
    NEW_DESTINATION,
    CHANGED_DESTINATION,
    UNTESTED_DESTINATION,
    KEPT_DESTINATION,
    unmanaged=(Unmanaged("loose_end", "hackathon"),),
)

CREATED = Outcome(group("finance_prod"), Action.CREATE, Status.DONE, id="yawning_sponge", seconds=0.42)
TESTED = Outcome(
    destination("finance_prod"),
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
SKIPPED = Outcome(destination("analytics_prod"), Action.UPDATE, Status.SKIPPED)


def applied(
    *outcomes: Outcome, remaining: tuple[Address, ...] | None = (), interrupted: bool = False
) -> Applied:
    return Applied(outcomes, requests=19, seconds=11.8, interrupted=interrupted, remaining=remaining)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def console_on(stream: io.TextIOBase) -> Console:
    return make_console(stream)  # type: ignore[arg-type]
