"""Find the servers that wait for a pin, for `trust pin`. Reads the state without its lock, and sends nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from reconciler.kinds.approvals import matches_server
from reconciler.kinds.certificates import is_expired
from reconciler.kinds.pins import (
    PinError,
    describe_facts,
    format_hash_forms,
    format_main_hash,
    parse_certificate_hash,
    parse_host_key_pin,
)
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.record_transitions import apply_moves
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.trust import Pin, ServerIdentity, ServerKind
from reconciler.operations.state import read_state
from reconciler.planning.trust import list_unsettled
from reconciler.planning.trust_findings import describe_server
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs, load_specs

MIN_PREFIX = 6
"""Characters of a hash that name a server at least."""

_ALGORITHM = re.compile(r"(?:md5|sha-?1|sha-?256):", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f:]+")


@dataclass(frozen=True, slots=True)
class PinCandidates:
    """Servers of a declared destination: `met` by the last setup test without an approval, as the state has them.
    `is_recorded` says whether the state knows the destination."""

    settings: Settings
    specs: Specs
    desired: Desired
    met: tuple[ServerIdentity, ...]
    is_recorded: bool

    @property
    def address(self) -> Address:
        """The address of the destination."""
        return self.desired.address

    @property
    def waiting(self) -> tuple[ServerIdentity, ...]:
        """The servers of the kinds of which the spec trusts no server that was met."""
        return list_unsettled(self.desired.trust, self.met)


@dataclass(frozen=True, slots=True)
class PinChoice:
    """Servers to pin: all that are meant, of which any one of a kind is enough. `pinned` are pins that the spec has
    already, in place of a server to pin."""

    servers: tuple[ServerIdentity, ...] = ()
    pinned: tuple[Pin, ...] = ()


def find_candidates(settings: Settings, text: str) -> PinCandidates:
    """Find the servers of the destination that an address or a key names.

    Raises ReconcilerError for invalid specs, an unknown destination, and a project without a state.
    """
    specs = load_specs(settings)
    records = read_state(settings).state.records
    desired = _find_destination(specs, records, text)
    record = apply_moves(records, (*specs.groups, *specs.destinations)).get(desired.address)
    met = record.awaiting if record is not None else ()
    return PinCandidates(settings, specs, desired, met, record is not None)


def choose_servers(candidates: PinCandidates, typed: str | None) -> PinChoice:
    """Choose the servers that a hash, or the beginning of one, names; without it, all that wait.

    Raises ReconcilerError if no server is meant.
    """
    return _choose_all(candidates) if typed is None else _choose_by_hash(candidates, typed)


def _choose_all(candidates: PinCandidates) -> PinChoice:
    if candidates.waiting:
        return PinChoice(candidates.waiting)
    pinned = tuple(_list_pins_of(candidates.desired, candidates.met))
    if pinned:
        return PinChoice(pinned=pinned)
    raise ReconcilerError([_explain_nothing_waits(candidates)])


def _choose_by_hash(candidates: PinCandidates, typed: str) -> PinChoice:
    named = [server for server in candidates.met if is_named(server, typed)]
    own = [pin for pin in candidates.desired.trust.pins if is_named(pin.identity, typed)]
    pinned = tuple(dict.fromkeys([*own, *_list_pins_of(candidates.desired, named)]))
    unpinned = [server for server in named if not any(_is_pin_of(pin, server) for pin in pinned)]
    if not unpinned and pinned:
        return PinChoice(pinned=pinned)
    if not unpinned:
        raise ReconcilerError([_explain_unknown_hash(candidates)])
    if len(named) > 1 or pinned:
        raise ReconcilerError([explain_several(candidates, named)])
    if candidates.desired.trust.trusts_any(named[0].kind):
        raise ReconcilerError([_explain_blanket_trust(candidates, named[0].kind)])
    return PinChoice((named[0],))


def is_named(server: ServerIdentity, text: str) -> bool:
    """Check whether a text names a server: a pin in any notation, or the beginning of a form of its hash."""
    for parse in (parse_certificate_hash, parse_host_key_pin):
        with suppress(PinError):
            if matches_server(parse(text), server):
                return True
    digits = strip_algorithm(text)
    return len(digits) >= MIN_PREFIX and any(_begins(form, digits) for form in format_hash_forms(server))


def strip_algorithm(text: str) -> str:
    """Strip the name of the algorithm from a hash: `SHA256:abc` is `abc`."""
    return _ALGORITHM.sub("", text.strip(), count=1)


def _begins(form: str, digits: str) -> bool:
    shown = strip_algorithm(form)
    if _HEX.fullmatch(shown) and _HEX.fullmatch(digits):
        return shown.replace(":", "").lower().startswith(digits.replace(":", "").lower())
    return shown.startswith(digits.translate(str.maketrans("-_", "+/")))


def _list_pins_of(desired: Desired, servers: Iterable[ServerIdentity]) -> Iterator[Pin]:
    met = list(servers)
    return (pin for pin in desired.trust.pins if any(_is_pin_of(pin, server) for server in met))


def _is_pin_of(pin: Pin, server: ServerIdentity) -> bool:
    return matches_server(pin.identity, server)


def _find_destination(specs: Specs, records: Iterable[Address], text: str) -> Desired:
    """Find the declared destination of an address or a key; a group stands for its destination. Raises
    ReconcilerError."""
    for desired in specs.destinations:
        key = desired.address.key
        if text in {key, str(desired.address), str(Address(GROUP, key))}:
            return desired
    recorded = {name for each in records for name in (each.key, str(each))}
    known = [name for each in specs.destinations for name in (str(each.address), each.address.key)]
    raise ReconcilerError([_explain_unknown(text, known, is_recorded=text in recorded)])


def warn_expired(candidates: PinCandidates, servers: Iterable[ServerIdentity]) -> Iterator[Diagnostic]:
    """Warn of servers whose certificates have expired: Fivetran may refuse the connection all the same."""
    today = candidates.settings.clock.now().date()
    for server in servers:
        if is_expired(server, today):
            yield Diagnostic(
                "certificate-expired",
                f"the certificate {server.hash} expired on {server.expires}",
                severity=Severity.WARNING,
                address=candidates.address,
                help="pin the certificate that takes its place, once the server shows it",
            )


# Errors


def explain_several(candidates: PinCandidates, servers: Iterable[ServerIdentity]) -> Diagnostic:
    """Explain that several servers are meant, with the command line that pins each."""
    listed = list(servers)
    return Diagnostic(
        "several-waiting",
        f"{len(listed)} servers wait for a pin of {candidates.address}",
        span=candidates.desired.span,
        address=candidates.address,
        notes=tuple(_describe_command(candidates, each) for each in listed),
        help=f"run one of these commands; {_count_needed(listed)}",
    )


def format_command(candidates: PinCandidates, server: ServerIdentity) -> str:
    """Format the command line that pins a server."""
    settings = candidates.settings
    options = ["--project", str(settings.project)] if settings.is_project_named else []
    options += ["--sandbox"] if settings.sandbox else []
    return shlex.join(
        ["reconciler", "trust", "pin", *options, str(candidates.address), format_main_hash(server)]
    )


def _describe_command(candidates: PinCandidates, server: ServerIdentity) -> str:
    """Describe a server by its facts, and by the command line that pins it, which has its hash."""
    facts = describe_facts(server)
    described = f"{server.kind.noun} {facts}" if facts else server.kind.noun
    return f"{described}: `{format_command(candidates, server)}`"


def _count_needed(servers: Iterable[ServerIdentity]) -> str:
    kinds = list(dict.fromkeys(server.kind for server in servers))
    if len(kinds) > 1:
        return "one server of each kind is needed"
    return f"any one {kinds[0].noun} is enough"


def _explain_nothing_waits(candidates: PinCandidates) -> Diagnostic:
    kinds = [server.kind for server in candidates.met if candidates.desired.trust.trusts_any(server.kind)]
    if kinds:
        return _explain_blanket_trust(candidates, kinds[0])
    address = candidates.address
    if not candidates.is_recorded:
        return Diagnostic(
            "nothing-waits",
            f"no server waits for a pin of {address}: the state does not know it",
            span=candidates.desired.span,
            address=address,
            help="`reconciler apply` creates or adopts it, and runs its setup tests",
        )
    return Diagnostic(
        "nothing-waits",
        f"no server waits for a pin of {address}",
        span=candidates.desired.span,
        address=address,
        notes=tuple(map(_describe_pin, candidates.desired.trust.pins)),
        help=f"`reconciler test {address}` tests it again, and records the servers that Fivetran does not trust",
    )


def _describe_pin(pin: Pin) -> str:
    place = f" at {pin.span.line_place}" if pin.span is not None else ""
    return f"pinned{place}: {describe_server(pin.identity)}"


def _explain_unknown_hash(candidates: PinCandidates) -> Diagnostic:
    waiting = tuple(_describe_command(candidates, each) for each in candidates.waiting)
    nothing = _explain_nothing_waits(candidates) if not waiting else None
    return Diagnostic(
        "nothing-waits",
        f"no server with this hash waits for a pin of {candidates.address}",
        span=candidates.desired.span,
        address=candidates.address,
        notes=waiting if nothing is None else nothing.notes,
        help="compare the hash with these servers, which do wait" if nothing is None else nothing.help,
    )


def _explain_blanket_trust(candidates: PinCandidates, kind: ServerKind) -> Diagnostic:
    return Diagnostic(
        "nothing-waits",
        f"{candidates.address} trusts any {kind.noun}, so none waits for a pin",
        span=candidates.desired.span,
        address=candidates.address,
        help=f"apply again; or to pin instead, write `{kind.plural}: none`, and test again",
    )


def _explain_unknown(text: str, known: Iterable[str], *, is_recorded: bool) -> Diagnostic:
    if is_recorded:
        return Diagnostic(
            "unknown-target",
            f"`{text}` is in the state, and no file of the specs declares a destination for it",
            help="name a destination that the specs declare: a pin needs an entry to stand in",
        )
    advice = did_you_mean(text, known)
    return Diagnostic(
        "unknown-target",
        f"no destination of the specs is named by `{text}`",
        help=advice or f"name an address such as `{DESTINATION}.finance_prod`, or a key",
    )
