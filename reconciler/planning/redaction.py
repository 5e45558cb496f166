"""Redact the secrets of a run from a plan, in case that the account shows them in other places.

Only texts that come from the account are searched: the declared side of a plan shows no secret by itself. The account
is compared before, so a redacted value changes nothing but the way in which a plan is shown, saved and hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.group_identity import GroupIdentity
from reconciler.model.plan import (
    Change,
    ConnectionList,
    FieldChange,
    FieldValue,
    ListedDestination,
    LiveConnection,
    LiveObject,
    Plan,
    UnmanagedGroup,
    Visibility,
)
from reconciler.model.redaction import Redactor
from reconciler.model.trust import ApprovedServer, ServerIdentity, TrustChange, TrustFacts


def redact_plan(plan: Plan, redactor: Redactor) -> Plan:
    """Redact a plan: live values and names, and the texts of its findings."""
    return replace(
        plan,
        account_name=redactor.redact(plan.account_name),
        changes=tuple(_redact_change(change, redactor) for change in plan.changes),
        unmanaged=tuple(_redact_group(group, redactor) for group in plan.unmanaged),
        owned=tuple(_redact_group(group, redactor) for group in plan.owned),
        undeclared=tuple(
            replace(
                found,
                destination=_redact_destination(found.destination, redactor),
                connections=_redact_connections(found.connections, redactor),
            )
            for found in plan.undeclared
        ),
        warnings=redact_diagnostics(plan.warnings, redactor),
        ignored=tuple(
            replace(each, warning=warning)
            for each in plan.ignored
            for warning in redact_diagnostics([each.warning], redactor)
        ),
        blockers=redact_diagnostics(plan.blockers, redactor),
        judgements=tuple(
            replace(
                judgement,
                findings=redact_diagnostics(judgement.findings, redactor),
                older=redact_diagnostics(judgement.older, redactor),
            )
            for judgement in plan.judgements
        ),
    )


def _redact_group(group: UnmanagedGroup, redactor: Redactor) -> UnmanagedGroup:
    return replace(
        group,
        name=redactor.redact(group.name),
        destination=group.destination and _redact_destination(group.destination, redactor),
        connections=_redact_connections(group.connections, redactor),
    )


def _redact_destination(destination: ListedDestination, redactor: Redactor) -> ListedDestination:
    texts = (destination.service, destination.region, destination.setup_status)
    return ListedDestination(*map(redactor.redact, texts))


def _redact_connections(found: ConnectionList | None, redactor: Redactor) -> ConnectionList | None:
    if found is None or not found.connections:
        return found
    return ConnectionList(
        tuple(
            replace(
                connection, service=redactor.redact(connection.service), name=redactor.redact(connection.name)
            )
            for connection in found.connections
        )
    )


def redact_diagnostics(diagnostics: Iterable[Diagnostic], redactor: Redactor) -> tuple[Diagnostic, ...]:
    """Redact the texts of findings. Excerpts of specs stay: the specs hold no secret."""
    return tuple(
        replace(
            diagnostic,
            message=redactor.redact(diagnostic.message),
            label=redactor.redact(diagnostic.label),
            notes=tuple(map(redactor.redact, diagnostic.notes)),
            help=redactor.redact(diagnostic.help),
        )
        for diagnostic in diagnostics
    )


def _redact_change(change: Change, redactor: Redactor) -> Change:
    fields = tuple(_redact_field(field, redactor) for field in change.fields)
    live = change.live and _redact_live(change.live, redactor)
    lost = tuple(_redact_value(value, redactor) for value in change.lost)
    facts = replace(
        change.facts,
        setup_status=redactor.redact(change.facts.setup_status),
        trust=_redact_trust_facts(change.facts.trust, redactor),
    )
    trust = tuple(_redact_trust_change(each, redactor) for each in change.trust)
    redacted = replace(change, fields=fields, live=live, lost=lost, facts=facts, trust=trust)
    return change if redacted == change else redacted


def _redact_trust_facts(facts: TrustFacts, redactor: Redactor) -> TrustFacts:
    return replace(
        facts,
        unpinned=tuple(_redact_approval(server, redactor) for server in facts.unpinned),
        waiting=tuple(redact_identity(server, redactor.redact) for server in facts.waiting),
    )


def _redact_trust_change(change: TrustChange, redactor: Redactor) -> TrustChange:
    """Redact what Fivetran shows of a server. The server of an approval is what the request sends, and stays."""
    if change.approval is None:
        return change
    return replace(
        change,
        identity=redact_identity(change.identity, redactor.redact),
        approval=_redact_approval(change.approval, redactor),
    )


def _redact_approval(server: ApprovedServer, redactor: Redactor) -> ApprovedServer:
    return replace(
        server,
        identity=redact_identity(server.identity, redactor.redact),
        approved_by=redactor.redact(server.approved_by),
    )


def redact_identity(identity: ServerIdentity, redact: Callable[[str], str]) -> ServerIdentity:
    """Redact what is public of a server. A certificate or key that repeats a secret is dropped: it could not be used
    any more."""
    certificate, key = identity.certificate, identity.public_key
    return replace(
        identity,
        hash=redact(identity.hash),
        subject=redact(identity.subject),
        issuer=redact(identity.issuer),
        certificate=certificate if redact(certificate) == certificate else "",
        public_key=key if redact(key) == key else "",
    )


def redact_group_identity(identity: GroupIdentity, redact: Callable[[str], str]) -> GroupIdentity:
    """Drop each part of the identity of a group that repeats a secret: redacted, it could not be used any more."""
    return {part: text for part, text in identity.items() if redact(text) == text}


def _redact_field(field: FieldChange, redactor: Redactor) -> FieldChange:
    if field.shown is not Visibility.CLEAR or field.before is None:
        return field
    before = redactor.redact_all(field.before)
    return field if before == field.before else replace(field, before=before)


def _redact_value(value: FieldValue, redactor: Redactor) -> FieldValue:
    if value.shown is not Visibility.CLEAR or value.value is None:
        return value
    return replace(value, value=redactor.redact_all(value.value))


def _redact_live(live: LiveObject, redactor: Redactor) -> LiveObject:
    return replace(
        live,
        name=redactor.redact(live.name),
        service=redactor.redact(live.service),
        region=redactor.redact(live.region),
        connections=tuple(_redact_connection(connection, redactor) for connection in live.connections),
    )


def _redact_connection(connection: LiveConnection, redactor: Redactor) -> LiveConnection:
    return replace(connection, service=redactor.redact(connection.service))
