"""Check the environment variables that lead to a bucket, and explain why the library refuses them.

The library names no variable, and it crashes on an address or a credential that no HTTP request can hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.state_location import ObjectKey
from reconciler.state.object_services import SERVICES, ObjectService

_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_UNPARSABLE = re.compile(r'ailed to parse "(?P<value>[^"]*)" as (?P<type>\w+)')


def check_environ(location: ObjectKey, environ: Mapping[str, str]) -> None:
    """Refuse settings with which no request can be sent. Raises ReconcilerError."""
    service = SERVICES[location.scheme]
    problem = _find_bad_credential(service, environ) or _find_bad_endpoint(service, environ)
    if problem is not None:
        raise ReconcilerError([_explain(location, *problem)])


def explain_refused_settings(location: ObjectKey, environ: Mapping[str, str], error: Exception) -> Diagnostic:
    """Explain why the library refuses the settings of the environment. Its own text may hold credentials."""
    service = SERVICES[location.scheme]
    text = str(error).partition("\n\nDebug source")[0]
    problem = _explain_value(service, environ, text)
    if problem is None:
        problem = {"s3": _explain_s3, "gs": _explain_google, "az": _explain_azure}[location.scheme](
            environ, text
        )
    if problem is None:
        problem = (
            f"the library refuses the settings of this environment ({type(error).__name__})",
            f"see the variables `{service.prefix}…`",
        )
    return _explain(location, *problem)


def _explain(location: ObjectKey, problem: str, advice: str) -> Diagnostic:
    return Diagnostic("state-unusable", f"the state `{location}` cannot be reached: {problem}", help=advice)


def _find_bad_credential(service: ObjectService, environ: Mapping[str, str]) -> tuple[str, str] | None:
    for name in service.unsafe:
        if _UNPRINTABLE.search(environ.get(name, "")):
            return f"`{name}` holds a line break or a control character", f"set `{name}` without it"
    return None


def _find_bad_endpoint(service: ObjectService, environ: Mapping[str, str]) -> tuple[str, str] | None:
    variable = next((name for name in service.endpoints if environ.get(name)), None)
    if variable is None:
        return None
    scheme, host = _split_address(environ[variable])
    if scheme not in ("http", "https") or not host:
        return f"`{variable}` is no address", "write it as `https://host` or `https://host:port`"
    if scheme == "https" or environ.get(service.allow_http, "").lower() in _TRUE:
        return None
    if service.prefix == "GOOGLE_" and host in _LOOPBACK:  # the library asks for no permission there
        return None
    return (
        f"`{variable}` is a plain http address",
        f"use https, or set `{service.allow_http}=true` in a network that you trust",
    )


def _split_address(text: str) -> tuple[str, str]:
    """Split an address into scheme and host; empty texts if it is none."""
    try:
        address = urlsplit(text)
        _ = address.port  # raises ValueError for a port that is no number
    except ValueError:
        return "", ""
    is_printable = text.isascii() and not re.search(r"\s", text)
    return (address.scheme.lower(), address.hostname or "") if is_printable else ("", "")


def _explain_value(service: ObjectService, environ: Mapping[str, str], text: str) -> tuple[str, str] | None:
    """Explain a value that is of another type than its variable."""
    match = _UNPARSABLE.search(text)
    if match is None:
        return None
    names = [
        name for name, value in environ.items() if name.startswith(service.prefix) and value == match["value"]
    ]
    if not names:
        return None
    kind = "neither true nor false" if match["type"] == "boolean" else "no value of this setting"
    return f"`{names[0]}` is {kind}", f"correct or remove `{names[0]}`"


def _explain_s3(environ: Mapping[str, str], text: str) -> tuple[str, str] | None:
    for missing, name, other in (
        ("Missing AccessKeyId", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("Missing SecretAccessKey", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ):
        if missing in text:
            return f"`{other}` is set, and `{name}` is not", f"set `{name}` too"
    return None


def _explain_google(environ: Mapping[str, str], text: str) -> tuple[str, str] | None:
    service = SERVICES["gs"]
    # The key file of a service account is read before the credentials that `gcloud` writes.
    variable = next(
        (name for name in service.credentials if name != "GOOGLE_BEARER_TOKEN" and environ.get(name)),
        "GOOGLE_APPLICATION_CREDENTIALS",
    )
    if "Unable to open service account file" in text:
        return f"the file that `{variable}` names cannot be read", f"correct `{variable}`"
    if "Unable to decode service account file" in text or "service account" in text:
        subject = f"`{variable}`" if variable.endswith("_KEY") else f"the file that `{variable}` names"
        return f"{subject} holds no credentials of Google", "make a key of the service account, in JSON"
    if "key" in text.lower() or "pem" in text.lower():
        return f"`{variable}` has no valid private key", "make a new key of the service account, in JSON"
    return None


def _explain_azure(environ: Mapping[str, str], text: str) -> tuple[str, str] | None:
    service = SERVICES["az"]
    if "Account must be specified" in text:
        return (
            "the storage account is not set",
            "set `AZURE_STORAGE_ACCOUNT_NAME` to the account that the container is in",
        )
    if "Invalid Access Key" in text:
        variable = next(
            (
                name
                for name in service.credentials
                if name.endswith("_KEY") and "SAS" not in name and environ.get(name)
            ),
            "AZURE_STORAGE_ACCOUNT_KEY",
        )
        return (
            f"`{variable}` is no key of a storage account, since it is not in base64",
            f"copy the key of the account into `{variable}`",
        )
    if "SAS" in text:
        variable = next(
            (name for name in service.credentials if "SAS" in name and environ.get(name)),
            "AZURE_STORAGE_SAS_KEY",
        )
        return f"`{variable}` is no SAS token", f"copy the token into `{variable}`, as in `sv=…&sig=…`"
    if "Unable parse source url" in text:
        return (
            "`AZURE_STORAGE_ACCOUNT_NAME` is no name of a storage account",
            "correct it: 3 to 24 lower-case letters and digits",
        )
    return None
