"""Write the pin of a server as text of a spec, with a comment for the reviewers of the change."""

from __future__ import annotations

from reconciler.kinds.pins import (
    PinError,
    describe_facts,
    find_wrong_hash,
    format_main_hash,
    parse_certificate_hash,
    parse_host_key_pin,
)
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.trust import ServerIdentity, ServerKind
from reconciler.spec.new_entry import QuotedText

_MAX_LENGTH = 200
"""Characters of a comment. The names in a certificate are as long as its owner likes."""


def build_pin(server: ServerIdentity) -> str:
    """Build the pin of a server that a setup test met: the hash of a certificate, in base64; the key of a host as a
    line `TYPE BASE64`, or its hash if the test showed no key.

    Raises ReconcilerError for a server that no pin can name.
    """
    wrong_hash_of = find_wrong_hash(server)
    if wrong_hash_of is not None:
        raise ReconcilerError([_explain_wrong_hash(server, wrong_hash_of)])
    try:
        if server.kind is ServerKind.CERTIFICATE:
            return QuotedText(parse_certificate_hash(server.hash).hash)
        return _parse_key(server.public_key) or _check_host_key_hash(server.hash)
    except PinError as error:
        raise ReconcilerError([_explain_unpinnable(server, error)]) from None


def describe_for_review(server: ServerIdentity) -> str:
    """Describe a server on one line, without its hash if the pin is the hash: `CN=db, issued by CN=Root, expires …`."""
    is_key = server.kind is ServerKind.FINGERPRINT and _parse_key(server.public_key) != ""
    facts = [format_main_hash(server) if is_key else "", describe_facts(server)]
    return _clean(", ".join(filter(None, facts)))


def _parse_key(line: str) -> str:
    """Parse the key that a test showed as `TYPE BASE64`; empty if it is no key."""
    try:
        return parse_host_key_pin(line).public_key
    except PinError:
        return ""


def _check_host_key_hash(text: str) -> str:
    """Check that a hash is one of the forms that a pin may have. Raises PinError."""
    parse_host_key_pin(text)
    return QuotedText(text)


def _clean(text: str) -> str:
    """Remove characters that do not print, and put the rest on one line of limited length."""
    line = "".join(filter(str.isprintable, " ".join(text.split())))
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


def _explain_wrong_hash(server: ServerIdentity, right: str) -> Diagnostic:
    return Diagnostic(
        "certificate-mismatch",
        "the state has a certificate under a hash that is not its own",
        notes=(f"it is recorded as {server.hash}, and its SHA-256 is {right}",),
        help="run `reconciler test` for the destination again, and look at the setup tests in Fivetran",
    )


def _explain_unpinnable(server: ServerIdentity, error: PinError) -> Diagnostic:
    if server.kind is ServerKind.CERTIFICATE:
        return Diagnostic("bad-pin", f"this certificate cannot be pinned: {error.message}", help=error.advice)
    return Diagnostic(
        "bad-pin",
        "the setup test showed neither the key of the SSH host nor a hash of a known form",
        notes=(f"it showed {server.hash}",) if server.hash else (),
        help="read the key with `ssh-keyscan HOST`, compare it with the one of the host itself, and write it below"
        " `trust.fingerprints`",
    )
