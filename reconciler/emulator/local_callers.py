"""Recognise requests of programs and browsers on this machine."""

from __future__ import annotations

from ipaddress import ip_address

from werkzeug.wrappers import Request


def is_local(request: Request) -> bool:
    """Check that a request comes from this machine and names this machine as its host.

    A web page can send requests to this machine under a name of its own (DNS rebinding): the Host header shows that.
    """
    caller = request.environ.get("REMOTE_ADDR") or "127.0.0.1"
    host = request.host.rpartition(":")[0].strip("[]") or request.host
    return is_loopback(caller) and (host == "localhost" or is_loopback(host))


def is_loopback(address: str) -> bool:
    """Check whether an IP address is a loopback address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
