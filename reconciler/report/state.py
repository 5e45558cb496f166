"""Render the state: records, moves and locks, as text and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.instant import format_utc
from reconciler.model.json_parts import serialize_identity, serialize_identity_parts
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import ASSERTION, Exemption, Intent, Record, State, is_asserted, is_fingerprint
from reconciler.model.removal import CompletedRemoval
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.style import COPIED, QUIET, STRONG, WARN, format_count, join_lines
from reconciler.report.trust import format_identity
from reconciler.report.values import format_identity_part, format_value

_NAME_COLUMN = 22
_MAX_EXEMPTIONS = 10
_MAX_ASSERTIONS = 3


def render_state(location: str, state: State) -> Text:
    """Render a heading, and each address on a line: id, time of the last apply, marks."""
    heading = Text.assemble(
        ("state ", ""),
        (escape(location), STRONG),
        (f" · account {escape(state.account_id)} · {format_count(len(state.records), 'record')}", QUIET),
    )
    rows = [
        _render_row(address, state.records[address])
        for address in sorted(state.records, key=get_entry_sort_key)
    ]
    blocks = [heading, *([join_lines(_align_columns(rows))] if rows else [])]
    blocks += [*_render_removals(state.removals), *_render_exemptions(state.exemptions)]
    return Text("\n\n").join(blocks)


def _render_removals(removals: Mapping[str, CompletedRemoval]) -> Iterator[Text]:
    """Render completed removals that the specs still list."""
    if removals:
        rows = [
            (f"  {key}", escape(removal.id), str(removal.extent)) for key, removal in sorted(removals.items())
        ]
        yield join_lines([Text("Removals that were carried out:"), *_align_columns(rows)])


def _render_exemptions(exemptions: Sequence[Exemption]) -> Iterator[Text]:
    """Render the exemptions of runs from limits, policies and waits, and their assertions, the latest first."""
    if exemptions:
        shown = [*reversed(exemptions)][:_MAX_EXEMPTIONS]
        suffix = f", the last {len(shown)}" if len(shown) < len(exemptions) else ""
        has_assertions = any(_list_asserted(exemption) for exemption in shown)
        assertions = ", and secrets recorded as they are" if has_assertions else ""
        parts = [Text(f"Exemptions from limits, policies and waiting{assertions}{suffix}:")]
        parts += [
            Text(
                f"  {escape(exemption.at)}  {escape(_list_exempted(exemption))}"
                f"  by {escape(exemption.by)}: {escape(exemption.reason)}"
            )
            for exemption in shown
        ]
        yield join_lines(parts)


def _list_asserted(exemption: Exemption) -> list[str]:
    return [text for text in exemption.what if text.startswith(f"{ASSERTION}=")]


def _list_exempted(exemption: Exemption) -> str:
    """List what an exemption is about. One run may assert hundreds of secrets."""
    asserted = _list_asserted(exemption)
    others = [text for text in exemption.what if text not in asserted]
    shown = asserted if len(asserted) <= _MAX_ASSERTIONS else [f"{ASSERTION}={len(asserted):,} secrets"]
    return ", ".join([*others, *shown])


def render_records(
    records: Mapping[Address, Record], hidden: Mapping[Address, Collection[FieldPath]]
) -> Text:
    """Render all facts of records, a block for each record. `hidden` fields are not shown."""
    return Text("\n\n").join(
        [
            _render_record(address, records[address], hidden[address])
            for address in sorted(records, key=get_entry_sort_key)
        ]
    )


def render_moves(pairs: Iterable[tuple[Address, Address]]) -> Text:
    """Render moved records: former and new address."""
    parts = [Text(f"{source} is recorded as {target} now.") for source, target in pairs]
    return join_lines(
        [*parts, Text("Nothing was changed at Fivetran. The specs must use the new key too.", QUIET)]
    )


def render_forget_prompt(location: str, records: Mapping[Address, Record]) -> Text:
    """Render the records that are about to be forgotten, and the consequences."""
    rows = [
        ("." + " " + str(address), *_render_row(address, records[address])[1:])
        for address in sorted(records, key=get_entry_sort_key)
    ]
    parts = [
        Text(f"To be forgotten in {escape(location)}; nothing changes at Fivetran:"),
        *_align_columns(rows),
    ]
    if any(record.protected for record in records.values()):
        parts.append(Text("  ! their protection is forgotten too, unless the specs declare it", WARN))
    if any(record.intent is not None for record in records.values()):
        parts.append(
            Text("  ! an interrupted run is forgotten too: check whether it left an object at Fivetran", WARN)
        )
    return join_lines(parts)


def render_forgotten(count: int) -> Text:
    """Render the number of forgotten records."""
    return Text(f"Forgot {format_count(count, 'record')}. Nothing was changed at Fivetran.", STRONG)


def render_unlocked(location: str, last_holder: LockInfo | None) -> Text:
    """Render a free lock, and its last holder."""
    parts = [Text(f"The lock of {escape(location)} is free.", STRONG)]
    if last_holder is not None:
        parts.append(Text(f"The last holder ended without releasing it: {escape(str(last_holder))}.", QUIET))
        parts.append(Text("`reconciler plan` shows its unfinished changes.", QUIET))
    return join_lines(parts)


def render_unlock_prompt(location: str, holder: LockInfo | None, doubt: str) -> Text:
    """Render a lock that is about to be broken, and the doubt about its run, which only a person can resolve."""
    holder_text = escape(str(holder)) if holder is not None else "an unknown process"
    return join_lines(
        [
            Text(f"The lock of {escape(location)} is held by {holder_text}."),
            Text(f"  ! {escape(doubt)}", WARN),
            Text(f"  ! {_CONCURRENT_RUNS_WARNING}", WARN),
        ]
    )


_CONCURRENT_RUNS_WARNING = (
    "if that run is still active, two runs may work at once until it notices the loss of its lock: within some seconds,"
    " unless it cannot reach the state"
)


def render_lock_broken(location: str) -> Text:
    """Render a broken lock."""
    return join_lines(
        [
            Text(f"The lock of {escape(location)} is broken.", STRONG),
            Text("`reconciler plan` shows the unfinished changes of its holder.", QUIET),
        ]
    )


def list_marks(record: Record) -> list[str]:
    """List the marks of a record, one word each."""
    flags = {
        "protected": record.protected,
        "unverified": record.unverified,
        "interrupted": record.intent is not None,
        "asserted": bool(record.asserted),
        "awaiting approval": bool(record.awaiting),
    }
    return [word for word, is_set in flags.items() if is_set]


def _render_row(address: Address, record: Record) -> tuple[str, ...]:
    return (
        str(address),
        escape(record.id or "-"),
        escape(record.applied_at or "-"),
        ", ".join([*list_marks(record), *([record.setup_status] if record.setup_status else [])]),
    )


_DETAILED_MARKS = frozenset({"interrupted", "asserted", "awaiting approval"})
"""Marks that a record shows with their details."""


def _align_columns(rows: Sequence[Sequence[str]]) -> list[Text]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        Text("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        for row in rows
    ]


def _render_record(address: Address, record: Record, hidden: Collection[FieldPath]) -> Text:
    rows = [("id", escape(record.id) if record.id else "(not known yet)")]
    rows += [("applied at", escape(record.applied_at))] if record.applied_at else []
    rows += [(mark, "yes") for mark in list_marks(record) if mark not in _DETAILED_MARKS]
    rows += [("interrupted", _describe_intent(record.intent))] if record.intent else []
    rows += [("setup status", escape(record.setup_status))] if record.setup_status else []
    rows += [(format_identity_part(part), escape(text)) for part, text in record.identity.items()]
    rows += [
        (escape(format_path(path)), "(hidden)" if path in hidden else format_value(value))
        for path, value in record.applied.items()
    ]
    rows += [
        (
            escape(format_path(path)),
            _describe_fingerprint("hidden" if path in hidden else "secret", fingerprint),
        )
        for path, fingerprint in record.fingerprints.items()
    ]
    rows += [("pinned", f"{pin.kind.noun} {format_identity(pin)}") for pin in record.grants.pins]
    rows += [("waits for", f"{server.kind.noun} {format_identity(server)}") for server in record.awaiting]
    width = max(_NAME_COLUMN, *(len(name) for name, _ in rows))
    copied = {format_identity_part(part) for part in record.identity}
    parts = [
        Text(str(address), STRONG),
        *(
            Text.assemble(f"    {name:<{width}}  ", (text, COPIED if name in copied else ""))
            for name, text in rows
        ),
    ]
    if record.awaiting:
        parts.append(Text(f"  ! pin what you trust: `reconciler trust pin {address}`", WARN))
    return join_lines(parts)


def _describe_fingerprint(label: str, fingerprint: str) -> str:
    status = "fingerprint present" if is_fingerprint(fingerprint) else "cannot be compared: no fingerprint"
    if is_asserted(fingerprint):
        status = "asserted: the fingerprint is of a value that no run has sent"
    return f"({label}, {status})"


def _describe_intent(intent: Intent) -> str:
    at = f" at {format_utc(intent.begun.own)}" if intent.begun else ""
    sent = f", sent at {format_utc(intent.sent.own)} at the latest" if intent.sent else ""
    namesakes = f", beside {format_count(len(intent.namesakes), 'namesake')}" if intent.namesakes else ""
    return f"{intent.action} of {format_value(intent.name)}{at}{sent}{namesakes}"


def serialize_state(location: str, state: State) -> dict[str, Any]:
    """Serialize the state without the fields of its records."""
    return {
        "state": {
            "place": location,
            "account_id": state.account_id,
            "lineage": state.lineage,
            "serial": state.serial,
        },
        "records": [
            serialize_record_header(address, state.records[address])
            for address in sorted(state.records, key=get_entry_sort_key)
        ],
        "removals": [
            {"key": key, "id": removal.id, "extent": str(removal.extent)}
            for key, removal in sorted(state.removals.items())
        ],
        "exemptions": [asdict(exemption) for exemption in state.exemptions],
    }


def serialize_records(
    records: Mapping[Address, Record], hidden: Mapping[Address, Collection[FieldPath]]
) -> dict[str, Any]:
    """Serialize records with all their fields. A field that is `hidden` has no value."""
    return {
        "records": [
            _serialize_record(address, records[address], hidden[address])
            for address in sorted(records, key=get_entry_sort_key)
        ],
    }


def serialize_moves(pairs: Iterable[tuple[Address, Address]]) -> dict[str, Any]:
    """Serialize former and new addresses."""
    return {"moved": [{"from": str(source), "to": str(target)} for source, target in pairs]}


def serialize_forgotten(records: Mapping[Address, Record]) -> dict[str, Any]:
    """Serialize the forgotten records."""
    return {
        "forgotten": [
            serialize_record_header(address, records[address])
            for address in sorted(records, key=get_entry_sort_key)
        ]
    }


def serialize_lock(location: str, holder: LockInfo | None, *, broken: bool) -> dict[str, Any]:
    """Serialize a lock that is free now; `broken` is true if this command broke it, `holder` is the last run that held
    the lock."""
    holder_data = None if holder is None else asdict(holder)
    return {"lock": {"place": location, "broken": broken, "holder": holder_data}}


def serialize_record_header(address: Address, record: Record) -> dict[str, Any]:
    """Serialize a record without its fields."""
    return {
        "address": str(address),
        "id": record.id,
        "applied_at": record.applied_at or None,
        "marks": list_marks(record),
        **({"setup_status": record.setup_status} if record.setup_status else {}),
    }


def _serialize_record(address: Address, record: Record, hidden: Collection[FieldPath]) -> dict[str, Any]:
    return {
        **serialize_record_header(address, record),
        **serialize_identity_parts(record.identity),
        "interrupted": _serialize_intent(record.intent) if record.intent else None,
        "applied": [
            *(
                {"path": list(path), "value": value}
                if path not in hidden
                else {"path": list(path), "hidden": True}
                for path, value in record.applied.items()
            ),
            *({"path": list(path), "hidden": True} for path in record.fingerprints if path in hidden),
        ],
        "fingerprints": [list(path) for path in record.fingerprints],
        "asserted": [list(path) for path in record.asserted],
        "pins": [serialize_identity(pin) for pin in record.grants.pins],
        "awaiting_approval": [serialize_identity(server) for server in record.awaiting],
    }


def _serialize_intent(intent: Intent) -> dict[str, Any]:
    return {
        "action": str(intent.action),
        "name": intent.name,
        "namesakes": list(intent.namesakes),
        "at": intent.begun.own.isoformat(timespec="seconds") if intent.begun else None,
        "sent_at": intent.sent.own.isoformat(timespec="seconds") if intent.sent else None,
    }
