"""Read `vault:MOUNT/PATH#key` from entries of a HashiCorp Vault, KV version 1 and 2."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext

if TYPE_CHECKING:
    from reconciler.secrets.vault_entries import EntryReader

_SEGMENT = re.compile(r"[^\s\x00-\x1f\x7f?#%]+")


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    example = "write for example `vault:kv/team/database#password`"
    segments = reference.locator.split("/")
    if len(segments) < 2 or not all(_is_plain(segment) for segment in segments):
        return "a place in Vault is a mount and a path with `/` between them", example
    if segments[1:] == ["data"]:
        return "there is no path behind `data`", example
    if not reference.part:
        return "an entry of Vault has keys, and this reference names no key", f"{example}, the key behind `#`"
    return None


def _is_plain(segment: str) -> bool:
    return segment not in {".", ".."} and _SEGMENT.fullmatch(segment) is not None


class Vault:
    """Store of whole entries, for any number of threads. Address and credentials come from the environment, see
    `VaultClient`."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._reader: EntryReader | None = None

    def read(self, reference: Reference) -> str:
        """Read the latest version of an entry as the text of a JSON object. Raises SecretUnavailable."""
        if invalid := validate_reference(reference):
            raise SecretUnavailable(reference, invalid[0])
        return self._get_reader().read(reference)

    def _get_reader(self) -> EntryReader:
        from reconciler.secrets.vault_entries import (
            EntryReader,
        )  # imported here: it loads TLS, few runs use Vault

        with self._lock:
            if self._reader is None:
                self._reader = EntryReader(self._context)
            return self._reader
