"""Test Google Secret Manager: the client library of Google against a stub of its API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud_hosts import ServedCloud, serve_cloud
from google_stub import ACCESS_TOKEN, REFRESH_TOKEN, GoogleStub

from reconciler.model.value import Reference
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreContext, StoreTimeout
from reconciler.secrets.gcp import GoogleSecretManager, validate_reference

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]

SECRETS: dict[str, dict[str, bytes | str]] = {
    "projects/acme-prod/secrets/database": {
        "1": b"former canary",
        "2": b'{"user": "loader", "password": "canary"}',
    },
    "projects/acme-prod/secrets/plain": {
        "1": b"canary\n",
        "2": "DISABLED",
        "3": "DESTROYED",
        "0": b"\xff\xfe",
    },
    "projects/123/locations/europe-west3/secrets/near": {"1": b"canary"},
}


@pytest.fixture
def google(tmp_path: Path, cloud_environ: Callable[..., None]) -> Iterator[tuple[GoogleStub, ServedCloud]]:
    """Serve Google, with the credentials of its service account in the environment."""
    stub = GoogleStub(SECRETS, denied=("projects/acme-prod/secrets/denied",))
    with serve_cloud(stub, tmp_path) as served:
        account = stub.write_service_account(tmp_path / "account.json")
        cloud_environ(**served.environ, GOOGLE_APPLICATION_CREDENTIALS=str(account))
        yield stub, served


def read(context: StoreContext, locator: str, part: str = "") -> str:
    return CachedDocuments(GoogleSecretManager(context).read).resolve(Reference("gcp", locator, part))


def read_and_fail(context: StoreContext, locator: str = "acme-prod/database") -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(context, locator)
    shown = repr(raised.value) + repr(raised.value.__cause__)
    assert [each for each in ("canary", ACCESS_TOKEN, REFRESH_TOKEN, "PRIVATE KEY") if each in shown] == []
    return raised.value.reason


@pytest.mark.parametrize(
    ("locator", "part", "value"),
    [
        ("acme-prod/database", "password", "canary"),
        ("acme-prod/database/1", "", "former canary"),
        ("projects/acme-prod/secrets/database", "user", "loader"),
        ("projects/acme-prod/secrets/database/versions/latest", "password", "canary"),
        ("acme-prod/plain/1", "", "canary"),
        ("projects/123/locations/europe-west3/secrets/near", "", "canary"),
    ],
)
def test_a_version_is_read(
    locator: str, part: str, value: str, google: tuple[GoogleStub, ServedCloud], make_context: MakeContext
) -> None:
    assert read(make_context(), locator, part) == value
    [request] = google[1].requests
    host = "secretmanager.europe-west3.rep" if "locations" in locator else "secretmanager"
    assert request.startswith(f"GET https://{host}.googleapis.com/v1/projects/")


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("acme-prod/absent", "no secret or version of this name in project `acme-prod`"),
        ("acme-prod/database/9", "no secret or version of this name"),
        ("acme-prod/denied", "does not let these credentials read it"),
        ("acme-prod/plain/2", "this version of the secret is disabled"),
        ("acme-prod/plain/3", "this version of the secret is destroyed"),
        ("acme-prod/plain/0", "not UTF-8"),
    ],
)
def test_an_unreadable_version_is_reported(
    locator: str, words: str, google: tuple[GoogleStub, ServedCloud], make_context: MakeContext
) -> None:
    assert words in read_and_fail(make_context(), locator)


def test_another_key_of_the_account_is_refused(
    google: tuple[GoogleStub, ServedCloud],
    make_context: MakeContext,
    tmp_path: Path,
    cloud_environ: Callable[..., None],
) -> None:
    stub, served = google
    account = stub.write_service_account(tmp_path / "other.json", is_right=False)
    cloud_environ(**served.environ, GOOGLE_APPLICATION_CREDENTIALS=str(account))
    assert read_and_fail(make_context()) == "Google does not accept these credentials"


@pytest.mark.parametrize("is_right", [True, False])
def test_a_user_logs_in_once_for_all_threads(
    is_right: bool,
    google: tuple[GoogleStub, ServedCloud],
    make_context: MakeContext,
    tmp_path: Path,
    cloud_environ: Callable[..., None],
) -> None:
    stub, served = google
    user = stub.write_user(tmp_path / "user.json", is_right=is_right)
    cloud_environ(**served.environ, GOOGLE_APPLICATION_CREDENTIALS=str(user))
    registry = Registry({"gcp": CachedDocuments(GoogleSecretManager(make_context()).read)})
    references = [Reference("gcp", f"acme-prod/{name}") for name in ("database", "database/1", "plain/1")]
    registry.prefetch(references, 3)
    if is_right:
        assert [registry.resolve(each).reveal() for each in references[1:]] == ["former canary", "canary"]
        assert served.count("secretmanager") == 3
    else:
        for reference in references:
            with pytest.raises(SecretUnavailable, match="Google does not accept these credentials"):
                registry.resolve(reference)
        assert served.count("secretmanager") == 0
    assert served.count("oauth2") == 1


@pytest.mark.parametrize("text", [None, "canary", '{"type": "canary"}'])
def test_credentials_that_cannot_be_used_are_reported(
    text: str | None, make_context: MakeContext, tmp_path: Path, cloud_environ: Callable[..., None]
) -> None:
    file = tmp_path / "credentials.json"
    if text is not None:
        file.write_text(text)
    cloud_environ(GOOGLE_APPLICATION_CREDENTIALS=str(file))
    assert "there are no Google credentials, or their file cannot be used" in read_and_fail(make_context())


def test_missing_credentials_are_reported(
    make_context: MakeContext, tmp_path: Path, cloud_environ: Callable[..., None]
) -> None:
    cloud_environ(CLOUDSDK_CONFIG=str(tmp_path), NO_GCE_CHECK="true")
    assert "set `GOOGLE_APPLICATION_CREDENTIALS`" in read_and_fail(make_context())


def test_an_outage_and_a_quota_are_waited_for(
    google: tuple[GoogleStub, ServedCloud], make_context: MakeContext
) -> None:
    google[0].statuses += [503, 429]
    assert read(make_context(), "acme-prod/database/1") == "former canary"
    assert len(google[1].requests) == 3


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "Google cannot be reached"), (429, "asked too often"), (500, "answers with status 500")],
)
def test_a_lasting_failure_ends_within_the_look_up(
    status: int, words: str, google: tuple[GoogleStub, ServedCloud], make_context: MakeContext
) -> None:
    google[0].statuses += [status] * 50
    assert words in read_and_fail(make_context(2))


def test_a_silent_server_ends_at_the_timeout(
    google: tuple[GoogleStub, ServedCloud], make_context: MakeContext
) -> None:
    google[0].statuses += [None] * 9
    with pytest.raises(StoreTimeout, match="Google did not answer in time"):
        read(make_context(1), "acme-prod/database")


def test_an_unreachable_server_is_reported(
    make_context: MakeContext, tmp_path: Path, cloud_environ: Callable[..., None]
) -> None:
    account = GoogleStub().write_service_account(tmp_path / "account.json")
    nowhere = "http://127.0.0.1:9"
    cloud_environ(GOOGLE_APPLICATION_CREDENTIALS=str(account), HTTPS_PROXY=nowhere, https_proxy=nowhere)
    assert read_and_fail(make_context(2)) == "Google cannot be reached through the proxy"


def test_another_certificate_is_refused(
    google: tuple[GoogleStub, ServedCloud],
    make_context: MakeContext,
    tmp_path: Path,
    cloud_environ: Callable[..., None],
) -> None:
    environ = {name: value for name, value in google[1].environ.items() if name != "REQUESTS_CA_BUNDLE"}
    cloud_environ(**environ, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "account.json"))
    assert "cannot be verified" in read_and_fail(make_context(5))
    assert google[1].requests == []


def test_a_missing_library_is_reported_with_the_install_command(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager_v1", None)
    monkeypatch.setitem(sys.modules, "google.api_core.exceptions", None)
    assert "`pip install '.[gcp]'` in a clone" in read_and_fail(make_context())


@pytest.mark.parametrize(
    ("locator", "is_fine"),
    [
        ("acme-prod/database", True),
        ("acme-prod/database/3", True),
        ("acme-prod/database/live-alias", True),
        ("example.com:acme/database", True),
        ("projects/acme/secrets/database/versions/3", True),
        ("projects/1/locations/europe-west3/secrets/database/versions/latest", True),
        ("database", False),
        ("projects/acme", False),
        ("projects/acme/secrets", False),
        ("acme/data base", False),
        ("acme/database/3/4", False),
        ("projects/acme/secrets/", False),
        ("projects/acme/locations/evil.example/secrets/database", False),
        ("acme/../database", False),
    ],
)
def test_a_reference_holds_project_and_name(locator: str, is_fine: bool) -> None:
    found = validate_reference(Reference("gcp", locator))
    assert (found is None) == is_fine
    assert found is None or all(found)
