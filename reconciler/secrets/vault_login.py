"""Find the way to log in to Vault in the environment, and read the token of a login.

`VAULT_TOKEN` wins, then AppRole (`VAULT_ROLE_ID`, `VAULT_SECRET_ID`), then the service account of a Kubernetes pod
(`VAULT_K8S_ROLE`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from reconciler.runtime.http import HttpResponse

ROLE_ID, SECRET_ID, APPROLE_MOUNT = "VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_APPROLE_MOUNT"
K8S_ROLE, K8S_MOUNT, K8S_TOKEN_FILE = "VAULT_K8S_ROLE", "VAULT_K8S_MOUNT", "VAULT_K8S_TOKEN_FILE"
SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
_REFUSALS = frozenset({400, 401, 403, 404, 500})
"""Statuses of a refused login. Vault answers 500 for a service account that it cannot verify."""


class LoginFailed(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """Vault gives no token. `reason` is a text for users and holds nothing of the credentials."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Login:
    """Login at `path` below `/v1`. `advice` names what a refusal may be about."""

    path: str
    credentials: Mapping[str, str] = field(repr=False)
    advice: str

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return json.dumps(dict(self.credentials)).encode()


def find_token(environ: Mapping[str, str]) -> str | None:
    """Find the token of the environment; None without one."""
    return environ.get("VAULT_TOKEN", "").strip() or None


def find_login(environ: Mapping[str, str]) -> Login | None:
    """Find the login of the environment; None without any. Raises LoginFailed for a login that lacks a part."""
    role_id, secret_id = (environ.get(name, "").strip() for name in (ROLE_ID, SECRET_ID))
    if role_id or secret_id:
        if not (role_id and secret_id):
            raise LoginFailed(f"only one of `{ROLE_ID}` and `{SECRET_ID}` is set")
        mount = environ.get(APPROLE_MOUNT, "").strip() or "approle"
        return Login(
            _build_path(mount),
            {"role_id": role_id, "secret_id": secret_id},
            f"`{ROLE_ID}` or `{SECRET_ID}` may be wrong or used up, or `auth/{mount}` is no AppRole"
            f" (`{APPROLE_MOUNT}`)",
        )
    if role := environ.get(K8S_ROLE, "").strip():
        mount = environ.get(K8S_MOUNT, "").strip() or "kubernetes"
        return Login(
            _build_path(mount),
            {"role": role, "jwt": _read_service_account_token(environ)},
            f"the role `{role}` (`{K8S_ROLE}`) may not be for this service account, or `auth/{mount}` is no"
            f" Kubernetes login (`{K8S_MOUNT}`)",
        )
    return None


def parse_token(response: HttpResponse, login: Login) -> str:
    """Parse the token of the answer to a login. Raises LoginFailed. Messages of Vault are not repeated."""
    if response.status in _REFUSALS:
        raise LoginFailed(f"Vault refuses the login: {login.advice}")
    if response.status != 200:
        raise LoginFailed(f"Vault answers the login with status {response.status}")
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    match document:
        case {"auth": {"client_token": str(token)}} if token:
            return token
        case {"auth": {"mfa_requirement": dict()}}:
            raise LoginFailed("this login needs a second factor, which no run can give")
    raise LoginFailed("the answer of Vault to the login holds no token")


def _build_path(mount: str) -> str:
    return f"/auth/{quote(mount.strip('/'))}/login"


def _read_service_account_token(environ: Mapping[str, str]) -> str:
    path = environ.get(K8S_TOKEN_FILE, "").strip() or SERVICE_ACCOUNT_TOKEN
    try:
        token = Path(path).read_text("ascii").strip()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is not text").lower()
        raise LoginFailed(f"the service account token `{path}` cannot be read: {reason}") from None
    if not token:
        raise LoginFailed(f"the service account token `{path}` is empty")
    return token
