"""Split web addresses, recognise addresses of this machine, and find the proxy for an address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # missing in typeshed

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def split_url(url: str) -> SplitResult | None:
    """Split a URL; None for a text without the parts of a URL, or with characters that no URL has."""
    text = url.strip()
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Check whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_proxy(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    """Find the proxy for an https address, with `http://` put before a bare `host:port`; None if no variable names one,
    or `NO_PROXY` excludes the host. The lower-case spellings of the variables count first, as they do in other
    tools."""
    excluded = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if excluded and proxy_bypass_environment(parts.netloc, {"no": excluded}):
        return None
    variable = find_proxy_variable(environ)
    proxy = environ[variable] if variable is not None else None
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def find_proxy_variable(environ: Mapping[str, str]) -> str | None:
    """Find the variable that names the proxy for https addresses; None if no variable does."""
    return next((name for name in _PROXY_VARIABLES if environ.get(name)), None)
