"""Build plans of any size with changes of every kind, findings, notes, policies and objects without an entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice

from report_values import build_plan, destination_address, group_address, make_span

from reconciler.model.diagnostic import Diagnostic, FindingGroup, Severity
from reconciler.model.plan import (
    Action,
    AnnouncedRequest,
    Change,
    ChangeFacts,
    ConnectionList,
    FieldChange,
    FieldValue,
    ListedConnection,
    ListedDestination,
    LiveConnection,
    LiveObject,
    Origin,
    Plan,
    ProtectionChange,
    Reason,
    SecretComparison,
    UndeclaredDestination,
    UnmanagedGroup,
    UnsettledRequest,
    Visibility,
)
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.model.risk import FieldRisk, Risk
from reconciler.model.trust import ApprovedServer, Pin, ServerIdentity, ServerKind, TrustAction, TrustChange

DIGEST = "417f0b73" * 8
SENT_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HASHES = ("kq8sP0mYwF2o7uJx3dN1vL5tR9cZ6hB4gE0aW8iQyMs=", "Zc4TgE0aW8iQyMskq8sP0mYwF2o7uJx3dN1vL5tR9cA=")


def make_change(number: int, action: Action, **facts: object) -> Change:
    """Make a change of a destination, with a place in the specs and, for an existing object, an id."""
    id = None if action is Action.CREATE else f"id_{number:04}"
    return Change(
        destination_address(f"shop_{number:04}"),
        action,
        id=id,
        span=make_span(f"specs/groups/region_{number % 7}.yaml", 3 + number),
        **facts,  # type: ignore[arg-type]
    )


def make_creation(number: int) -> Change:
    fields = (
        FieldChange(("service",), None, "snowflake"),
        FieldChange(("region",), None, "AWS_US_EAST_1"),
        FieldChange(("time_zone_offset",), None, "-5"),
        FieldChange(("config", "host"), None, f"shop-{number:04}.snowflakecomputing.com"),
        FieldChange(("config", "port"), None, 443),
        FieldChange(("config", "database"), None, f"SHOP_{number:04}"),
        FieldChange(("config", "auth"), None, "KEY_PAIR"),
        FieldChange(("config", "user"), None, "FIVETRAN"),
        FieldChange(("config", "role"), None, "FIVETRAN_ROLE"),
        FieldChange(("config", "private_key"), None, f"env:SHOP_{number:04}_KEY", Visibility.SECRET),
        FieldChange(("id",), None, f"that of group.shop_{number:04}", Visibility.KNOWN_AFTER_APPLY),
    )
    sent = tuple(field.path for field in fields[:-1])
    requests = (
        AnnouncedRequest("POST", f"destination.shop_{number:04}", sent),
        AnnouncedRequest("POST", f"destination.shop_{number:04}/test", may=True),
    )
    return make_change(number, Action.CREATE, fields=fields, reasons=(Reason.NEW,), requests=requests)


def make_small_update(number: int) -> Change:
    path = ("config", "project_id")
    requests = (
        AnnouncedRequest("PATCH", f"destination.shop_{number:04}", (path,), (("time_zone_offset",),)),
    )
    return make_change(
        number,
        Action.UPDATE,
        fields=(
            FieldChange(
                path, "elsewhere", f"acme-shop-{number:04}", origin=Origin.DRIFT, risk=FieldRisk.TARGET
            ),
        ),
        risk=Risk.INTERRUPTS_SYNCS,
        requests=requests,
        other_values=(FieldValue(("service",), "big_query"),),
    )


def make_update(number: int) -> Change:
    key, passphrase = ("config", "private_key"), ("config", "passphrase")
    fields = (
        FieldChange(
            ("config", "role"), "ACCOUNTADMIN", "LOADER_ROLE", origin=Origin.CONFLICT, risk=FieldRisk.SETTINGS
        ),
        FieldChange(
            ("config", "database"), f"SHOP_{number:04}", f"SHOP_{number:04}_2027", risk=FieldRisk.TARGET
        ),
        FieldChange(("config", "connection_type"), None, "PRIVATE_LINK", risk=FieldRisk.NETWORKING),
        FieldChange(("private_link_id",), "pl_old", None, risk=FieldRisk.NETWORKING),
        FieldChange(key, None, f"env:SHOP_{number:04}_KEY", Visibility.SECRET, risk=FieldRisk.CREDENTIALS),
        FieldChange(passphrase, None, None, Visibility.HIDDEN, risk=FieldRisk.CREDENTIALS),
    )
    return make_change(
        number,
        Action.UPDATE,
        fields=fields,
        risk=Risk.INTERRUPTS_SYNCS,
        secrets=SecretComparison(changed=(key,)),
        other_values=(FieldValue(("service",), "snowflake"),),
        facts=ChangeFacts(setup_status="broken"),
    )


def make_deletion(number: int) -> Change:
    connections = (
        LiveConnection("cascade_cobble", "salesforce"),
        LiveConnection("platform_log", "fivetran_log", deleted_first=True),
    )
    live = LiveObject(f"Shop {number:04}", "Former shop", "big_query", "GCP_US_EAST4", connections)
    return make_change(number, Action.DELETE, live=live, risk=Risk.DESTROYS, reasons=(Reason.REMOVED,))


def make_replacement(number: int) -> Change:
    fields = (
        FieldChange(("config", "bucket"), "first", "second", forces_replace=True, risk=FieldRisk.REPLACEMENT),
        FieldChange(("service",), None, "managed_data_lake", sent_by_replacement=True),
        FieldChange(("region",), None, "AWS_US_EAST_1", sent_by_replacement=True),
    )
    return make_change(
        number,
        Action.REPLACE,
        fields=fields,
        live=LiveObject(f"Shop {number:04}", service="managed_data_lake", region="AWS_US_EAST_1"),
        risk=Risk.REPLACES,
        lost=(FieldValue(("config", "table_location"), "s3://former/place"),),
    )


def make_approval(number: int) -> Change:
    pinned, former = (
        ServerIdentity(ServerKind.CERTIFICATE, each, subject=f"CN=db-{number}", expires="2027-03-01")
        for each in HASHES
    )
    trust = (
        TrustChange(TrustAction.APPROVE, pinned, Pin(pinned, "server.pem", make_span("specs/pins.yaml", 9))),
        TrustChange(
            TrustAction.REVOKE,
            former,
            approval=ApprovedServer(former, approved_by="Grace", approved_at="2025-11-30T12:00:00Z"),
            was_pinned=True,
        ),
    )
    return make_change(number, Action.APPROVE, trust=trust, runs_tests=True)


def make_unfinished(number: int) -> Change:
    return make_change(number, Action.VERIFY, reasons=(Reason.TESTS_OUTSTANDING,))


def make_move(number: int) -> Change:
    facts = ChangeFacts(moved_from=destination_address(f"former_{number:04}"))
    return make_change(number, Action.NO_OP, facts=facts)


def make_adoption(number: int) -> Change:
    return make_change(number, Action.ADOPT, facts=ChangeFacts(setup_status="connected"))


def make_forgotten(number: int) -> Change:
    return make_change(number, Action.FORGET, live=LiveObject(f"Shop {number:04}", service="redshift"))


def make_waiting_group(number: int) -> Change:
    return replace(
        make_change(number, Action.CREATE, fields=(FieldChange(("name",), None, f"Shop {number:04}"),)),
        address=group_address(f"shop_{number:04}"),
        reasons=(Reason.MISSING_REMOTELY,),
        unsettled=UnsettledRequest(SENT_AT, SENT_AT.replace(minute=20)),
    )


def make_unchanged(number: int) -> Change:
    path = ("config", "password")
    return make_change(
        number,
        Action.NO_OP,
        facts=ChangeFacts(protection=ProtectionChange.GAINED, undeclared=(("config", "port"),)),
        secrets=SecretComparison(uncomparable=(path,)),
        uncomparable=(path,),
    )


_KINDS: tuple[Callable[[int], Change], ...] = (
    make_small_update,
    make_update,
    make_creation,
    make_waiting_group,
    make_small_update,
    make_deletion,
    make_creation,
    make_replacement,
    make_approval,
    make_small_update,
    make_unfinished,
    make_move,
    make_adoption,
    make_forgotten,
)


def build_large_plan(size: int) -> Plan:
    """Build a plan with `size` entries in the list of its page, and three entries that stay as they are. A plan with
    more than one entry has findings and objects without an entry, too."""
    changes = [make(number) for number, make in enumerate(islice(cycle(_KINDS), size), 1)]
    unchanged = [make_unchanged(size + number) for number in range(1, 4)] if size > 1 else []
    secrets = tuple(f"{change.address}:config.password" for change in unchanged)
    plan = replace(build_plan(*changes, *unchanged, uncomparable_secrets=secrets), digest=DIGEST)
    return _add_findings(plan) if size > 1 else plan


def _add_findings(plan: Plan) -> Plan:
    deleted = next(change for change in plan.changes if change.action is Action.DELETE)
    protected = Diagnostic(
        "protected",
        f"`{deleted.address.key}` is protected and is not deleted",
        make_span("specs/groups/main.yaml", 7, 13, 11),
        notes=("protection is recorded in the state",),
        help="first lift the protection in a change of its own, and apply that",
        address=deleted.address,
    )
    gone = Diagnostic(
        "gone-or-hidden",
        "the account does not show `group.vanished`",
        address=group_address("vanished"),
        help="show the group to the key of this run",
    )
    advisory = Diagnostic(
        "policy-violated",
        "`shop_0002` is in a region that is not allowed",
        make_span("specs/groups/region_2.yaml", 5, 5, 6),
        Severity.WARNING,
    )
    return replace(
        plan,
        blockers=(protected, gone),
        unplanned=(group_address("vanished"),),
        warnings=(advisory, *(_make_broken(number) for number in range(1, 6))),
        judgements=(
            PolicyResult(
                "regions", "allowed-regions", EnforcementLevel.ADVISORY, PolicyStatus.VIOLATED, (advisory,)
            ),
            PolicyResult(
                "names", "key-pattern", EnforcementLevel.HARD, PolicyStatus.PASSED, because="one style"
            ),
        ),
        unmanaged=(
            UnmanagedGroup("loose_end", "hackathon"),
            UnmanagedGroup(
                "their_own",
                "Their warehouse",
                ListedDestination("snowflake", "AWS_US_EAST_1", "incomplete"),
                ConnectionList((ListedConnection("quiet_lake", "postgres", "shop"),)),
            ),
        ),
        undeclared=(
            UndeclaredDestination(
                destination_address("bare"), "bare_bones", ListedDestination("redshift"), ConnectionList(None)
            ),
        ),
    )


def _make_broken(number: int) -> Diagnostic:
    name = f"destination.shop_{number:04}"
    group = FindingGroup("destination", "are `broken`", name, "look at its setup tests")
    return Diagnostic(
        "not-connected",
        f"`{name}` is `broken`",
        severity=Severity.WARNING,
        help="look at its setup tests",
        address=destination_address(f"shop_{number:04}"),
        group=group,
    )
