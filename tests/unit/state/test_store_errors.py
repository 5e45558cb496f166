"""Test that each mistake in the setup of a bucket is named, with the setting that corrects it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from emulated_objects import (
    AZURE_KEY,
    AzureStorage,
    GoogleStorage,
    ObjectServer,
    Refusal,
    S3Storage,
    serve_objects,
)
from fake_clock import FakeClock
from remote_backends import HOLDER, LOCK, build_clock, build_context

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.state_location import ObjectKey
from reconciler.state.object_errors import describe_failure
from reconciler.state.remote import build_remote_store

pytestmark = pytest.mark.sampled(every=8)

KINDS: Mapping[str, type[ObjectServer]] = {"s3": S3Storage, "gs": GoogleStorage, "az": AzureStorage}
VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")


@dataclass(frozen=True)
class Mistake:
    """Mistake in the setup of a bucket. `says` are words of the message, and `advises` words of the advice.

    `refusal` is the response of the server, and `environ` holds other values of variables (None: not set).
    """

    scheme: str
    title: str
    says: str
    advises: str
    refusal: Refusal | None = None
    environ: Mapping[str, str | None] = field(default_factory=dict)
    bucket: str = "states"
    code: str = "state-unreachable"


MISTAKES = [
    # A bucket that is missing
    Mistake("s3", "missing bucket", "there is no such bucket", "its name in `state:`", bucket="nowhere"),
    Mistake("gs", "missing bucket", "there is no such bucket", "its name in `state:`", bucket="nowhere"),
    Mistake(
        "az", "missing container", "there is no such container", "its name in `state:`", bucket="nowhere"
    ),
    # Another region
    Mistake(
        "s3",
        "region in the answer",
        "the bucket is not in the region `eu-west-1` (400 Bad Request, AuthorizationHeaderMalformed)",
        "set `AWS_REGION=us-east-2`",
        Refusal(
            400,
            "AuthorizationHeaderMalformed",
            "the region 'eu-west-1' is wrong; expecting 'us-east-2'",
            detail="<Region>us-east-2</Region>",
        ),
    ),
    Mistake(
        "s3",
        "redirect to another region",
        "the bucket is not in the region `eu-west-1`",
        "set `AWS_REGION` to the region of the bucket",
        Refusal(301, "PermanentRedirect"),
    ),
    # Credentials that are wrong
    Mistake(
        "s3",
        "unknown access key",
        "S3 does not know this access key (403 Forbidden, InvalidAccessKeyId)",
        "correct `AWS_ACCESS_KEY_ID`",
        Refusal(403, "InvalidAccessKeyId"),
    ),
    Mistake(
        "s3",
        "wrong secret key",
        "the secret key does not belong to the access key",
        "correct `AWS_SECRET_ACCESS_KEY`",
        Refusal(403, "SignatureDoesNotMatch"),
    ),
    Mistake(
        "s3",
        "access key without secret key",
        "`AWS_ACCESS_KEY_ID` is set, and `AWS_SECRET_ACCESS_KEY` is not",
        "set `AWS_SECRET_ACCESS_KEY` too",
        environ={"AWS_SECRET_ACCESS_KEY": None},
        code="state-unusable",
    ),
    Mistake(
        "s3",
        "line break in a key",
        "`AWS_ACCESS_KEY_ID` holds a line break",
        "set `AWS_ACCESS_KEY_ID` without it",
        environ={"AWS_ACCESS_KEY_ID": "testing-id\n"},
        code="state-unusable",
    ),
    Mistake(
        "gs",
        "rejected token",
        "Google Cloud Storage does not accept the credentials (401 Unauthorized, AuthenticationRequired)",
        "correct or renew `GOOGLE_BEARER_TOKEN`",
        Refusal(401, "AuthenticationRequired"),
    ),
    Mistake(
        "gs",
        "missing key file",
        "the file that `GOOGLE_SERVICE_ACCOUNT` names cannot be read",
        "correct `GOOGLE_SERVICE_ACCOUNT`",
        environ={"GOOGLE_SERVICE_ACCOUNT": "/nowhere/key.json"},
        code="state-unusable",
    ),
    Mistake(
        "gs",
        "missing file of gcloud",
        "the file that `GOOGLE_APPLICATION_CREDENTIALS` names cannot be read",
        "correct `GOOGLE_APPLICATION_CREDENTIALS`",
        environ={"GOOGLE_BEARER_TOKEN": None, "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"},
        code="state-unusable",
    ),
    Mistake(
        "gs",
        "key that is no JSON",
        "`GOOGLE_SERVICE_ACCOUNT_KEY` holds no credentials of Google",
        "make a key of the service account, in JSON",
        environ={"GOOGLE_SERVICE_ACCOUNT_KEY": "a-secret-that-is-no-json"},
        code="state-unusable",
    ),
    Mistake(
        "gs",
        "line break in a token",
        "`GOOGLE_BEARER_TOKEN` holds a line break",
        "set `GOOGLE_BEARER_TOKEN` without it",
        environ={"GOOGLE_BEARER_TOKEN": "token\n"},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "malformed key",
        "`AZURE_STORAGE_ACCOUNT_KEY` is no key of a storage account, since it is not in base64",
        "copy the key of the account into `AZURE_STORAGE_ACCOUNT_KEY`",
        environ={"AZURE_STORAGE_ACCOUNT_KEY": "not base64!"},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "malformed key of another name",
        "`AZURE_STORAGE_ACCESS_KEY` is no key of a storage account",
        "copy the key of the account into `AZURE_STORAGE_ACCESS_KEY`",
        environ={"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_ACCESS_KEY": "not base64!"},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "malformed SAS token",
        "`AZURE_STORAGE_SAS_KEY` is no SAS token",
        "copy the token into `AZURE_STORAGE_SAS_KEY`",
        environ={"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_KEY": "nonsense"},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "no account",
        "the storage account is not set",
        "set `AZURE_STORAGE_ACCOUNT_NAME`",
        environ={"AZURE_STORAGE_ACCOUNT_NAME": None},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "key of another account",
        "Azure Blob Storage does not accept the credentials (403 Forbidden, AuthenticationFailed)",
        "see that `AZURE_STORAGE_ACCOUNT_KEY` belongs to the account of `AZURE_STORAGE_ACCOUNT_NAME`",
        Refusal(
            403, "AuthenticationFailed", detail="The MAC signature found in the HTTP request is not the same"
        ),
    ),
    Mistake(
        "az",
        "keys are not permitted",
        "the storage account accepts no keys",
        "remove `AZURE_STORAGE_ACCOUNT_KEY`",
        Refusal(403, "KeyBasedAuthenticationNotPermitted"),
    ),
    # Tokens that have expired
    Mistake(
        "s3",
        "expired token",
        "the session token has expired (400 Bad Request, ExpiredToken)",
        "set `AWS_SESSION_TOKEN` and both keys",
        Refusal(400, "ExpiredToken"),
    ),
    Mistake(
        "s3",
        "token of other keys",
        "the session token is not valid",
        "correct `AWS_SESSION_TOKEN`",
        Refusal(400, "InvalidToken"),
    ),
    Mistake(
        "az",
        "expired SAS token",
        "`AZURE_STORAGE_SAS_TOKEN` has expired, or is not valid yet",
        "correct or renew `AZURE_STORAGE_SAS_TOKEN`",
        Refusal(
            403,
            "AuthenticationFailed",
            detail="Signature not valid in the specified time frame: Start [..] - Expiry [..] - Current [..]",
        ),
        {"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_TOKEN": "sv=2023-11-03&sig=c2ln"},
    ),
    Mistake(
        "az",
        "expired bearer token",
        "`AZURE_STORAGE_TOKEN` has expired",
        "correct or renew `AZURE_STORAGE_TOKEN`",
        Refusal(401, "InvalidAuthenticationInfo", detail="Lifetime validation failed. The token is expired."),
        {"AZURE_STORAGE_TOKEN": "a-token"},
    ),
    # Permissions
    Mistake(
        "s3",
        "no permission to read",
        "these credentials may not read there (403 Forbidden, AccessDenied)",
        "allow `s3:GetObject` on the object and its `.lock`, and `s3:ListBucket`",
        Refusal(403, "AccessDenied"),
    ),
    Mistake(
        "s3",
        "no permission to write",
        "these credentials may not write there (403 Forbidden, AccessDenied)",
        "allow `s3:PutObject` on the object and its `.lock`",
        Refusal(403, "AccessDenied", method="PUT"),
    ),
    Mistake(
        "gs",
        "no permission to read",
        "these credentials may not read there (403 Forbidden, AccessDenied)",
        "grant `roles/storage.objectUser` on the bucket",
        Refusal(403, "AccessDenied", detail="ci@acme does not have storage.objects.get access"),
    ),
    Mistake(
        "gs",
        "no permission to write",
        "these credentials may not write there",
        "grant `roles/storage.objectUser` on the bucket",
        Refusal(
            403, "AccessDenied", method="PUT", detail="ci@acme does not have storage.objects.create access"
        ),
    ),
    Mistake(
        "gs",
        "no permission to replace",
        "these credentials may write there, but not replace an object",
        "`storage.objects.delete` is needed too",
        Refusal(
            403, "AccessDenied", method="PUT", detail="ci@acme does not have storage.objects.delete access"
        ),
    ),
    Mistake(
        "gs",
        "no billing",
        "the project of the bucket has no active billing",
        "activate billing",
        Refusal(403, "UserProjectAccountProblem"),
    ),
    Mistake(
        "az",
        "no permission to read",
        "these credentials may not read there (403 Forbidden, AuthorizationPermissionMismatch)",
        "grant the role `Storage Blob Data Contributor`",
        Refusal(403, "AuthorizationPermissionMismatch"),
    ),
    Mistake(
        "az",
        "SAS token that may not write",
        "these credentials may not write there",
        "make `AZURE_STORAGE_SAS_TOKEN` with the permissions to read, create and write",
        Refusal(403, "AuthorizationPermissionMismatch", method="PUT"),
        {"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_TOKEN": "sv=2023-11-03&sig=c2ln"},
    ),
    Mistake(
        "az",
        "network rules",
        "the network rules of the storage account do not let this machine in",
        "add the address of this machine to the network rules",
        Refusal(403, "AuthorizationFailure"),
    ),
    Mistake(
        "az",
        "container that is being deleted",
        "the container is being deleted",
        "name another container in `state:`",
        Refusal(409, "ContainerBeingDeleted", method="PUT"),
    ),
    Mistake(
        "az",
        "immutable blobs",
        "a policy of the container makes its blobs immutable (409 Conflict, BlobImmutableDueToPolicy)",
        "without such a policy",
        Refusal(409, "BlobImmutableDueToPolicy", method="PUT"),
    ),
    Mistake(
        "az",
        "lease of another program",
        "another program has put a lease on the blob",
        "break the lease of the blob",
        Refusal(412, "LeaseIdMissing", method="PUT"),
    ),
    *(
        Mistake(
            scheme,
            "denial without a reason",
            "these credentials may not read there (403 Forbidden, Something)",
            "see that the credentials of this environment may read and write there",
            Refusal(403, "Something"),
        )
        for scheme in KINDS
    ),
    # Clocks
    Mistake(
        "s3",
        "clock",
        "the clock of this machine is wrong, by the clock of S3",
        "set the clock of this machine",
        Refusal(403, "RequestTimeTooSkewed"),
    ),
    Mistake(
        "gs",
        "clock",
        "the clock of this machine is wrong, by the clock of Google Cloud Storage",
        "set the clock of this machine",
        Refusal(403, "RequestTimeTooSkewed"),
    ),
    Mistake(
        "az",
        "clock",
        "the clock of this machine is wrong, by the clock of Azure",
        "set the clock of this machine",
        Refusal(
            403, "AuthenticationFailed", detail="Request date header too old: 'Mon, 30 Nov 2026 01:00:00 GMT'"
        ),
    ),
    # Addresses
    Mistake(
        "s3",
        "plain http",
        "`AWS_ENDPOINT_URL` is a plain http address",
        "`AWS_ALLOW_HTTP=true`",
        environ={"AWS_ALLOW_HTTP": None},
        code="state-unusable",
    ),
    Mistake(
        "gs",
        "plain http",
        "`GOOGLE_BASE_URL` is a plain http address",
        "`GOOGLE_ALLOW_HTTP=true`",
        environ={"GOOGLE_BASE_URL": "http://storage.example.invalid"},
        code="state-unusable",
    ),
    Mistake(
        "az",
        "plain http",
        "`AZURE_STORAGE_ENDPOINT` is a plain http address",
        "`AZURE_ALLOW_HTTP=true`",
        environ={"AZURE_ALLOW_HTTP": None},
        code="state-unusable",
    ),
    *(
        Mistake(
            scheme,
            f"address {address!r}",
            f"`{variable}` is no address",
            "write it as `https://host`",
            environ={variable: address},
            code="state-unusable",
        )
        for scheme, variable in (
            ("s3", "AWS_ENDPOINT_URL"),
            ("gs", "GOOGLE_BASE_URL"),
            ("az", "AZURE_STORAGE_ENDPOINT"),
        )
        for address in ("nonsense", "https://", "https://host:port", "https://a b")
    ),
    *(
        Mistake(
            scheme,
            "address that does not answer",
            f"{name} did not answer",
            f"see that its endpoint can be reached from here (`{variable}`)",
            environ={variable: "https://127.0.0.1:9"},
        )
        for scheme, variable, name in (
            ("s3", "AWS_ENDPOINT_URL", "S3"),
            ("gs", "GOOGLE_BASE_URL", "Google Cloud Storage"),
            ("az", "AZURE_STORAGE_ENDPOINT", "Azure Blob Storage"),
        )
    ),
    Mistake(
        "az",
        "account that does not exist",
        "Azure Blob Storage did not answer",
        "see that `AZURE_STORAGE_ACCOUNT_NAME` is right",
        environ={"AZURE_STORAGE_ENDPOINT": None, "AZURE_STORAGE_ACCOUNT_NAME": "nosuchaccount"},
    ),
    Mistake(
        "az",
        "account that can be none",
        "`AZURE_STORAGE_ACCOUNT_NAME` is no name of a storage account",
        "3 to 24 lower-case letters and digits",
        environ={"AZURE_STORAGE_ENDPOINT": None, "AZURE_STORAGE_ACCOUNT_NAME": "acme states"},
        code="state-unusable",
    ),
    # Limits
    *(
        Mistake(
            scheme,
            f"limited {kind}",
            f"{name} limits the rate of requests ({status} {words}, {code})",
            "wait a minute, and let fewer runs use this state at the same time",
            Refusal(status, code, method=method),
        )
        for scheme, name, status, words, code in (
            ("s3", "S3", 503, "Service Unavailable", "SlowDown"),
            ("gs", "Google Cloud Storage", 429, "Too Many Requests", "SlowDown"),
            ("az", "Azure Blob Storage", 503, "Service Unavailable", "ServerBusy"),
        )
        for kind, method in (("reads", ""), ("writes", "PUT"))
    ),
    # Other settings
    Mistake(
        "s3",
        "setting that is no truth value",
        "`AWS_SKIP_SIGNATURE` is neither true nor false",
        "correct or remove `AWS_SKIP_SIGNATURE`",
        environ={"AWS_SKIP_SIGNATURE": "perhaps"},
        code="state-unusable",
    ),
    Mistake(
        "s3",
        "conditional writes are off",
        "conditional writes are switched off by `AWS_CONDITIONAL_PUT`",
        "remove `AWS_CONDITIONAL_PUT`",
        environ={"AWS_CONDITIONAL_PUT": "disabled"},
        code="state-unusable",
    ),
    Mistake(
        "s3",
        "no conditional writes",
        "it has no conditional writes (501 Not Implemented, NotImplemented)",
        "or in git",
        Refusal(501, "NotImplemented", method="PUT"),
        code="state-unusable",
    ),
]


@pytest.fixture
def clock() -> FakeClock:
    """A clock on which no wait takes any time."""
    return build_clock()


def find_problem(
    mistake: Mistake, server: ObjectServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Diagnostic:
    """Find the problem of a run with a mistake in its setup."""
    environ = {**server.environ, **mistake.environ}
    set_variables = {name: value for name, value in environ.items() if value is not None}
    for name, value in set_variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ReconcilerError) as caught:
        context = build_context(Path.cwd(), clock=clock, **set_variables)
        store = build_remote_store(
            ObjectKey(mistake.scheme, mistake.bucket, "state.json"), "state.json", context
        )
        store.read()
        with store.lock.hold(HOLDER):
            pass
    [problem] = caught.value.diagnostics
    return problem


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.scheme}: {mistake.title}")
def test_each_mistake_is_named_with_the_setting_of_its_store(
    mistake: Mistake, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_objects(KINDS[mistake.scheme]()) as server:
        if mistake.refusal is not None:
            server.refusals.append(mistake.refusal)
        problem = find_problem(mistake, server, clock, monkeypatch)
        assert server.list_names() == []
    assert problem.code == mistake.code
    assert mistake.says in problem.message
    assert problem.help is not None
    assert mistake.advises in problem.help
    everything = json.dumps([problem.message, problem.help, problem.notes])
    other_services = [
        prefix for prefix in VARIABLES if prefix != VARIABLES[list(KINDS).index(mistake.scheme)]
    ]
    assert not any(prefix in everything for prefix in other_services)
    for secret in (
        "testing-secret",
        AZURE_KEY,
        "ya29",
        "c2ln",
        "a-secret-that-is-no-json",
        "http://127",
        "Debug",
    ):
        assert secret not in everything


@pytest.mark.parametrize(
    ("scheme", "body", "says", "advises"),
    [
        (
            "gs",
            '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}',
            "does not accept",
            "GOOGLE_SERVICE_ACCOUNT",
        ),
        (
            "gs",
            '{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes)'
            ' and in a reasonable timeframe. Check your iat and exp values in the JWT claim."}',
            "the clock of this machine is wrong",
            "set the clock",
        ),
        (
            "gs",
            '{"error":"invalid_grant","error_description":"Token has been expired or revoked."}',
            "the credentials have expired",
            "GOOGLE_SERVICE_ACCOUNT",
        ),
        (
            "az",
            '{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}',
            "does not accept the credentials",
            "AZURE_STORAGE_CLIENT_SECRET",
        ),
        (
            "az",
            '{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are'
            ' expired."}',
            "the credentials have expired",
            "AZURE_STORAGE_CLIENT_SECRET",
        ),
    ],
)
def test_an_answer_of_a_server_for_tokens_is_about_credentials(
    scheme: str, body: str, says: str, advises: str
) -> None:
    """The library asks real servers only, so its text stands here."""
    error = OSError(
        "Generic error: Error performing token request: Error performing POST https://host/token in 1ms - Server"
        f" returned non-2xx status code: 400 Bad Request: {body}\n\nDebug source: body"
    )
    environ = {"GOOGLE_SERVICE_ACCOUNT": "key.json", "AZURE_STORAGE_CLIENT_SECRET": "s"}
    failure = describe_failure(scheme, environ, error, is_write=False)
    assert says in failure.text
    assert advises in failure.advice
    assert not failure.is_transient


@pytest.mark.parametrize("scheme", ["gs", "az", "s3"])
def test_without_credentials_the_variables_of_the_store_are_named(scheme: str) -> None:
    error = OSError(
        "Generic error: Error performing token request: Error performing GET http://169.254.169.254/latest in 1ms -"
        " HTTP error: error sending request"
    )
    failure = describe_failure(scheme, {}, error, is_write=False)
    assert "did not answer" in failure.text
    assert {
        "s3": "`AWS_ACCESS_KEY_ID`",
        "gs": "`GOOGLE_SERVICE_ACCOUNT`",
        "az": "`AZURE_STORAGE_ACCOUNT_KEY`",
    }[scheme] in failure.advice


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "used before"])
@pytest.mark.parametrize("can_delete", [True, False], ids=["may delete", "may not delete"])
def test_a_store_that_is_refused_for_lacking_conditions_keeps_no_lock(
    scheme: str, is_new: bool, can_delete: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_objects(KINDS[scheme](clock.monotonic)) as server:
        server.obeys_conditions = False
        if not is_new:
            server.put(LOCK, "")
        if not can_delete:
            server.refusals.append(Refusal(403, "AccessDenied", method="DELETE"))
        mistake = Mistake(scheme, "", "", "")
        problem = find_problem(mistake, server, clock, monkeypatch)
        assert problem.code == "state-unusable"
        assert "ignores `If-Match` or `If-None-Match`" in problem.message
        assert server.read_files() == {}
        assert server.list_names() == ([] if can_delete else [LOCK])


def test_a_crash_of_the_library_is_an_answer_that_did_not_come(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        """Not an Exception, as the library's."""

    def crash(*_: object) -> Callable[[], None]:
        raise Crash

    with serve_objects(S3Storage()) as server:
        monkeypatch.setattr("obstore.store.S3Store.get", crash)
        problem = find_problem(Mistake("s3", "", "", ""), server, clock, monkeypatch)
    assert problem.code == "state-unreachable"
    assert "S3 did not answer" in problem.message
