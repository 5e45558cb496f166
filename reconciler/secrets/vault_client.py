"""Client of one Vault for the threads of a run: it logs in once, and repeats what Vault asks to repeat."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from reconciler.runtime.http import AnswerTimeout, HttpResponse, NoAnswer
from reconciler.secrets.base import StoreContext
from reconciler.secrets.vault_login import LoginFailed, find_login, find_token, parse_token
from reconciler.secrets.vault_server import parse_server, send

_TO_REPEAT = frozenset({412, 429})
"""A secondary that has not caught up with its primary yet, and a quota."""
_PAUSES = (0.25, 0.5)


class LookUpTime:
    """Time of one look-up, which all its requests share."""

    def __init__(self, context: StoreContext) -> None:
        self._clock = context.clock
        self._timeout = context.timeout
        self._ends_at = context.clock.monotonic() + context.timeout

    def get_remaining(self) -> float:
        """Return the seconds that are left. Raises AnswerTimeout if none are."""
        remaining = self._ends_at - self._clock.monotonic()
        if remaining <= 0:
            raise self.build_timeout()
        return remaining

    def build_timeout(self) -> AnswerTimeout:
        """Build the error of a look-up that has used up its time."""
        return AnswerTimeout(f"there was no answer within {self._timeout:g} s")


class VaultClient:
    """Client with the address and the credentials of the environment: `VAULT_ADDR`, `VAULT_NAMESPACE`,
    `VAULT_CACERT`, and the variables of `vault_login`."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context
        self._environ = context.environ
        self._lock = threading.Lock()
        self._token: str | None = None
        self._failure: LoginFailed | NoAnswer | None = None

    def get(self, path: str, time: LookUpTime) -> HttpResponse:
        """Read `path` below `/v1`, as the logged-in user. Raises NoAnswer and LoginFailed."""
        return self._send("GET", path, {"X-Vault-Token": self._get_token(time)}, time)

    def _get_token(self, time: LookUpTime) -> str:
        """Get the token of this run. The first thread logs in while the others wait. A failed login is not repeated:
        Vault locks out users after several."""
        with self._lock:
            if self._failure is not None:
                raise type(self._failure)(self._failure.reason)
            if self._token is None:
                try:
                    self._token = self._log_in(time)
                except (LoginFailed, NoAnswer) as failure:
                    self._failure = failure
                    raise
            return self._token

    def _log_in(self, time: LookUpTime) -> str:
        missing = [] if self._environ.get("VAULT_ADDR", "").strip() else ["VAULT_ADDR"]
        token = find_token(self._environ)
        login = None if token else find_login(self._environ)
        if not token and login is None:
            missing.append("VAULT_TOKEN")
        if missing:
            hint = "" if token or login else "; `reconciler help secrets` names other logins than by a token"
            names = " and ".join(f"`{variable}`" for variable in missing)
            raise LoginFailed(f"{names} must be set{hint}")
        if login is not None:
            token = parse_token(self._send("POST", login.path, {}, time, login.body), login)
        assert token is not None  # noqa: S101 - for the type checker: either is given
        return token

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], time: LookUpTime, body: bytes | None = None
    ) -> HttpResponse:
        headers = {**headers, "X-Vault-Request": "true"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if namespace := self._environ.get("VAULT_NAMESPACE", "").strip():
            headers["X-Vault-Namespace"] = namespace
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise LoginFailed("`VAULT_NAMESPACE` or the token is not plain text")
        for pause in (*_PAUSES, None):
            response = self._send_once(method, path, headers, time, body)
            if pause is None or response.status not in _TO_REPEAT or time.get_remaining() <= pause:
                return response
            self._context.clock.wait(threading.Event(), pause)
        raise AssertionError("the last attempt returns")

    def _send_once(
        self, method: str, path: str, headers: Mapping[str, str], time: LookUpTime, body: bytes | None
    ) -> HttpResponse:
        server = parse_server(
            self._environ["VAULT_ADDR"], self._environ, ca_bundle=self._environ.get("VAULT_CACERT") or None
        )
        try:
            return send(
                server,
                method,
                f"/v1{path}",
                headers,
                body=body,
                clock=self._context.clock,
                timeout=time.get_remaining(),
            )
        except AnswerTimeout:
            raise time.build_timeout() from None
