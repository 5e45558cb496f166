"""Check specs against the account and the secret stores, for `validate --online`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.api.errors import ApiError
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, select_errors
from reconciler.model.event import Listener, ignore_event
from reconciler.model.record import Record
from reconciler.operations.doctor import reads
from reconciler.operations.doctor.api_session import open_session
from reconciler.operations.doctor.companions import (
    check_companions,
    check_object_names,
    count_companions,
    list_companions,
)
from reconciler.operations.doctor.entries import match_entries
from reconciler.operations.doctor.reads import AccountLists, read_lists
from reconciler.operations.doctor.references import find_unreadable
from reconciler.operations.selection import select_files
from reconciler.operations.validate import ValidationResult, validate
from reconciler.planning.account import explain_other_account
from reconciler.planning.errors import explain_read
from reconciler.workspace.project_state import ProjectState
from reconciler.workspace.settings import Settings
from reconciler.workspace.spec_secrets import add_spec_secrets
from reconciler.workspace.specs import Specs, load_specs
from reconciler.workspace.store import build_store


def validate_online(
    settings: Settings, paths: Sequence[Path] = (), listener: Listener = ignore_event
) -> ValidationResult:
    """Validate as `validate` does, and in view of the account. Errors that only the account shows are refusals.

    Raises ReconcilerError for invalid specs, also in files other than `paths`, and as `find_online`.
    """
    validated = validate(settings, paths)
    findings = find_online(settings, load_specs(settings), listener)
    files = {path.shown for path in select_files(settings, paths)} if paths else None
    own_findings = [
        finding for finding in findings if files is None or finding.span is None or finding.span.path in files
    ]
    errors = select_errors(own_findings)
    return replace(
        validated,
        warnings=(*validated.warnings, *(finding for finding in own_findings if finding not in errors)),
        refusals=(*validated.refusals, *errors),
        elsewhere=validated.elsewhere + len(findings) - len(own_findings),
    )


def find_online(
    settings: Settings, specs: Specs, listener: Listener = ignore_event
) -> tuple[Diagnostic, ...]:
    """Find what is wrong with valid specs in view of the account and the secret stores. Sends GET requests only.

    Raises ReconcilerError if the account cannot be read, or is another account.
    """
    add_spec_secrets(settings.redactor, specs, settings.directory)
    companions = list_companions(specs)
    sources = sorted(count_companions(specs))
    with open_session(settings, specs.project, listener) as session:
        try:
            account = session.client.get_account()
            if specs.project.content.account_id not in {"", account.account_id}:
                raise ReconcilerError([explain_other_account(specs.project, account.account_id)])
            lists = read_lists(session.client, (reads.GROUPS, reads.DESTINATIONS, *sources))
            _require_lists(lists)
        except ApiError as error:
            raise ReconcilerError([explain_read(error)]) from None
    records, warnings = _read_records(settings, specs, account.account_id)
    findings = [
        *warnings,
        *match_entries(specs, lists, records).findings,
        *check_companions(companions, lists),
        *check_object_names(specs, lists),
        *_warn_unread(lists),
        *(failed.finding for failed in find_unreadable(settings, specs)),
    ]
    return specs.mask_excerpts(findings)


def _require_lists(lists: AccountLists) -> None:
    """Raise the error of a list that all checks need, or an outage."""
    if lists.outage is not None:
        raise lists.outage
    for name in (reads.GROUPS, reads.DESTINATIONS):
        if (error := lists.reads[name].error) is not None:
            raise error


def _warn_unread(lists: AccountLists) -> Iterator[Diagnostic]:
    """Warn of lists that cannot be read, so that the objects which specs name were not checked."""
    for name, read in lists.reads.items():
        if read.error is not None:
            finding = explain_read(read.error)
            note = f"the {name} that the specs name were not checked"
            yield replace(finding, severity=Severity.WARNING, notes=(*finding.notes, note))


def _read_records(
    settings: Settings, specs: Specs, account_id: str
) -> tuple[Mapping[Address, Record] | None, tuple[Diagnostic, ...]]:
    """Read the records of the state, by whose ids entries are matched. Without access to the state they are unknown,
    and the reasons are warnings. Raises ReconcilerError for the state of another account."""
    try:
        state = ProjectState(build_store(specs.project, settings), settings.entropy)
    except ReconcilerError as error:
        warnings = (replace(finding, severity=Severity.WARNING) for finding in error.diagnostics)
        return None, tuple(warnings)
    state.check_account(account_id)
    return state.records, ()
