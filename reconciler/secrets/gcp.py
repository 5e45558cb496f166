"""Read `gcp:PROJECT/NAME` and `gcp:PROJECT/NAME#key` from Google Secret Manager. Needs the extra `gcp`."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.model.extras import Extra, describe_installation
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, StoreTimeout, decode_text
from reconciler.secrets.bounded_call import call_within

_PROJECT = r"(?P<project>[a-z0-9][a-z0-9.:-]{0,100})"
_NAME = r"(?P<name>[A-Za-z0-9_-]{1,255})"
_VERSION = r"(?P<version>[A-Za-z0-9][A-Za-z0-9_-]{0,62})"
_SHORT = re.compile(f"(?!projects/){_PROJECT}/{_NAME}(?:/{_VERSION})?")
_FULL = re.compile(
    f"projects/{_PROJECT}(?:/locations/(?P<location>[a-z0-9-]+))?/secrets/{_NAME}(?:/versions/{_VERSION})?"
)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SHARE_FOR_RETRIES = 0.7
"""Share of the time of a look-up in which a failed request is repeated. The rest is for the last answer."""
_SILENT = "Google did not answer in time"
_MESSAGES_BY_STATUS = {
    400: "Google does not take this reference",
    401: "Google does not accept these credentials",
    403: "Google does not let these credentials read it, or there is no such project",
    404: "Google has no secret or version of this name in project `{project}`",
    429: "Google is asked too often; try again later",
    503: "Google cannot be reached",
}
_MESSAGES_BY_EXCEPTION = {
    "DefaultCredentialsError": "there are no Google credentials, or their file cannot be used: set"
    " `GOOGLE_APPLICATION_CREDENTIALS`, or sign in with `gcloud auth application-default login`",
    "RefreshError": "Google does not accept these credentials",
    "TransportError": "Google cannot be reached",
    "ConnectionError": "Google cannot be reached",
    "ProxyError": "Google cannot be reached through the proxy",
    "SSLError": "the TLS certificate of Google, or of a proxy in between, cannot be verified",
}
_STATE = re.compile(r"in (DISABLED|DESTROYED) state")


@dataclass(frozen=True, slots=True)
class _GoogleVersion:
    """Version of a secret. `location` is None for a global secret."""

    project: str
    name: str
    version: str
    location: str | None

    def __str__(self) -> str:
        location = f"/locations/{self.location}" if self.location else ""
        return f"projects/{self.project}{location}/secrets/{self.name}/versions/{self.version}"


def _parse_place(locator: str) -> _GoogleVersion | None:
    match = _FULL.fullmatch(locator) or _SHORT.fullmatch(locator)
    if match is None:
        return None
    parts = match.groupdict()
    return _GoogleVersion(
        parts["project"], parts["name"], parts["version"] or "latest", parts.get("location")
    )


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    if _parse_place(reference.locator):
        return None
    return (
        "this is no secret in Google Secret Manager",
        "write for example `gcp:my-project/database#password`, or"
        " `gcp:projects/my-project/secrets/database/versions/3`",
    )


class GoogleSecretManager:
    """Client of Google Secret Manager for any number of threads, which log in once.

    The library finds the credentials in the environment of this process: `GOOGLE_APPLICATION_CREDENTIALS`, those of
    `gcloud`, or those of the machine.
    """

    def __init__(self, context: StoreContext) -> None:
        self._timeout = context.timeout
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._failure: Exception | None = None
        self._clients: dict[str | None, Any] = {}

    def read(self, reference: Reference) -> str:
        """Read the text of a version. It must be UTF-8. Raises SecretUnavailable."""
        place = _parse_place(reference.locator)
        if place is None:
            raise SecretUnavailable(reference, "this is no secret in Google Secret Manager")
        try:
            from google.api_core.exceptions import GoogleAPICallError, RetryError
            from google.cloud import secretmanager_v1  # noqa: F401 - the extra installs both
        except ModuleNotFoundError:
            raise SecretUnavailable(
                reference,
                f"the library for Google Cloud is not installed: {describe_installation(Extra.GCP)}",
            ) from None
        try:
            data = call_within(self._timeout, partial(self._request, place))
        except TimeoutError:
            raise StoreTimeout(reference, _SILENT) from None
        except GoogleAPICallError as error:
            raise SecretUnavailable(reference, _explain_status(error, place)) from None
        except RetryError as error:
            cause = error.cause
            if not isinstance(cause, GoogleAPICallError):
                raise StoreTimeout(reference, _SILENT) from None
            raise SecretUnavailable(reference, _explain_status(cause, place)) from None
        except Exception as error:  # exceptions of the libraries for credentials and HTTP
            name = type(error).__name__
            if "Timeout" in name:
                raise StoreTimeout(reference, _SILENT) from None
            message = _MESSAGES_BY_EXCEPTION.get(name, f"Google cannot be asked ({name})")
            raise SecretUnavailable(reference, message) from None
        if not isinstance(data, bytes):
            raise SecretUnavailable(reference, "the answer of Google holds no secret")
        return decode_text(data, reference)

    def _request(self, place: _GoogleVersion) -> Any:
        from google.api_core.exceptions import ServiceUnavailable, TooManyRequests
        from google.api_core.retry import Retry, if_exception_type

        response = self._get_client(place.location).access_secret_version(
            request={"name": str(place)},
            timeout=self._timeout,
            retry=Retry(
                if_exception_type(ServiceUnavailable, TooManyRequests),
                initial=0.25,
                maximum=2.0,
                timeout=self._timeout * _SHARE_FOR_RETRIES,
            ),
        )
        return response.payload.data if response.payload else None

    def _get_client(self, location: str | None) -> Any:
        with self._lock:
            if location not in self._clients:
                self._clients[location] = self._make_client(location)
            return self._clients[location]

    def _make_client(self, location: str | None) -> Any:
        """Make a client over HTTP, which takes proxies and authorities from the usual variables."""
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient

        host = f"secretmanager.{location}.rep.googleapis.com" if location else None
        return SecretManagerServiceClient(
            credentials=self._log_in(),
            transport="rest",
            client_options={"api_endpoint": host} if host else None,
        )

    def _log_in(self) -> Any:
        """Find the credentials, with their first token. A failure is not repeated."""
        if self._failure is not None:
            raise self._failure
        if self._credentials is None:
            try:
                self._credentials = _find_credentials()
            except Exception as failure:
                self._failure = failure
                raise
        return self._credentials


def _find_credentials() -> Any:
    import google.auth
    from google.auth.transport.requests import Request

    # The library warns of its own set-up on standard error, by both ways.
    logging.getLogger("google").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=r"google\.auth")
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    if not hasattr(credentials, "with_always_use_jwt_access"):  # a service account signs its tokens itself
        credentials.refresh(Request())
    return credentials


def _explain_status(error: Any, place: _GoogleVersion) -> str:
    """Explain a refusal. Messages of Google are not repeated."""
    status = getattr(error, "code", None)
    if state := _STATE.search(str(error.message)):
        return f"this version of the secret is {state[1].lower()}"
    message = _MESSAGES_BY_STATUS.get(int(status or 0), f"Google answers with status {int(status or 0)}")
    return message.format(project=place.project)
