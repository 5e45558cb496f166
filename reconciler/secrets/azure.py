"""Read `azure:VAULT/NAME` and `azure:VAULT/NAME#key` from Azure Key Vault. Needs the extra `azure`."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.model.clock import Clock
from reconciler.model.extras import Extra, describe_installation
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, StoreTimeout
from reconciler.secrets.bounded_call import call_within

_VAULT = r"(?P<vault>[A-Za-z](?:-?[A-Za-z0-9]){2,23})"
_NAME = r"(?P<name>[A-Za-z0-9-]{1,127})(?:/(?P<version>[0-9a-f]{32}))?"
_SHORT = re.compile(f"{_VAULT}/{_NAME}")
_CLOUDS = ("vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net", "vault.microsoftazure.de")
_URL = re.compile(
    rf"https://{_VAULT}\.(?P<cloud>{'|'.join(map(re.escape, _CLOUDS))})(?::443)?/secrets/{_NAME}/?"
)
"""No other host: a spec must not choose the server that gets the token of a run."""
_LOGIN_ERROR = re.compile(r"AADSTS\d{2,9}")
_MIN_SECONDS_LEFT = 300
"""Seconds before its end at which a token is renewed."""
_SILENT = "Azure did not answer in time"
_MESSAGES_BY_CODE = {
    "SecretDisabled": "this version of the secret is disabled",
    "SecretNotFound": "vault `{vault}` has no secret or version of this name",
    "ForbiddenByFirewall": "the firewall of vault `{vault}` does not let this machine in",
}
_MESSAGES_BY_STATUS = {
    400: "Azure does not take this reference",
    401: "vault `{vault}` does not accept these credentials",
    403: "vault `{vault}` does not let these credentials read it",
    404: "vault `{vault}` has no secret or version of this name",
    429: "Azure is asked too often; try again later",
    503: "Azure cannot be reached",
}


@dataclass(frozen=True, slots=True)
class _KeyVaultVersion:
    """Version of a secret in a vault; an empty version is the latest."""

    vault: str
    cloud: str
    name: str
    version: str

    @property
    def vault_url(self) -> str:
        """The address of the vault."""
        return f"https://{self.vault.lower()}.{self.cloud}"


def _parse_place(locator: str) -> _KeyVaultVersion | None:
    match = _URL.fullmatch(locator) or _SHORT.fullmatch(locator)
    if match is None:
        return None
    parts = match.groupdict()
    return _KeyVaultVersion(
        parts["vault"], parts.get("cloud") or _CLOUDS[0], parts["name"], parts["version"] or ""
    )


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    if _parse_place(reference.locator):
        return None
    return (
        "this is no secret in Azure Key Vault",
        "write for example `azure:my-vault/database#password`, or"
        " `azure:https://my-vault.vault.azure.net/secrets/database`",
    )


class KeyVault:
    """Client of Azure Key Vault for any number of threads, which log in once.

    The library finds the credentials in the environment of this process: `AZURE_CLIENT_ID` with its secret, certificate
    or federated token, a managed identity, or the session of `az login`.
    """

    def __init__(self, context: StoreContext) -> None:
        self._clock = context.clock
        self._timeout = context.timeout
        self._lock = threading.Lock()
        self._credential: Any = None
        self._clients: dict[str, Any] = {}

    def read(self, reference: Reference) -> str:
        """Read the text of a version. Raises SecretUnavailable."""
        place = _parse_place(reference.locator)
        if place is None:
            raise SecretUnavailable(reference, "this is no secret in Azure Key Vault")
        try:
            import azure.identity
            import azure.keyvault.secrets  # noqa: F401 - the extra installs both
            from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
        except ModuleNotFoundError:
            raise SecretUnavailable(
                reference, f"the library for Azure is not installed: {describe_installation(Extra.AZURE)}"
            ) from None
        try:
            value = call_within(self._timeout, partial(self._request, place))
        except TimeoutError:
            raise StoreTimeout(reference, _SILENT) from None
        except ClientAuthenticationError as error:
            raise SecretUnavailable(reference, _explain_credentials(error, place)) from None
        except HttpResponseError as error:
            raise SecretUnavailable(reference, _explain_response(error, place)) from None
        except Exception as error:  # a connection that fails, and exceptions that the library lets escape
            name = type(error).__name__
            if "Timeout" in name:
                raise StoreTimeout(reference, _SILENT) from None
            if name in {"ServiceRequestError", "ServiceResponseError"}:
                reason = f"vault `{place.vault}` cannot be reached, or does not exist"
            else:
                reason = f"Azure cannot be asked ({name})"
            raise SecretUnavailable(reference, reason) from None
        if not isinstance(value, str):
            raise SecretUnavailable(reference, "the answer of Azure holds no secret")
        return value

    def _request(self, place: _KeyVaultVersion) -> Any:
        return self._get_client(place.vault_url).get_secret(place.name, place.version or None).value

    def _get_client(self, vault_url: str) -> Any:
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._credential is None:
                self._credential = _SharedCredential(self._clock, self._timeout)
            if vault_url not in self._clients:
                self._clients[vault_url] = SecretClient(
                    vault_url, self._credential, **_build_options(self._timeout)
                )
            return self._clients[vault_url]


class _SharedCredential:
    """Credential that gets each token once for all threads. A refused login is not repeated."""

    def __init__(self, clock: Clock, timeout: float) -> None:
        from azure.identity import DefaultAzureCredential

        logging.getLogger("azure").addHandler(logging.NullHandler())  # else it warns on standard error
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[tuple[Any, ...], Any] = {}
        self._failure: Exception | None = None
        self._inner = DefaultAzureCredential(
            process_timeout=max(1, int(timeout)),
            # Sessions of editors and shells are slow to find, and none of a job.
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
            exclude_powershell_credential=True,
            exclude_broker_credential=True,
            **_build_options(timeout),
        )

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Get a token, as clients of the library ask for it. Raises ClientAuthenticationError."""
        key = (scopes, tuple(sorted(options.items())))
        with self._lock:
            if self._failure is not None:
                raise self._failure
            token = self._tokens.get(key)
            if token is None or token.expires_on - self._clock.now().timestamp() < _MIN_SECONDS_LEFT:
                try:
                    token = self._tokens[key] = self._inner.get_token(*scopes, **options)
                except Exception as failure:
                    self._failure = failure
                    raise
            return token


