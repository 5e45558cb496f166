"""Set and resolve the facts of the network behind destinations.

A fact concerns one destination, the destination of a group, or any destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from reconciler.emulator import key_material, targets
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.fingerprints import read_host_key
from reconciler.emulator.key_material import Certificate, HostKey, read_certificate
from reconciler.emulator.store import Kind
from reconciler.emulator.targets import Target
from reconciler.model.suggestions import did_you_mean

MAX_SETUP_TEST_SECONDS = 3_600.0

_Generated = TypeVar("_Generated", tuple[str, ...], str)


class ServerIdentity(StrEnum):
    """Identity of a server that is described in one word."""

    GENERATED = "generated"
    ROTATED = "rotated"
    TRUSTED = "trusted"


class NetworkSettings(Target):
    """Network behind destinations, as a seed, an option or a control request describes it.

    `certificate` is one of `ServerIdentity`, or the text of one or more certificates; `host_key` likewise is a line of
    `authorized_keys`. A generated identity stays the same, a rotated identity is another one each time. None leaves a
    fact as it is.
    """

    certificate: ServerIdentity | tuple[str, ...] | None = None
    host_key: ServerIdentity | str | None = None
    setup_test_seconds: Annotated[float, Field(ge=0, le=MAX_SETUP_TEST_SECONDS)] | None = None

    @field_validator("certificate", mode="plain")
    @classmethod
    def _parse_certificate(cls, value: Any) -> ServerIdentity | tuple[str, ...] | None:
        if value is None or value in tuple(ServerIdentity):
            return value and ServerIdentity(value)
        texts = value if isinstance(value, list | tuple) else [value]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise _build_identity_error("certificate", value)
        try:
            return tuple(encoded for text in texts for encoded in key_material.parse_chain(text))
        except ValueError as error:
            raise _build_identity_error("certificate", value, str(error)) from None

    @field_validator("host_key", mode="plain")
    @classmethod
    def _parse_host_key(cls, value: Any) -> ServerIdentity | str | None:
        if value is None or value in tuple(ServerIdentity):
            return value and ServerIdentity(value)
        if not isinstance(value, str):
            raise _build_identity_error("host_key", value)
        try:
            return key_material.parse_host_key(value)
        except ValueError as error:
            raise _build_identity_error("host_key", value, str(error)) from None


def _build_identity_error(name: str, value: Any, reason: str = "") -> PydanticCustomError:
    """Build the error of an identity that is neither a word nor a text of the right form."""
    words = ", ".join(f"`{word}`" for word in ServerIdentity)
    form = "a text in PEM form" if name == "certificate" else "a line of `authorized_keys`"
    advice = did_you_mean(value, ServerIdentity) if isinstance(value, str) else ""
    return PydanticCustomError(
        "invalid-seed",
        "`{name}` is wrong: {reason}",
        {
            "name": name,
            "reason": reason or "it must be a text",
            "help": advice or f"write {words}, or {form}",
            "secret": True,
        },
    )


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


def apply_settings(account: Account, settings: NetworkSettings) -> None:
    """Set the described facts of a target. Other facts stay."""
    if settings.certificate is not None:
        present_certificate(account, settings.key, settings.certificate)
    if settings.host_key is not None:
        present_host_key(account, settings.key, settings.host_key)
    if settings.setup_test_seconds is not None:
        set_facts(account, settings.key, seconds=settings.setup_test_seconds)


def present_certificate(
    account: Account, target: str, certificate: ServerIdentity | tuple[str, ...]
) -> tuple[str, ...]:
    """Present certificates from the database behind a target. Returns them as base64 of DER."""
    if isinstance(certificate, tuple):
        chain = certificate
    else:
        chain = _generate_identity(account, target, "chain", certificate, key_material.generate_chain) or ()
    set_facts(account, target, chain=chain)
    return chain


def present_host_key(account: Account, target: str, host_key: ServerIdentity | str) -> HostKey | None:
    """Present a key from the SSH host behind a target. Returns the key, None for a trusted host."""
    if isinstance(host_key, ServerIdentity):
        line = _generate_identity(account, target, "host_key", host_key, key_material.generate_host_key)
    else:
        line = host_key
    set_facts(account, target, host_key=line)
    return None if line is None else read_host_key(account, line)


def _generate_identity(
    account: Account,
    target: str,
    fact: str,
    identity: ServerIdentity,
    generate: Callable[[str, int], _Generated],
) -> _Generated | None:
    """Generate the identity of a server, None for a trusted server. Keeps its number for the next identity."""
    if identity is ServerIdentity.TRUSTED:
        return None
    stored = account.store.find(Kind.NETWORK, target) or {}
    last = int(stored.get(f"{fact}_number", 0))
    number = last + 1 if identity is ServerIdentity.ROTATED else max(last, 1)
    # A seed has the present identity without its number, so the next number may be that of the present one.
    if identity is ServerIdentity.ROTATED and _is_stored(stored, fact, generate(target, number)):
        number += 1
    set_facts(account, target, **{f"{fact}_number": number})
    return generate(target, number)


def _is_stored(stored: dict[str, Any], fact: str, generated: tuple[str, ...] | str) -> bool:
    return stored.get(fact) == (generated if isinstance(generated, str) else list(generated))


def set_facts(account: Account, target: str, **facts: Any) -> None:
    """Set `chain` (base64 texts), `host_key` (a line) or `seconds` of a target. Other facts stay."""
    stored = account.store.find(Kind.NETWORK, target)
    changed = {**(stored or {"target": target}), **facts}
    if stored is None:
        account.store.add(Kind.NETWORK, target, changed)
    else:
        account.store.replace(Kind.NETWORK, target, changed)


def clear_facts(account: Account, target: str | None) -> None:
    """Clear all facts of a target, None for every target. Facts of more general targets apply again."""
    for stored in account.store.list_documents(Kind.NETWORK):
        if target in (None, stored["target"]):
            account.store.remove(Kind.NETWORK, stored["target"])


def dump_facts(account: Account) -> Iterator[dict[str, Any]]:
    """Dump the facts of every target in the form of `NetworkSettings`."""
    for stored in account.store.list_documents(Kind.NETWORK):
        settings: dict[str, Any] = targets.describe_target(stored["target"])
        if "chain" in stored:
            settings["certificate"] = stored["chain"] or str(ServerIdentity.TRUSTED)
        if "host_key" in stored:
            settings["host_key"] = stored["host_key"] or str(ServerIdentity.TRUSTED)
        if "seconds" in stored:
            settings["setup_test_seconds"] = stored["seconds"]
        yield settings


def describe_facts(account: Account) -> Iterator[dict[str, Any]]:
    """Describe the facts of every target for people: hashes and names instead of whole certificates."""
    for settings in dump_facts(account):
        described = dict(settings)
        if isinstance(settings.get("certificate"), list):
            chain = map(read_certificate, settings["certificate"])
            described["certificate"] = [{"hash": each.hash, "name": each.name} for each in chain]
        if settings.get("host_key") not in (None, str(ServerIdentity.TRUSTED)):
            key = read_host_key(account, settings["host_key"])
            described["host_key"] = {"hash": key.hash, "public_key": key.public_key}
        yield described


def resolve_facts(account: Account, destination: Destination) -> NetworkFacts:
    """Resolve the facts of a destination. For each fact the most specific target wins."""
    facts: dict[str, Any] = {}
    # From general to specific targets: later facts overwrite earlier facts.
    for target in reversed(targets.list_matching(account, destination.id)):
        facts |= account.store.find(Kind.NETWORK, target) or {}
    line = facts.get("host_key")
    return NetworkFacts(
        chain=tuple(read_certificate(encoded) for encoded in facts.get("chain", ())),
        host_key=None if line is None else read_host_key(account, line),
        seconds=facts.get("seconds", 0.0),
    )
