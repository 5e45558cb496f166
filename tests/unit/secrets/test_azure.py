"""Test Azure Key Vault: the client libraries of Azure against a stub of login, vaults and managed identity."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure_stub import ACCESS_TOKEN, CLIENT_SECRET, IDENTITY_HEADER, SERVICE_PRINCIPAL, AzureStub
from cloud_hosts import ServedCloud, serve_cloud
from scripted_server import ReceivedRequest, ServerConnection, build_response, serve_script

from reconciler.model.value import Reference
from reconciler.secrets.azure import KeyVault, validate_reference
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreContext, StoreTimeout

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]
SetEnviron = Callable[..., None]

FORMER, LATEST, DISABLED = "a" * 32, "b" * 32, "c" * 32
URL = "https://team-vault.vault.azure.net/secrets"
SECRETS = {
    "team-vault/database": {FORMER: "former canary", LATEST: '{"user": "loader", "password": "canary"}'},
    "team-vault/plain": {FORMER: "canary", DISABLED: None},
}


@pytest.fixture
def azure(tmp_path: Path, cloud_environ: SetEnviron) -> Iterator[tuple[AzureStub, ServedCloud]]:
    """Serve Azure, with the credentials of a service principal in the environment."""
    stub = AzureStub(SECRETS, denied=("closed",))
    with serve_cloud(stub, tmp_path) as served:
        cloud_environ(**served.environ, **SERVICE_PRINCIPAL)
        yield stub, served


def read(context: StoreContext, locator: str = "team-vault/database", part: str = "") -> str:
    return CachedDocuments(KeyVault(context).read).resolve(Reference("azure", locator, part))


def read_and_fail(context: StoreContext, locator: str = "team-vault/database") -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(context, locator)
    shown = repr(raised.value) + repr(raised.value.__cause__)
    assert [each for each in ("canary", ACCESS_TOKEN, CLIENT_SECRET, IDENTITY_HEADER) if each in shown] == []
    return raised.value.reason


@pytest.mark.parametrize(
    ("locator", "part", "value"),
    [
        ("team-vault/database", "password", "canary"),
        (f"team-vault/database/{FORMER}", "", "former canary"),
        (f"{URL}/database", "user", "loader"),
        (f"{URL}/database/{FORMER}", "", "former canary"),
        (f"Team-Vault/plain/{FORMER}", "", "canary"),
    ],
)
def test_a_version_is_read(
    locator: str, part: str, value: str, azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    assert read(make_context(), locator, part) == value
    assert azure[1].count("POST https://login.microsoftonline.com/") == 1
    # The library asks each vault once in a process which login it wants.
    assert azure[1].count(f"GET {URL}/") in {1, 2}


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("team-vault/absent", "vault `team-vault` has no secret or version of this name"),
        (f"team-vault/database/{'d' * 32}", "has no secret or version of this name"),
        ("team-vault/plain", "this version of the secret is disabled"),
        ("closed/database", "vault `closed` does not let these credentials read it"),
    ],
)
def test_an_unreadable_version_is_reported(
    locator: str, words: str, azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    assert words in read_and_fail(make_context(), locator)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_service_principal_logs_in_once_for_all_threads(
    is_right: bool,
    azure: tuple[AzureStub, ServedCloud],
    make_context: MakeContext,
    cloud_environ: SetEnviron,
    capfd: pytest.CaptureFixture[str],
) -> None:
    served = azure[1]
    secret = CLIENT_SECRET if is_right else "canary"
    cloud_environ(**served.environ, **{**SERVICE_PRINCIPAL, "AZURE_CLIENT_SECRET": secret})
    registry = Registry({"azure": CachedDocuments(KeyVault(make_context()).read)})
    names = ("database", f"database/{FORMER}", f"plain/{FORMER}")
    references = [Reference("azure", f"team-vault/{name}") for name in names]
    registry.prefetch(references, 3)
    if is_right:
        assert [registry.resolve(each).reveal() for each in references[1:]] == ["former canary", "canary"]
    else:
        for reference in references:
            with pytest.raises(
                SecretUnavailable, match=r"does not accept these credentials \(AADSTS7000215\)"
            ):
                registry.resolve(reference)
    assert served.count("POST https://login.microsoftonline.com/") == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("is_right", [True, False])
def test_a_managed_identity_logs_in(
    is_right: bool,
    azure: tuple[AzureStub, ServedCloud],
    make_context: MakeContext,
    cloud_environ: SetEnviron,
) -> None:
    stub, served = azure

    def answer(wire: ServerConnection, request: ReceivedRequest) -> None:
        found = stub.answer_identity(request)
        wire.send(
            build_response(json.dumps(found.body).encode(), f"{found.status} Some", "Connection: close")
        )

    with serve_script(answer) as identity:
        cloud_environ(
            **served.environ,
            IDENTITY_ENDPOINT=f"http://127.0.0.1:{identity.port}/msi/token",
            IDENTITY_HEADER=IDENTITY_HEADER if is_right else "canary",
            AZURE_TOKEN_CREDENTIALS="prod",
        )
        if is_right:
            assert read(make_context(), "team-vault/database", "password") == "canary"
        else:
            assert "there are no Azure credentials" in read_and_fail(make_context())
    assert served.count("login.microsoftonline.com") == 0


def test_missing_credentials_are_reported(
    azure: tuple[AzureStub, ServedCloud], make_context: MakeContext, cloud_environ: SetEnviron
) -> None:
    cloud_environ(**azure[1].environ, AZURE_TOKEN_CREDENTIALS="EnvironmentCredential")
    assert "there are no Azure credentials: set `AZURE_TENANT_ID`" in read_and_fail(make_context())


def test_an_outage_is_waited_for(azure: tuple[AzureStub, ServedCloud], make_context: MakeContext) -> None:
    azure[0].statuses += [503]
    assert read(make_context(), f"team-vault/database/{FORMER}") == "former canary"


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "Azure cannot be reached"), (429, "asked too often"), (418, "answers with status 418")],
)
def test_a_lasting_failure_ends_within_the_look_up(
    status: int, words: str, azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    azure[0].statuses += [status] * 50
    assert words in read_and_fail(make_context())


def test_a_silent_vault_ends_at_the_timeout(
    azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    azure[0].statuses += [None] * 9
    with pytest.raises(StoreTimeout, match="Azure did not answer in time"):
        read(make_context(1))


def test_an_unreachable_vault_is_reported(make_context: MakeContext, cloud_environ: SetEnviron) -> None:
    nowhere = "http://127.0.0.1:9"
    cloud_environ(**SERVICE_PRINCIPAL, HTTPS_PROXY=nowhere, https_proxy=nowhere)
    reason = read_and_fail(make_context(), "never-reached/database")
    assert reason == "vault `never-reached` cannot be reached, or does not exist"


def test_an_unreachable_login_is_reported(
    azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    azure[0].login_status = 502
    assert "the login at Azure has failed without an answer" in read_and_fail(make_context())


def test_a_silent_login_ends_at_the_timeout(
    azure: tuple[AzureStub, ServedCloud], make_context: MakeContext
) -> None:
    azure[0].login_status = None
    with pytest.raises(StoreTimeout, match="Azure did not answer in time"):
        read(make_context(1))


def test_a_missing_library_is_reported_with_the_install_command(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    assert "`pip install '.[azure]'` in a clone" in read_and_fail(make_context())


@pytest.mark.parametrize(
    ("locator", "is_fine"),
    [
        ("team-vault/database", True),
        (f"team-vault/database/{FORMER}", True),
        (f"{URL}/database", True),
        (f"{URL}/database/{FORMER}", True),
        ("https://team.vault.azure.cn/secrets/database", True),
        ("https://team.vault.usgovcloudapi.net/secrets/database", True),
        ("https://team.vault.azure.net.evil.example/secrets/database", False),
        ("https://evil.example/secrets/database", False),
        ("http://team.vault.azure.net/secrets/database", False),
        ("https://team.vault.azure.net/keys/database", False),
        ("database", False),
        ("team_vault/database", False),
        ("team-vault/data.base", False),
        ("team-vault/database/3", False),
        ("te/database", False),
    ],
)
def test_a_reference_holds_vault_and_name(locator: str, is_fine: bool) -> None:
    found = validate_reference(Reference("azure", locator))
    assert (found is None) == is_fine
    assert found is None or all(found)
