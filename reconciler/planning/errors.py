"""Diagnostics of failed API calls: the meaning of the failure, and the next thing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from reconciler.api.errors import (
    ApiError,
    BadRequest,
    Cancelled,
    CertificateUntrusted,
    Conflict,
    Forbidden,
    InvalidRequestError,
    InvalidResponseError,
    NotFound,
    RateLimited,
    Redirected,
    RejectedError,
    ServerError,
    Unauthorized,
    Unreachable,
)
from reconciler.kinds.destination import SERVICE
from reconciler.model.address import GROUP
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.instant import format_utc
from reconciler.model.plan import Action, Change, UnsettledRequest
from reconciler.model.value import format_path

if TYPE_CHECKING:
    from reconciler.model.resource import Desired
    from reconciler.planning.planner import PlannedOperation

INVALID_CONFIG = "Invalid 'config' object"


def explain_read(error: ApiError) -> Diagnostic:
    """Explain a failed read, which has changed nothing.

    The reading verbs handle a missing object, so a 404 that arrives here is about the API address.
    """
    code, message, help_text = (
        _describe_wrong_address(error) if isinstance(error, NotFound) else _describe_error(error)
    )
    return Diagnostic(code, message, notes=_format_request(error), help=help_text)


def explain_failed_read(error: ApiError, desired: Desired) -> Diagnostic:
    """Explain a failed read of one destination, beside which the other destinations were read."""
    found = explain_read(error)
    return Diagnostic(
        "not-read",
        f"{desired.address} could not be read: {found.message}",
        span=desired.span,
        address=desired.address,
        notes=found.notes,
        help=f"{found.help}; the next round of reads tries it again",
    )


def explain_operation(error: ApiError, operation: PlannedOperation) -> Diagnostic:
    """Explain a failed call of an operation; a call of unknown outcome is explained as such."""
    address = operation.change.address
    code, message, help_text = _describe_error(error)
    notes = _format_request(error)
    if isinstance(error, BadRequest) and operation.change.fields:
        notes = (*_format_sent_fields(operation), *notes)
    if isinstance(error, Conflict) and address.kind == GROUP:
        help_text = "if another group has its name, give one of the two a free name first; then plan again"
    if error.is_ambiguous:
        code, help_text = "outcome-unknown", f"plan again: {_describe_recovery(operation.change)}"
        notes = ("the request was sent, so Fivetran may have carried it out", *notes)
    return Diagnostic(
        code,
        f"{address}: {message}",
        span=operation.desired.span,
        address=address,
        notes=notes,
        help=help_text,
    )


def explain_ambiguous_create(ids: Iterable[str], operation: PlannedOperation) -> Diagnostic:
    """Explain a lost create answer after which more than one new group has the name."""
    address = operation.change.address
    return Diagnostic(
        "ambiguous-name",
        f"{address}: the answer was lost, and more than one new group has the name `{operation.desired.name}`",
        span=operation.desired.span,
        address=address,
        notes=(f"their ids are {', '.join(f'`{id}`' for id in ids)}",),
        help="name the right group with `id:`, and delete the other group in Fivetran",
    )


def explain_held_create(change: Change, unsettled: UnsettledRequest) -> Diagnostic:
    """Explain a create that waits, since an earlier request may still create the same object."""
    sent, until = format_utc(unsettled.sent_at), format_utc(unsettled.until, reference=unsettled.sent_at)
    return Diagnostic(
        "create-unsettled",
        f"{change.address} was not created before {until}, since a request of {sent} may still take effect",
        span=change.span,
        address=change.address,
        help=f"apply again after {until}, or, having looked at Fivetran,"
        f" `reconciler apply --resend-create {change.address} --reason TEXT`",
    )


def explain_abandoned(change: Change) -> Diagnostic:
    """Explain a call that was still running when the run had to end."""
    return Diagnostic(
        "outcome-unknown",
        f"{change.address}: the run was stopped before an answer came",
        span=change.span,
        address=change.address,
        notes=("the request was sent, so Fivetran may have carried it out",),
        help=f"apply again: {_describe_recovery(change)}",
    )


def _describe_recovery(change: Change) -> str:
    """Describe the recovery by the next run from a call of unknown outcome."""
    if change.action in {Action.CREATE, Action.REPLACE}:
        return "an existing object is found, and a missing object is created once `settle` has passed"
    return "an existing object is found and not created twice"


def explain_deletion(error: ApiError, change: Change) -> Diagnostic:
    """Explain a failed deletion."""
    code, message, help_text = _describe_error(error)
    notes = _format_request(error)
    if error.is_ambiguous:
        code, help_text = "outcome-unknown", "plan again: a deleted object needs no second deletion"
    return Diagnostic(
        code,
        f"{change.address}: {message}",
        span=change.span,
        address=change.address,
        notes=notes,
        help=help_text,
    )


def _describe_error(error: ApiError) -> tuple[str, str, str]:
    """Describe an error by its type: code, message, help. The first matching row counts."""
    describe = next(describe for error_type, describe in _BY_TYPE if isinstance(error, error_type))
    return describe(error)


def _describe_wrong_address(error: ApiError) -> tuple[str, str, str]:
    return (
        "api-refused",
        f"the API answered HTTP {error.status}: {error.message}".rstrip(": "),
        "check that `FIVETRAN_API_URL` ends in /v1 and belongs to Fivetran",
    )


def _describe_bad_request(error: ApiError) -> tuple[str, str, str]:
    if error.message == INVALID_CONFIG:
        return (
            "invalid-config",
            "Fivetran could not read `config` and does not say why",
            "look at the fields named above; usually a value has the wrong type or an enum another spelling",
        )
    return "api-refused", f"Fivetran refused the request: {error.message}", "correct the spec and plan again"


def _describe_unreachable(error: ApiError) -> tuple[str, str, str]:
    return (
        "unreachable",
        f"Fivetran cannot be reached: {error.message}",
        "check the network, `HTTPS_PROXY` and `FIVETRAN_API_URL`",
    )


def _describe_untrusted(error: ApiError) -> tuple[str, str, str]:
    return (
        "unreachable",
        f"the server cannot be trusted: {error.message}",
        "if your network inspects TLS, name the file of its authority in `REQUESTS_CA_BUNDLE`;"
        " `reconciler doctor` shows which authorities are used",
    )


def _describe_rate_limited(error: ApiError) -> tuple[str, str, str]:
    wait = f"in {error.retry_after:.0f} s" if error.retry_after is not None else "later"
    return "rate-limited", f"Fivetran takes no more requests for now: {error.message}", f"try again {wait}"


_BY_TYPE: tuple[tuple[type[ApiError], Callable[[ApiError], tuple[str, str, str]]], ...] = (
    (
        Unauthorized,
        lambda error: (
            "unauthorized",
            "Fivetran does not accept these credentials",
            "check `FIVETRAN_APIKEY` and `FIVETRAN_APISECRET`; a key may have been revoked",
        ),
    ),
    (
        Forbidden,
        lambda error: (
            "forbidden",
            f"these credentials may not do this: {error.message}",
            "use a key whose role may manage groups and destinations",
        ),
    ),
    (NotFound, lambda error: ("not-found", f"it does not exist (any more): {error.message}", "plan again")),
    (
        Conflict,
        lambda error: (
            "conflict",
            f"Fivetran refused because of an existing object: {error.message}",
            "plan again",
        ),
    ),
    (RateLimited, _describe_rate_limited),
    (BadRequest, _describe_bad_request),
    (
        Redirected,
        lambda error: (
            "redirected",
            f"the API address redirects elsewhere (HTTP {error.status}), and redirects are never followed",
            "correct `FIVETRAN_API_URL`; the default is https://api.fivetran.com/v1",
        ),
    ),
    (
        ServerError,
        lambda error: (
            "server-fault",
            f"Fivetran has a fault: HTTP {error.status} {error.message}".rstrip(),
            "try again later",
        ),
    ),
    (CertificateUntrusted, _describe_untrusted),
    (Unreachable, _describe_unreachable),
    (
        InvalidResponseError,
        lambda error: (
            "unintelligible-answer",
            f"the answer cannot be understood: {error.message}",
            "check that `FIVETRAN_API_URL` is the API and not a proxy or a login page",
        ),
    ),
    (
        InvalidRequestError,
        lambda error: ("unsendable", f"the request cannot be sent: {error.message}", "correct the spec"),
    ),
    (Cancelled, lambda error: ("withdrawn", f"a call was not sent: {error.message}", "run it again")),
    (RejectedError, _describe_wrong_address),
)


def _format_request(error: ApiError) -> tuple[str, ...]:
    answered = f" answered {error.status}" if error.status else ""
    code = f" {error.code}" if error.code else ""
    request = f" (request {error.request_id})" if error.request_id else ""
    return (f"{error.method} {error.address}{answered}{code}{request}",)


def _format_sent_fields(operation: PlannedOperation) -> tuple[str, ...]:
    """List the service and the sent fields, without values: the API does not name the wrong field."""
    service = operation.desired.fields.get(SERVICE)
    sent = ", ".join(f"`{format_path(path)}`" for path in operation.values)
    return (f"service `{service}`, sent were {sent}",) if service else (f"sent were {sent}",)
