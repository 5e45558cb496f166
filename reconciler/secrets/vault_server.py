"""Send requests to the Vault server that the environment names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote

from reconciler.model.clock import Clock
from reconciler.runtime import http
from reconciler.runtime.http import HttpResponse, NoAnswer, Proxy
from reconciler.runtime.url import find_proxy, is_loopback, split_url

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """Server with a checked base address. `proxy` is an `http://` URL, possibly with a password."""

    base: SplitResult
    proxy: SplitResult | None = None
    ca_bundle: str | None = None

    def __repr__(self) -> str:
        return f"Server({self.base.hostname!r})"


def parse_server(address: str, environ: Mapping[str, str], *, ca_bundle: str | None = None) -> Server:
    """Parse an address, and read `https_proxy` and `no_proxy` in either spelling and `SSL_CERT_FILE`.

    Raises NoAnswer for anything but https (http for loopback) without credentials, query and fragment.
    """
    base = split_url(address)
    if base is None or base.scheme not in {"http", "https"} or not base.hostname:
        raise NoAnswer("its address is not a web address")
    if "@" in base.netloc or base.query or base.fragment:
        raise NoAnswer("its address holds more than scheme, host, port and path")
    if is_loopback(base.hostname):
        return Server(base, None, ca_bundle)
    if base.scheme == "http":
        raise NoAnswer("its address is not `https://`, so the request would travel unencrypted")
    bundle = ca_bundle or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    return Server(base, _resolve_proxy(base, environ), bundle)


def send(
    server: Server,
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    body: bytes | None = None,
    clock: Clock,
    timeout: float,
) -> HttpResponse:
    """Send one request to `path` below the base address. Returns the answer for any status.

    Raises NoAnswer, also if headers and body together take longer than `timeout` seconds, or the body is larger than
    1 MiB.
    """
    base = server.base
    return http.send(
        method,
        f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}{path}",
        headers,
        body=body,
        clock=clock,
        timeout=timeout,
        max_bytes=MAX_BYTES,
        tls=_create_tls_context(server) if base.scheme == "https" else None,
        proxy=_build_proxy(server.proxy) if server.proxy else None,
    )


def _create_tls_context(server: Server) -> ssl.SSLContext:
    """Create a TLS context with the authorities of the named file, else with the authorities of this machine: a Vault
    often has a certificate of an authority that only the machines of its company trust."""
    try:
        return ssl.create_default_context(cafile=server.ca_bundle)
    except OSError:
        raise NoAnswer("the file with certificate authorities cannot be read") from None


def _resolve_proxy(base: SplitResult, environ: Mapping[str, str]) -> SplitResult | None:
    proxy = find_proxy(base, environ)
    if proxy is None:
        return None
    parts = split_url(proxy)
    if parts is None or parts.scheme != "http" or not parts.hostname:
        raise NoAnswer("the proxy in the environment is not an `http://` address")
    return parts


def _build_proxy(parts: SplitResult) -> Proxy:
    address = f"http://{parts.netloc.rpartition('@')[2]}"
    if parts.username is None:
        return Proxy(address)
    return Proxy(address, unquote(parts.username), unquote(parts.password or ""))
