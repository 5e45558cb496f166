"""Name what a service that keeps objects answered, and the setting that is to be corrected.

The library gives an error as a text: the request, the status, and the body of the answer, which has a code of its
service. The text itself is never shown, since an address may include a signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.state.object_services import SERVICES, ObjectService

_STATUS = re.compile(r"status code: (?P<number>\d{3})(?P<words>[A-Za-z -]*)")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,30})</Region>|expecting &?(?:apos;|#39;|')([a-z0-9-]{1,30})")
_NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|(specified )?(bucket|container) does not exist", re.IGNORECASE
)
_METADATA_SERVICE = re.compile(
    r"169\.254\.\d+\.\d+|metadata\.google\.internal|computeMetadata|/metadata/identity"
)
_RATE_LIMIT_CODES = frozenset(
    {"SlowDown", "ServerBusy", "TooManyRequests", "RequestLimitExceeded", "Throttling"}
)
_TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})
_RACE_CODES = frozenset({"ConditionalRequestConflict", "OperationAborted"})
_OTHER_CONFLICTS = _RACE_CODES | {
    "BlobImmutableDueToPolicy",
    "ContainerBeingDeleted",
    "ContainerDisabled",
    "LeaseIdMissing",
}
"""Codes with the status of a condition that does not hold. No other run has written then."""
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_SET_CLOCK = "set the clock of this machine"
_ADVISE_ACCESS = "see that the credentials of this environment may read and write there"


@dataclass(frozen=True, slots=True)
class StoreFailure:
    """What went wrong, and one thing to do about it. A failure that `is_transient` may not come again at once; a
    service that limits the rate of requests `is_rate_limit`. A place that `is_unusable` cannot hold a state."""

    text: str
    advice: str
    is_transient: bool = False
    is_rate_limit: bool = False
    is_unusable: bool = False


@dataclass(frozen=True, slots=True)
class _FailedRequest:
    """A request that failed. `status` is 0 without an answer, and `store_code` the code of the service; `answer` shows
    both."""

    scheme: str
    environ: Mapping[str, str]
    text: str
    is_write: bool
    status: int
    store_code: str
    answer: str

    @property
    def service(self) -> ObjectService:
        return SERVICES[self.scheme]

    @property
    def credential(self) -> str | None:
        return self.service.find_credential(self.environ)

    @property
    def verb(self) -> str:
        return "write" if self.is_write else "read"


_Problem = tuple[str, str]
"""A text and an advice."""


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket itself is missing, and not just an object in it."""
    return _NO_BUCKET.search(_get_text(error)) is not None


def is_refused_condition(error: Exception) -> bool:
    """Whether a write was refused because its condition does not hold, and not for another conflict."""
    code = _CODE.search(_get_text(error))
    return code is None or code[1] not in _OTHER_CONFLICTS


def describe_failure(
    scheme: str, environ: Mapping[str, str], error: Exception, *, is_write: bool
) -> StoreFailure:
    """Describe an error of the library, as answer to a read or a write."""
    if isinstance(error, NotImplementedError):
        return StoreFailure(
            "conditional writes are switched off by `AWS_CONDITIONAL_PUT`",
            "remove `AWS_CONDITIONAL_PUT`",
            is_unusable=True,
        )
    request = _parse_failed_request(scheme, environ, _get_text(error), is_write)
    for describe in (_describe_missing_bucket, _describe_no_answer, _describe_rate_limit, _describe_code):
        failure = describe(request)
        if failure is not None:
            return failure
    return _describe_status(request)


def _get_text(error: Exception) -> str:
    return str(error).partition("\n\nDebug source")[0]


def _parse_failed_request(
    scheme: str, environ: Mapping[str, str], text: str, is_write: bool
) -> _FailedRequest:
    status, code = _STATUS.search(text), _CODE.search(text)
    number, name = int(status["number"]) if status else 0, code[1] if code else ""
    answer = f"{number}{status['words'].rstrip()}" if status else ""
    return _FailedRequest(
        scheme, environ, text, is_write, number, name, f"{answer}, {name}" if name else answer
    )


def _describe_missing_bucket(request: _FailedRequest) -> StoreFailure | None:
    if not _NO_BUCKET.search(request.text):
        return None
    bucket = request.service.bucket
    return StoreFailure(f"there is no such {bucket}", f"create the {bucket}, or correct its name in `state:`")


def _describe_no_answer(request: _FailedRequest) -> StoreFailure | None:
    """Describe a request that the service itself did not answer."""
    text, service = request.text, request.service
    # A call that took all its time is not made again.
    is_transient = "HTTP error: error sending request" in text
    if _METADATA_SERVICE.search(text):
        return StoreFailure(f"{service.name} did not answer", _advise_access(request), is_transient)
    if "token request" in text:
        return _describe_token_failure(request)
    if request.status:
        return None
    if "redirect" in text.lower():
        problem = (
            _describe_region(request)
            if request.scheme == "s3"
            else (f"{service.name} answers with a redirect", _advise_endpoint(request))
        )
        return StoreFailure(*problem)
    if "token file" in text:
        variable = "AWS_WEB_IDENTITY_TOKEN_FILE" if request.scheme == "s3" else "AZURE_FEDERATED_TOKEN_FILE"
        return StoreFailure(f"the file that `{variable}` names cannot be read", f"correct `{variable}`")
    return StoreFailure(f"{service.name} did not answer", _advise_access(request), is_transient)


