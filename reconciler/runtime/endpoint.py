"""Resolve the endpoint of the API: base URL, proxy and CA bundle, checked before the first call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.runtime.url import find_proxy, is_loopback, split_url

DEFAULT_BASE_URL = "https://api.fivetran.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked base URL without a slash at its end, and the proxy and certificates for it.

    `proxy` is a URL, possibly with a password in it: never show it. `ca_bundle` is a file or directory that replaces
    the usual authorities.
    """

    base_url: str
    proxy: str | None = None
    ca_bundle: str | None = None

    @property
    def server(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base_path(self) -> str:
        """The path that all calls start with, for example `/v1`."""
        return urlsplit(self.base_url).path

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


def resolve_endpoint(base_url: str, environ: Mapping[str, str]) -> Endpoint:
    """Check the base URL and read `HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE`.

    The lower-case spellings of the proxy variables count first, as they do in other tools. None of the four matters
    for loopback. Raises `ReconcilerError` with every finding.
    """
    findings = [*_check_base_url(base_url)]
    if findings:
        raise ReconcilerError(findings)
    parts = urlsplit(base_url.strip())
    normalized_url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    if is_loopback(parts.hostname or ""):
        return Endpoint(normalized_url)
    proxy = find_proxy(parts, environ)
    ca_bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    findings = [*_check_proxy(proxy), *_check_ca_bundle(ca_bundle, environ)]
    if findings:
        raise ReconcilerError(findings)
    return Endpoint(normalized_url, proxy, ca_bundle)


def _check_base_url(base_url: str) -> list[Diagnostic]:
    """Find the flaws of a base URL. It is not quoted, since users paste credentials into URLs."""
    parts = split_url(base_url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        return [_diagnose_bad_url("`FIVETRAN_API_URL` is not a web address")]
    if "@" in parts.netloc:
        return [_diagnose_bad_url("`FIVETRAN_API_URL` holds credentials")]
    if parts.query or parts.fragment:
        return [_diagnose_bad_url("`FIVETRAN_API_URL` has a query or a fragment")]
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return [
            _diagnose_bad_url(
                f"`FIVETRAN_API_URL` would send the credentials to `{parts.hostname}` unencrypted"
            )
        ]
    return []


def _diagnose_bad_url(message: str) -> Diagnostic:
    return Diagnostic(
        "bad-api-url",
        message,
        help=f"leave `FIVETRAN_API_URL` unset for `{DEFAULT_BASE_URL}`, or give it an `https://` address",
    )


def _check_proxy(proxy: str | None) -> list[Diagnostic]:
    parts = split_url(proxy) if proxy else None
    if not proxy or (parts and parts.scheme in {"http", "https"} and parts.hostname):
        return []
    return [
        Diagnostic(
            "bad-proxy",
            "the proxy in `HTTPS_PROXY` or `ALL_PROXY` is not an `http://` or `https://` address",
            help="correct the variable, or name the API's host in `NO_PROXY`",
        )
    ]


def _check_ca_bundle(ca_bundle: str | None, environ: Mapping[str, str]) -> list[Diagnostic]:
    if ca_bundle is None or Path(ca_bundle).exists():
        return []
    name = "REQUESTS_CA_BUNDLE" if environ.get("REQUESTS_CA_BUNDLE") else "SSL_CERT_FILE"
    return [
        Diagnostic(
            "missing-ca-bundle",
            f"`{name}` names a file that does not exist: `{ca_bundle}`",
            help=f"correct `{name}`, or unset it to trust the usual authorities",
        )
    ]
