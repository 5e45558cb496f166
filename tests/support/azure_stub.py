"""A stub of Microsoft's login, of Key Vault and of a managed identity, with their paths, statuses and bodies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from cloud_hosts import CloudAnswer
from scripted_server import ReceivedRequest

TENANT = "00000000-1111-2222-3333-444444444444"
CLIENT_SECRET = "client-secret-of-the-tests"
ACCESS_TOKEN = "eyJ0eXAiOiJKV1QifQ.token-of-a-login-of-the-tests.c2ln"
IDENTITY_HEADER = "header-of-the-managed-identity-of-the-tests"
SERVICE_PRINCIPAL = {
    "AZURE_TENANT_ID": TENANT,
    "AZURE_CLIENT_ID": "client-of-the-tests",
    "AZURE_CLIENT_SECRET": CLIENT_SECRET,
}
_LOGIN = "login.microsoftonline.com"
_RESOURCE = "https://vault.azure.net"


@dataclass
class AzureStub:
    """Azure with secrets: for each `VAULT/NAME`, its versions by their 32 digits, None for a disabled version.
    `denied` are vaults that the caller may not read, `statuses` the next answers of a vault, None for silence;
    `login_status` is the status of every login."""

    secrets: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    statuses: list[int | None] = field(default_factory=list)
    login_status: int | None = 200
    hosts: tuple[str, ...] = (_LOGIN, "team-vault.vault.azure.net", "closed.vault.azure.net")

    def answer(self, host: str, request: ReceivedRequest) -> CloudAnswer | None:
        """Answer a request."""
        if host == _LOGIN:
            if self.login_status == 200:
                return self._log_in(request)
            return None if self.login_status is None else CloudAnswer(self.login_status, b"canary")
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            challenge = f'Bearer authorization="https://{_LOGIN}/{TENANT}", resource="{_RESOURCE}"'
            return _refuse(401, "Unauthorized", headers=(f"WWW-Authenticate: {challenge}",))
        if self.statuses:
            status = self.statuses.pop(0)
            return None if status is None else _refuse(status, "SomeCode")
        return self._read(host, urlsplit(request.target).path)

    def answer_identity(self, request: ReceivedRequest) -> CloudAnswer:
        """Answer a request for a token of the managed identity of an App Service."""
        query = parse_qs(urlsplit(request.target).query)
        if request.headers.get("x-identity-header") != IDENTITY_HEADER or query["resource"] != [_RESOURCE]:
            return CloudAnswer(400, {"statusCode": 400, "message": "canary"})
        expires_on = str(int(time.time()) + 3600)
        token = {"access_token": ACCESS_TOKEN, "expires_on": expires_on, "resource": _RESOURCE}
        return CloudAnswer(200, {**token, "token_type": "Bearer", "client_id": "1"})

    def _log_in(self, request: ReceivedRequest) -> CloudAnswer:
        base = f"https://{_LOGIN}/{TENANT}"
        path = urlsplit(request.target).path
        if path.endswith("/.well-known/openid-configuration"):
            return CloudAnswer(
                200,
                {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                },
            )
        if path.endswith("/discovery/instance"):
            return CloudAnswer(
                200,
                {
                    "tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration",
                    "metadata": [],
                },
            )
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("client_secret") != CLIENT_SECRET:
            text = "AADSTS7000215: Invalid client secret provided. canary"
            return CloudAnswer(
                401, {"error": "invalid_client", "error_description": text, "error_codes": [7000215]}
            )
        return CloudAnswer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": ACCESS_TOKEN})

    def _read(self, host: str, path: str) -> CloudAnswer:
        vault = host.partition(".")[0]
        _, _, name, *rest = path.split("/")
        versions = self.secrets.get(f"{vault}/{name}", {})
        version = (rest[0] if rest else "") or next(reversed(versions), "")
        if vault in self.denied:
            return _refuse(403, "Forbidden", "ForbiddenByRbac")
        if version not in versions:
            return _refuse(404, "SecretNotFound")
        value = versions[version]
        if value is None:
            return _refuse(403, "Forbidden", "SecretDisabled")
        id = f"https://{host}/secrets/{name}/{version}"
        attributes = {"enabled": True, "created": 1, "updated": 1, "recoveryLevel": "Recoverable"}
        return CloudAnswer(200, {"value": value, "id": id, "attributes": attributes})


def _refuse(status: int, code: str, inner: str = "", headers: tuple[str, ...] = ()) -> CloudAnswer:
    error = {"code": code, "message": "canary", **({"innererror": {"code": inner}} if inner else {})}
    return CloudAnswer(status, {"error": error}, headers)
