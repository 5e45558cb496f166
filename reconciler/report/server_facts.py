"""Render the facts of certificates and SSH host keys for people who compare them, and never a certificate itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.kinds.pins import format_hash_forms
from reconciler.model.sanitize import escape
from reconciler.model.trust import ServerIdentity, ServerKind

_ROW_LENGTH = 48  # 16 bytes in hexadecimal digits, with a colon behind each
_LABEL_WIDTH = 9
_UNKNOWN = "unknown"


def list_server_facts(server: ServerIdentity) -> list[str]:
    """List the facts of a server, each on a short line: the forms of its hash, subject, issuer, date of expiry.

    A fact that every certificate has is `unknown` without a value; a host key has neither issuer nor expiry.
    """
    is_certificate = server.kind is ServerKind.CERTIFICATE
    rows = [("" if number else "hash", line) for number, line in enumerate(_list_hash_lines(server))]
    rows += [("subject", server.subject)] if is_certificate or server.subject else []
    rows += [("issuer", server.issuer), ("expires", server.expires)] if is_certificate else []
    return [format_fact(label, escape(value) or _UNKNOWN) for label, value in rows]


def format_fact(label: str, value: str) -> str:
    """Format a fact with its label in a column."""
    return f"{label:<{_LABEL_WIDTH}}{value}"


def serialize_server(server: ServerIdentity) -> dict[str, Any]:
    """Serialize the public facts of a server but the certificate itself. Unknown facts are null."""
    return {
        "kind": str(server.kind),
        "hash": server.hash or None,
        "hashes": list(format_hash_forms(server)),
        "public_key": server.public_key or None,
        "subject": server.subject or None,
        "issuer": server.issuer or None,
        "expires": server.expires or None,
    }


def _list_hash_lines(server: ServerIdentity) -> Iterator[str]:
    """List the forms of a hash. The 95 characters of a SHA-256 with colons take two lines."""
    forms = format_hash_forms(server)
    for form in forms or ("",):
        length = _ROW_LENGTH if form[2:3] == ":" else len(form)
        yield from (form[start : start + length] for start in range(0, max(len(form), 1), max(length, 1)))
