"""What a destination finds where it connects to: the identity of the servers, and their speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.emulator import targets
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.key_material import Certificate, HostKey, read_certificate
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The certificates that the database presents (none: one that everybody trusts), the key of the
    SSH host (None: one that everybody trusts), and the seconds that a run of setup tests takes."""

    chain: tuple[Certificate, ...] = ()
    host_key: HostKey | None = None
    seconds: float = 0.0


def change(account: Account, target: str, **facts: Any) -> None:
    """Set `chain` (base64 texts), `host_key` (a line) or `seconds` for a target; the others stay."""
    known = account.store.find(Kind.SURROUNDINGS, target)
    if known is None:
        account.store.add(Kind.SURROUNDINGS, target, facts)
    else:
        account.store.replace(Kind.SURROUNDINGS, target, {**known, **facts})


def around(account: Account, destination: Destination) -> Surroundings:
    """What holds for a destination: of each fact the most particular one."""
    facts: dict[str, Any] = {}
    for target in reversed(targets.of(account, destination.id)):
        facts |= account.store.find(Kind.SURROUNDINGS, target) or {}
    key = facts.get("host_key")
    return Surroundings(
        chain=tuple(read_certificate(encoded) for encoded in facts.get("chain", ())),
        host_key=None if key is None else HostKey(key),
        seconds=facts.get("seconds", 0.0),
    )