def _build_options(timeout: float) -> dict[str, Any]:
    return {
        "connection_timeout": timeout,
        "read_timeout": timeout,
        "retry_total": 2,
        "retry_backoff_factor": 0.2,
    }


def _explain_credentials(error: Any, place: _KeyVaultVersion) -> str:
    """Explain a login that failed, or a token that the vault refuses. Of the messages, only the code is repeated."""
    if code := _LOGIN_ERROR.search(str(error)):
        return f"Azure does not accept these credentials ({code[0]})"
    if getattr(error, "response", None) is not None:
        return _MESSAGES_BY_STATUS[401].format(vault=place.vault)
    if "Authentication failed" in str(error):  # of credentials that the library has found
        return "the login at Azure has failed without an answer; it may be out of reach"
    return (
        "there are no Azure credentials: set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`,"
        " or sign in with `az login`"
    )


def _explain_response(error: Any, place: _KeyVaultVersion) -> str:
    """Explain a refusal. Messages of Azure are not repeated."""
    codes = list(_list_codes(error))
    message = next((_MESSAGES_BY_CODE[code] for code in codes if code in _MESSAGES_BY_CODE), None)
    if message is None:
        status = getattr(error, "status_code", None)
        message = _MESSAGES_BY_STATUS.get(status or 0, f"Azure answers with status {status}")
    return message.format(vault=place.vault)


def _list_codes(error: Any) -> list[str]:
    """List the code of an error and the code inside it, which is more exact."""
    outer = getattr(error, "error", None)
    inner = getattr(outer, "innererror", None)
    found = (inner.get("code") if isinstance(inner, dict) else None, getattr(outer, "code", None))
    return [code for code in found if isinstance(code, str)]