def _describe_token_failure(request: _FailedRequest) -> StoreFailure:
    """Describe the failure of the request that turns credentials into a token."""
    text, name, advice = request.text, request.service.name, _advise_credentials(request)
    if "HTTP error" in text:
        return StoreFailure(
            f"the server that gives tokens for {name} did not answer",
            "see that the internet can be reached from here",
            is_transient=True,
        )
    if "reasonable timeframe" in text or "AADSTS700024" in text:
        return StoreFailure(f"the clock of this machine is wrong, by the clock of {name}", _SET_CLOCK)
    if "expired" in text or "AADSTS7000222" in text:
        return StoreFailure("the credentials have expired", advice)
    return StoreFailure(f"{name} does not accept the credentials", advice)


def _describe_rate_limit(request: _FailedRequest) -> StoreFailure | None:
    if request.status != _TOO_MANY_REQUESTS and request.store_code not in _RATE_LIMIT_CODES:
        return None
    return StoreFailure(
        f"{request.service.name} limits the rate of requests ({request.answer})",
        "wait a minute, and let fewer runs use this state at the same time",
        is_transient=True,
        is_rate_limit=True,
    )


def _describe_code(request: _FailedRequest) -> StoreFailure | None:
    """Describe an answer by the code of its service."""
    problem = _CODES[request.scheme].get(request.store_code)
    if problem is None:
        return None
    text, advice = problem if isinstance(problem, tuple) else problem(request)
    return StoreFailure(f"{text} ({request.answer})", advice)


def _describe_status(request: _FailedRequest) -> StoreFailure:
    name, answer = request.service.name, request.answer
    match request.status:
        case 501:
            return StoreFailure(
                f"it has no conditional writes ({answer})",
                "keep the state in a store with conditional writes, or in git",
                is_unusable=True,
            )
        case 401:
            return StoreFailure(
                f"{name} does not accept the credentials ({answer})", _advise_credentials(request)
            )
        case 403:
            return StoreFailure(f"these credentials may not {request.verb} there ({answer})", _ADVISE_ACCESS)
    is_transient = request.status in _TRANSIENT_STATUSES or request.store_code in _RACE_CODES
    advice = f"see whether {name} has an outage" if request.status >= _SERVER_ERROR else _ADVISE_ACCESS
    return StoreFailure(f"{name} answers {answer}", advice, is_transient)


# Advice


def _advise_access(request: _FailedRequest) -> str:
    """Advise on a service that did not answer, or on the role of a machine that has none."""
    return _advise_endpoint(request) if request.credential is not None else _NO_CREDENTIALS[request.scheme]


_NO_CREDENTIALS = {
    "s3": (
        "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or see that this machine has a role: without keys"
        " that role was asked for, and `AWS_PROFILE` and `~/.aws` are not read"
    ),
    "gs": (
        "set `GOOGLE_SERVICE_ACCOUNT` to the key file of a service account, or see that this machine has a service"
        " account: without a key that account was asked for"
    ),
    "az": (
        "set `AZURE_STORAGE_ACCOUNT_KEY` or `AZURE_STORAGE_SAS_KEY`, or see that this machine has a managed"
        " identity: without a key that identity was asked for"
    ),
}


def _advise_endpoint(request: _FailedRequest) -> str:
    service = request.service
    variable = next((name for name in service.endpoints if request.environ.get(name)), None)
    if variable is None and request.scheme == "az":
        return (
            "see that `AZURE_STORAGE_ACCOUNT_NAME` is right, and that its endpoint can be reached from here"
        )
    return "see that its endpoint can be reached from here" + (f" (`{variable}`)" if variable else "")


def _advise_credentials(request: _FailedRequest) -> str:
    variable = request.credential
    return f"correct or renew `{variable}`" if variable else "see which role this machine has"


# Codes of the services


def _describe_region(request: _FailedRequest) -> _Problem:
    environ, match = request.environ, _REGION.search(request.text)
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    expected = (match[1] or match[2]) if match else ""
    return (
        f"the bucket is not in the region `{region}`",
        f"set `AWS_REGION={expected}`" if expected else "set `AWS_REGION` to the region of the bucket",
    )


def _describe_s3_denial(request: _FailedRequest) -> _Problem:
    if request.is_write:
        return "these credentials may not write there", "allow `s3:PutObject` on the object and its `.lock`"
    return (
        "these credentials may not read there",
        "allow `s3:GetObject` on the object and its `.lock`, and `s3:ListBucket`, without which S3 does not say that"
        " an object is missing",
    )


