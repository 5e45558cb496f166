"""Store network facts: identity and speed of the servers behind a destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.emulator import targets
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.key_material import Certificate, HostKey, read_certificate
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """Facts of the network behind a destination.

    `chain` are the certificates of the database, empty for a certificate that every client trusts. `host_key`
    is the key of the SSH host, None for a key that every client trusts. `seconds` is the duration of a run of setup
    tests.
    """

    chain: tuple[Certificate, ...] = ()
    host_key: HostKey | None = None
    seconds: float = 0.0


def set_facts(account: Account, target: str, **facts: Any) -> None:
    """Set `chain` (base64 texts), `host_key` (a line) or `seconds` of a target. Other facts stay."""
    stored = account.store.find(Kind.NETWORK, target)
    if stored is None:
        account.store.add(Kind.NETWORK, target, facts)
    else:
        account.store.replace(Kind.NETWORK, target, {**stored, **facts})


def resolve_facts(account: Account, destination: Destination) -> NetworkFacts:
    """Resolve the facts of a destination. For each fact the most specific target wins."""
    facts: dict[str, Any] = {}
    # From general to specific targets: later facts overwrite earlier facts.
    for target in reversed(targets.list_matching(account, destination.id)):
        facts |= account.store.find(Kind.NETWORK, target) or {}
    host_key = facts.get("host_key")
    return NetworkFacts(
        chain=tuple(read_certificate(encoded) for encoded in facts.get("chain", ())),
        host_key=None if host_key is None else HostKey(host_key),
        seconds=facts.get("seconds", 0.0),
    )
