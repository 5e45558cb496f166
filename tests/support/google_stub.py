"""A stub of Google's login and of Secret Manager, with the paths, statuses and bodies of their REST API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from cloud_hosts import CloudAnswer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scripted_server import ReceivedRequest

ACCESS_TOKEN = "ya29.token-of-a-login-of-the-tests"
REFRESH_TOKEN = "1//refresh-token-of-the-tests"
_ACCESS = re.compile(
    r"/v1/(?P<secret>projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+)/versions/(?P<version>[^/:]+):access"
)


@dataclass
class GoogleStub:
    """Google with secrets: for each name of a secret, its versions as bytes, or as the name of a state. `denied` are
    secrets that the caller may not read, `statuses` the next answers of Secret Manager, None for silence."""

    secrets: Mapping[str, Mapping[str, bytes | str]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    statuses: list[int | None] = field(default_factory=list)
    hosts: tuple[str, ...] = (
        "secretmanager.googleapis.com",
        "secretmanager.europe-west3.rep.googleapis.com",
        "oauth2.googleapis.com",
    )
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def write_service_account(self, file: Path, *, is_right: bool = True) -> Path:
        """Write the key of a service account, right or another one."""
        key = self._key if is_right else rsa.generate_private_key(65537, 2048)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "type": "service_account",
            "project_id": "acme",
            "private_key_id": "1",
            "private_key": text,
            "client_email": "reconciler@acme.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        file.write_text(json.dumps(account))
        return file

    def write_user(self, file: Path, *, is_right: bool = True) -> Path:
        """Write the session of a user, as `gcloud auth application-default login` does."""
        user = {
            "type": "authorized_user",
            "client_id": "1",
            "client_secret": "client-secret-of-the-tests",
            "refresh_token": REFRESH_TOKEN if is_right else "1//canary",
        }
        file.write_text(json.dumps(user))
        return file

    def answer(self, host: str, request: ReceivedRequest) -> CloudAnswer | None:
        """Answer a request."""
        if host == "oauth2.googleapis.com":
            return self._log_in(request)
        if self.statuses:
            status = self.statuses.pop(0)
            return None if status is None else _refuse(status, "canary", "SOME")
        if not self._is_known(request.headers.get("authorization", "").removeprefix("Bearer ")):
            return _refuse(401, "Request had invalid authentication credentials. canary", "UNAUTHENTICATED")
        match = _ACCESS.fullmatch(request.target.partition("?")[0])
        return self._read(match["secret"], match["version"]) if match else _refuse(404, "canary", "NOT_FOUND")

    def _log_in(self, request: ReceivedRequest) -> CloudAnswer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("refresh_token") != REFRESH_TOKEN:
            return CloudAnswer(400, {"error": "invalid_grant", "error_description": "Bad Request canary"})
        return CloudAnswer(200, {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _is_known(self, token: str) -> bool:
        """Whether a token is that of a login, or signed by the service account."""
        if token == ACCESS_TOKEN:
            return True
        signed, _, signature = token.rpartition(".")
        try:
            data = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
            self._key.public_key().verify(data, signed.encode(), padding.PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _read(self, secret: str, version: str) -> CloudAnswer:
        versions = self.secrets.get(secret, {})
        if secret in self.denied:
            return _refuse(
                403, f"Permission denied for {secret} (or it may not exist). canary", "PERMISSION_DENIED"
            )
        number = max(versions, default="") if version == "latest" else version
        if number not in versions:
            return _refuse(
                404, f"Secret Version [{secret}/versions/{version}] not found. canary", "NOT_FOUND"
            )
        content = versions[number]
        name = f"{secret}/versions/{number}"
        if isinstance(content, str):
            return _refuse(400, f"Secret Version [{name}] is in {content} state.", "FAILED_PRECONDITION")
        return CloudAnswer(200, {"name": name, "payload": {"data": base64.b64encode(content).decode()}})


def _refuse(status: int, message: str, word: str) -> CloudAnswer:
    return CloudAnswer(status, {"error": {"code": status, "message": message, "status": word}})