def _describe_google_denial(request: _FailedRequest) -> _Problem:
    role = "grant `roles/storage.objectUser` on the bucket"
    if "objects.delete" in request.text:
        return (
            "these credentials may write there, but not replace an object",
            f"{role}: to replace an object, `storage.objects.delete` is needed too",
        )
    return f"these credentials may not {request.verb} there", role


def _describe_rejected_token(request: _FailedRequest) -> _Problem:
    return f"{request.service.name} does not accept the credentials", _advise_credentials(request)


def _describe_azure_authentication(request: _FailedRequest) -> _Problem:
    variable = request.credential
    if re.search(r"date header|too old", request.text, re.IGNORECASE):
        return "the clock of this machine is wrong, by the clock of Azure", _SET_CLOCK
    if re.search(r"specified time frame|expired", request.text, re.IGNORECASE):
        subject = f"`{variable}`" if variable else "the token of this machine"
        return f"{subject} has expired, or is not valid yet", _advise_credentials(request)
    return (
        "Azure Blob Storage does not accept the credentials",
        f"see that `{variable}` belongs to the account of `AZURE_STORAGE_ACCOUNT_NAME`"
        if variable
        else _advise_credentials(request),
    )


def _describe_azure_denial(request: _FailedRequest) -> _Problem:
    variable = request.credential
    return (
        f"these credentials may not {request.verb} there",
        f"make `{variable}` with the permissions to read, create and write"
        if variable is not None and "SAS" in variable
        else "grant the role `Storage Blob Data Contributor` on the container",
    )


def _describe_refused_keys(request: _FailedRequest) -> _Problem:
    return "the storage account accepts no keys", f"remove `{request.credential}`, and use an identity"


_CODES: Mapping[str, Mapping[str, _Problem | Callable[[_FailedRequest], _Problem]]] = {
    "s3": {
        **dict.fromkeys(
            (
                "AuthorizationHeaderMalformed",
                "PermanentRedirect",
                "TemporaryRedirect",
                "IllegalLocationConstraintException",
            ),
            _describe_region,
        ),
        "InvalidAccessKeyId": ("S3 does not know this access key", "correct `AWS_ACCESS_KEY_ID`"),
        "SignatureDoesNotMatch": (
            "the secret key does not belong to the access key",
            "correct `AWS_SECRET_ACCESS_KEY`",
        ),
        **dict.fromkeys(
            ("ExpiredToken", "TokenRefreshRequired"),
            (
                "the session token has expired",
                "get new credentials, and set `AWS_SESSION_TOKEN` and both keys",
            ),
        ),
        "InvalidToken": (
            "the session token is not valid",
            "correct `AWS_SESSION_TOKEN`, or remove it if the keys need none",
        ),
        "RequestTimeTooSkewed": ("the clock of this machine is wrong, by the clock of S3", _SET_CLOCK),
        **dict.fromkeys(("AccessDenied", "AllAccessDisabled"), _describe_s3_denial),
    },
    "gs": {
        **dict.fromkeys(
            ("AuthenticationRequired", "InvalidAuthentication", "ExpiredToken"), _describe_rejected_token
        ),
        "RequestTimeTooSkewed": (
            "the clock of this machine is wrong, by the clock of Google Cloud Storage",
            _SET_CLOCK,
        ),
        **dict.fromkeys(
            ("AccountProblem", "UserProjectAccountProblem"),
            ("the project of the bucket has no active billing", "activate billing for the project"),
        ),
        "AccessDenied": _describe_google_denial,
    },
    "az": {
        **dict.fromkeys(
            ("AuthenticationFailed", "InvalidAuthenticationInfo"), _describe_azure_authentication
        ),
        **dict.fromkeys(
            (
                "AuthorizationPermissionMismatch",
                "AuthorizationResourceTypeMismatch",
                "AuthorizationServiceMismatch",
                "InsufficientAccountPermissions",
                "UnauthorizedBlobOverwrite",
            ),
            _describe_azure_denial,
        ),
        **dict.fromkeys(
            ("AuthorizationFailure", "AuthorizationSourceIPMismatch"),
            (
                "the network rules of the storage account do not let this machine in",
                "add the address of this machine to the network rules",
            ),
        ),
        "AuthorizationProtocolMismatch": (
            "the SAS token is for https only",
            "set `AZURE_STORAGE_ENDPOINT` to an https address",
        ),
        "KeyBasedAuthenticationNotPermitted": _describe_refused_keys,
        "AccountIsDisabled": ("the storage account is disabled", "enable the storage account"),
        **dict.fromkeys(
            ("ContainerBeingDeleted", "ContainerDisabled"),
            ("the container is being deleted, or is disabled", "name another container in `state:`"),
        ),
        "LeaseIdMissing": (
            "another program has put a lease on the blob",
            "break the lease of the blob; this program needs none",
        ),
        "BlobImmutableDueToPolicy": (
            "a policy of the container makes its blobs immutable",
            "name a container without such a policy in `state:`",
        ),
    },
}
