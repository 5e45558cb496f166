"""Check the account: the key, what it may read, the clock, the quota, and the objects that specs refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.api.errors import ApiError, Forbidden, RateLimited
from reconciler.api.responses import Account
from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem, CheckupStatus
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.event import Listener
from reconciler.model.sanitize import escape
from reconciler.operations.doctor import reads
from reconciler.operations.doctor.api_session import ApiSession, open_session
from reconciler.operations.doctor.companions import (
    check_companions,
    check_object_names,
    count_companions,
    list_companions,
)
from reconciler.operations.doctor.entries import match_entries
from reconciler.operations.doctor.project import ExaminedProject
from reconciler.operations.doctor.reads import AccountLists
from reconciler.operations.doctor.state import ExaminedState
from reconciler.operations.doctor.unknown_parts import (
    MAX_DESTINATIONS,
    UnknownParts,
    find_unknown_parts,
)
from reconciler.operations.initialisation import get_key_kind
from reconciler.planning.account import explain_other_account
from reconciler.planning.errors import explain_read
from reconciler.state.lease import CLOCK_SKEW
from reconciler.workspace.settings import Settings

_CHECKS = AreaChecks(CheckupArea.ACCOUNT)
_NAMES = (
    "access",
    "account",
    "clock",
    "quota",
    *reads.NAMES,
    "links and agents",
    "entries",
    "services",
    "fields",
)
_LIMITED_VIEW = "Fivetran does not show what it may see, which can be a part of the account only"
_OTHER_ACCOUNT = "the credentials are for another account"
_PLAN_REQUESTS = 4
"""Requests of a plan beside one read per destination: the account, and the lists with a second page."""
_MAX_SHOWN = 8


def check_account(
    settings: Settings, obstacle: str, project: ExaminedProject, state: ExaminedState, listener: Listener
) -> tuple[CheckupItem, ...]:
    """Check the account of the credentials. `obstacle` is the reason why no request can be sent."""
    if obstacle:
        return tuple(_skip_from(_NAMES[0], obstacle))
    try:
        with open_session(settings, project.project, listener) as session:
            return tuple(_check(_AccountExamination(settings, session, project, state)))
    except ReconcilerError as error:
        unopened = _CHECKS.judge("access", "", error.diagnostics)
        return (unopened, *_skip_from("account", "no request could be sent"))


def _skip_from(first: str, cause: str) -> Iterator[CheckupItem]:
    """Skip a check and all checks after it."""
    return (_CHECKS.skip(name, cause) for name in _NAMES[_NAMES.index(first) :])


@dataclass(frozen=True, slots=True)
class _AccountExamination:
    """Everything that the checks of an account work with."""

    settings: Settings
    session: ApiSession
    project: ExaminedProject
    state: ExaminedState


def _check(case: _AccountExamination) -> Iterator[CheckupItem]:
    try:
        account = case.session.client.get_account()
    except ApiError as error:
        yield from _explain_no_access(error)
        return
    lists = reads.read_lists(case.session.client)
    unknown = _read_unknown(case, lists)
    yield _CHECKS.pass_check("access", f"accepted: {get_key_kind(account).value}; {_LIMITED_VIEW}")
    identity = _check_identity(case, account)
    yield identity
    yield _check_clock(case)
    yield _check_quota(case, lists)
    yield from (_check_list(name, case, lists) for name in reads.NAMES)
    if identity.status is CheckupStatus.ERROR:
        yield _CHECKS.skip("links and agents", _OTHER_ACCOUNT)
        yield _CHECKS.skip("entries", _OTHER_ACCOUNT)
    else:
        yield _check_companions(case, lists)
        yield _check_entries(case, lists)
    yield from _report_unknown(lists, unknown)


def _explain_no_access(error: ApiError) -> Iterator[CheckupItem]:
    """Explain why the account cannot be read. A used-up quota is an error of the quota."""
    failed = "quota" if isinstance(error, RateLimited) else "access"
    for name in _NAMES:
        if name == failed:
            yield _CHECKS.judge(name, "", [explain_read(error)])
        else:
            yield _CHECKS.skip(name, _describe_obstacle(error))


def _describe_obstacle(error: ApiError) -> str:
    if isinstance(error, Forbidden):
        return "the key may not even read the account"
    return "Fivetran has not answered" if error.status is None else f"Fivetran answered {error.status}"


def _check_identity(case: _AccountExamination, account: Account) -> CheckupItem:
    """Check that the account is the account of the project file and of the state."""
    name, id = escape(account.account_name), escape(account.account_id)
    shown = f"{name} ({id})" if name else id
    project, state = case.project.project, case.state.content
    if project is None or case.settings.sandbox:
        return _CHECKS.pass_check("account", shown)
    expected = project.content.account_id
    if expected not in {"", account.account_id}:
        finding = explain_other_account(project, account.account_id)
        return _CHECKS.judge("account", shown, [finding], f"{shown}, which the project file is not for")
    if state is not None and state.account_id != account.account_id:
        return _CHECKS.fail(
            "account",
            f"these credentials are for account `{id}`, and the state is of account `{escape(state.account_id)}`",
            "use credentials of that account, or a separate project file for this account",
        )
    if not expected:
        advice = f"write `account_id: {id}` into `{project.shown}`, so that no other account is changed"
        return _CHECKS.warn("account", f"{shown}; the project file names no account", advice)
    return _CHECKS.pass_check("account", f"{shown}, as the project file says")


def _check_clock(case: _AccountExamination) -> CheckupItem:
    server_time = case.session.get_server_time()
    if server_time is None:
        return _CHECKS.skip("clock", "the answers of Fivetran have no date")
    seconds = (case.settings.clock.now() - server_time).total_seconds()
    if abs(seconds) <= CLOCK_SKEW / 2:
        return _CHECKS.pass_check("clock", "as at Fivetran")
    side = "ahead of" if seconds > 0 else "behind"
    text = f"this machine is {abs(seconds):.0f} s {side} Fivetran"
    advice = "synchronise the clock of this machine: locks of a shared state and saved plans expire by it"
    make = _CHECKS.fail if abs(seconds) > CLOCK_SKEW else _CHECKS.warn
    return make("clock", text, advice)


def _check_quota(case: _AccountExamination, lists: AccountLists) -> CheckupItem:
    if isinstance(lists.outage, RateLimited):
        return _CHECKS.judge("quota", "", [explain_read(lists.outage)])
    remaining = case.session.quota.remaining
    if remaining is None:
        return _CHECKS.skip("quota", "the answers of Fivetran do not show it")
    specs = case.project.specs
    needed = _PLAN_REQUESTS + (len(specs.destinations) if specs is not None else 0)
    if remaining < needed:
        text = f"{remaining:,} requests left in this hour, and a plan needs about {needed:,}"
        return _CHECKS.fail("quota", text, "wait for the quota to recover; other clients use it too")
    return _CHECKS.pass_check("quota", f"{remaining:,} requests left in this hour")


def _check_list(name: str, case: _AccountExamination, lists: AccountLists) -> CheckupItem:
    read = lists.reads.get(name)
    if read is None:
        return _CHECKS.skip(name, _explain_unread(lists))
    if read.error is None:
        count = f"{len(read.items):,}"
        return _CHECKS.pass_check(name, f"{count} in the first group" if name == reads.CONNECTIONS else count)
    return _explain_refused(name, read.error, case)


def _explain_unread(lists: AccountLists) -> str:
    if lists.outage is not None:
        return _describe_obstacle(lists.outage)
    return "the key sees no group" if lists.has_read(reads.GROUPS) else "the groups cannot be read"


_REQUIRED = (reads.GROUPS, reads.DESTINATIONS)


def _explain_refused(name: str, error: ApiError, case: _AccountExamination) -> CheckupItem:
    """Explain a list that cannot be read, by what it is needed for."""
    if name in _REQUIRED and not isinstance(error, Forbidden):
        return _CHECKS.judge(name, "", [explain_read(error)])
    role = ": the key may not read them" if isinstance(error, Forbidden) else ""
    text = f"answers {error.status}{role}" if error.status else f"cannot be read: {error.message}"
    if name in _REQUIRED:
        return _CHECKS.fail(name, text, "use a key whose role may manage groups and destinations")
    if name == reads.CONNECTIONS:
        advice = "use a key whose role may read connections before you delete a destination: they block it"
        return _CHECKS.warn(name, text, advice)
    specs = case.project.specs
    named = 0 if specs is None else count_companions(specs)[name]
    if not named:
        return _CHECKS.pass_check(name, f"{text}, and this project does not need them")
    advice = f"use a key whose role may read {name}, or check the ids and names in Fivetran"
    return _CHECKS.warn(name, f"{text}, and the specs name {named:,}", advice)


def _check_companions(case: _AccountExamination, lists: AccountLists) -> CheckupItem:
    name = "links and agents"
    specs = case.project.specs
    if specs is None:
        return _CHECKS.skip(name, case.project.specs_obstacle)
    if case.settings.sandbox:
        return _CHECKS.skip(name, "the sandbox takes any id")
    counts = count_companions(specs)
    total = sum(number for source, number in counts.items() if lists.has_read(source))
    if counts and not total:
        return _CHECKS.skip(name, _explain_unlisted(lists))
    findings = [*check_companions(list_companions(specs), lists), *check_object_names(specs, lists)]
    text = f"{total:,} that the specs name, all there" if total else "none in the specs"
    return _CHECKS.judge(name, text, findings, f"{len(findings):,} of {total:,} cannot be used")


def _explain_unlisted(lists: AccountLists) -> str:
    return _describe_obstacle(lists.outage) if lists.outage is not None else "their lists cannot be read"


def _check_entries(case: _AccountExamination, lists: AccountLists) -> CheckupItem:
    """Check that the entries match with the account."""
    specs = case.project.specs
    if specs is None:
        return _CHECKS.skip("entries", case.project.specs_obstacle)
    if not all(lists.has_read(name) for name in _REQUIRED):
        return _CHECKS.skip("entries", "groups or destinations cannot be read")
    content = case.state.content
    records = content.records if content is not None else {} if case.state.is_read else None
    matches = match_entries(specs, lists, records)
    text = f"{matches.found:,} of {len(specs.groups):,} groups exist"
    return _CHECKS.judge("entries", text, matches.findings, f"{text}; some entries do not fit the account")


def _read_unknown(case: _AccountExamination, lists: AccountLists) -> UnknownParts | None:
    """Read the settings of destinations, unless that would use up the quota. None if they are not read."""
    summaries = lists.get_items(reads.DESTINATIONS)
    remaining = case.session.quota.remaining
    is_scarce = remaining is not None and remaining < 2 * min(len(summaries), MAX_DESTINATIONS)
    if lists.outage is not None or not lists.has_read(reads.DESTINATIONS) or is_scarce:
        return None
    return find_unknown_parts(case.session.client, summaries)


def _report_unknown(lists: AccountLists, unknown: UnknownParts | None) -> Iterator[CheckupItem]:
    if unknown is None:
        cause = _explain_unread_settings(lists)
        yield _CHECKS.skip("services", cause)
        yield _CHECKS.skip("fields", cause)
        return
    yield _report_services(unknown)
    yield _report_fields(unknown, len(lists.get_items(reads.DESTINATIONS)))


def _explain_unread_settings(lists: AccountLists) -> str:
    if lists.outage is not None:
        return _describe_obstacle(lists.outage)
    if not lists.has_read(reads.DESTINATIONS):
        return "the destinations cannot be read"
    return "the quota is too small to read all destinations"


def _report_services(unknown: UnknownParts) -> CheckupItem:
    if not unknown.services:
        return _CHECKS.pass_check("services", "the catalogue knows all")
    names = [f"`{escape(service)}` ({count})" for service, count in unknown.services.items()]
    return _CHECKS.warn(
        "services",
        f"the catalogue does not know {_join_names(names)}",
        "specs may use them; their fields are not checked, and never shown: `reconciler help services`",
    )


def _report_fields(unknown: UnknownParts, destinations: int) -> CheckupItem:
    if unknown.refused:
        finding = explain_read(unknown.refused[0])
        text = f"the settings of {len(unknown.refused):,} of {destinations:,} destinations cannot be read"
        return _CHECKS.fail("fields", f"{text}: {finding.message}", finding.help)
    part = f", by a sample of {unknown.read:,}" if unknown.read < destinations else ""
    if not unknown.fields:
        return _CHECKS.pass_check("fields", f"the catalogue knows all{part}")
    names = [
        f"`{escape(name)}` of `{escape(service)}`"
        for service, fields in unknown.fields.items()
        for name in fields
    ]
    return _CHECKS.warn(
        "fields",
        f"the catalogue does not know {_join_names(names)}{part}",
        "specs may set them below `extra_config:`; their values are never shown: `reconciler help services`",
    )


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_SHOWN:,} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more
