"""Read `op://VAULT/ITEM/FIELD` from 1Password, by 1Password's program `op`."""

from __future__ import annotations

import re

from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, StoreTimeout, decode_text
from reconciler.secrets.program import ProgramFailed, ProgramTimeout, find_program, run_program

_PROGRAM = "op"
_SEGMENT = re.compile(r"[^/\x00-\x1f\x7f?]*[^/\x00-\x20\x7f?][^/\x00-\x1f\x7f?]*")
_QUERY = re.compile(r"(?:attribute|attr|ssh-format)=[a-z]+")
_QUOTED = re.compile(r'"[^"]*"|\'op://[^\']*\'')
"""Names in messages of `op`, which may be like any other text."""
_CREDENTIALS = "`OP_SERVICE_ACCOUNT_TOKEN`"
_REASONS_BY_MESSAGE = {
    r"isn't a vault": "1Password has no vault of this name that these credentials may read",
    r"isn't an item": "1Password has no such item in this vault",
    r"does not have a (?:field|section)|isn't a field": "the item in 1Password has no such field",
    r"more than one \w+ matches": "several items or fields have this name: refer to it by its ID",
    r"invalid secret reference": "1Password does not take this reference",
    r"\(429\)|too many requests|rate.?limit": "1Password is asked too often; try again later",
    r"\(403\)|forbidden|do not have permission": "1Password does not let these credentials read it",
    r"decodesacredentials|\(401\)|unauthorized|service account deleted|invalid token": (
        f"1Password does not accept the token in {_CREDENTIALS}"
    ),
    r"not (?:currently )?signed in|no accounts? (?:configured|found)|session (?:expired|token)|multiple accounts"
    r"|account add|authorization (?:prompt|timeout)|desktop app": (
        f"`op` is not signed in: set {_CREDENTIALS}, or sign in with `op signin`"
    ),
    r"dial tcp|no such host|connection refused|deadline exceeded|i/o timeout|x509|network": (
        "1Password cannot be reached"
    ),
}


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    path, has_query, query = reference.locator.removeprefix("//").partition("?")
    segments = path.split("/")
    is_fine = len(segments) in {3, 4} and all(_SEGMENT.fullmatch(segment) for segment in segments)
    if is_fine and (not has_query or _QUERY.fullmatch(query)):
        return None
    return (
        "a place in 1Password is a vault, an item, possibly a section, and a field, with `/` between them",
        "write for example `op://Production/database/password`, as 1Password copies it",
    )


class OnePassword:
    """Store of fields. Credentials come from the environment, which the program gets: `OP_SERVICE_ACCOUNT_TOKEN`, or
    `OP_CONNECT_HOST` with `OP_CONNECT_TOKEN`, or a session of `op signin`."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def read(self, reference: Reference) -> str:
        """Read a field. Raises SecretUnavailable.

        Messages of `op` are recognised and never repeated: they may hold more than the names in the reference.
        """
        if invalid := validate_reference(reference):
            raise SecretUnavailable(reference, invalid[0])
        program = find_program(_PROGRAM, self._context)
        if program is None:
            raise SecretUnavailable(reference, "1Password's program `op` is not installed, or not in `PATH`")
        argv = [program, "read", "--no-newline", f"op://{reference.locator.removeprefix('//')}"]
        try:
            output = run_program(argv, self._context, keeps_errors=True)
        except ProgramTimeout as failure:
            raise StoreTimeout(reference, f"1Password's program `op` {failure.reason}") from None
        except ProgramFailed as failure:
            raise SecretUnavailable(reference, f"1Password's program `op` {failure.reason}") from None
        if output.code:
            raise SecretUnavailable(reference, _explain(output.code, output.errors))
        return decode_text(output.data, reference)


def _explain(code: int, errors: bytes) -> str:
    message = _QUOTED.sub("", errors.decode("utf-8", "replace"))
    for pattern, reason in _REASONS_BY_MESSAGE.items():
        if re.search(pattern, message, re.IGNORECASE):
            return reason
    end = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"1Password's program `op` {end}; its error output is not shown, since it may hold secrets"
