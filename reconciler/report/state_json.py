"""What is remembered between runs, as JSON objects. Secrets are not in it, nor are their fingerprints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import Intent, Record, State
from reconciler.model.value import FieldPath
from reconciler.report.state_text import list_marks


def serialize_state(location: str, state: State) -> dict[str, Any]:
    """The state without the fields of its records."""
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
            {"key": key, "id": each.id, "extent": str(each.extent)}
            for key, each in sorted(state.removals.items())
        ],
        "exemptions": [asdict(each) for each in state.exemptions],
    }


def serialize_records(
    records: Mapping[Address, Record], hidden: Mapping[Address, Collection[FieldPath]]
) -> dict[str, Any]:
    """Some records with all they hold. A field that is `hidden` has no value."""
    return {
        "records": [
            _serialize_record(address, records[address], hidden[address])
            for address in sorted(records, key=get_entry_sort_key)
        ],
    }


def serialize_moves(pairs: Iterable[tuple[Address, Address]]) -> dict[str, Any]:
    """Addresses of yesterday and of today."""
    return {"moved": [{"from": str(source), "to": str(target)} for source, target in pairs]}


def serialize_forgotten(records: Mapping[Address, Record]) -> dict[str, Any]:
    """What is not remembered any more."""
    return {
        "forgotten": [
            serialize_record_header(address, records[address])
            for address in sorted(records, key=get_entry_sort_key)
        ]
    }


def serialize_lock(location: str, holder: LockInfo | None, *, broken: bool) -> dict[str, Any]:
    """A lock that is free now, and whether it had to be broken for that; `holder` is who had it last."""
    holder_data = None if holder is None else asdict(holder)
    return {"lock": {"place": location, "broken": broken, "holder": holder_data}}


def serialize_record_header(address: Address, record: Record) -> dict[str, Any]:
    """A record without its fields."""
    return {
        "address": str(address),
        "id": record.id,
        "applied_at": record.applied_at or None,
        "marks": list_marks(record),
    }


def _serialize_record(address: Address, record: Record, hidden: Collection[FieldPath]) -> dict[str, Any]:
    return {
        **serialize_record_header(address, record),
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
    }


def _serialize_intent(intent: Intent) -> dict[str, Any]:
    return {
        "action": str(intent.action),
        "name": intent.name,
        "namesakes": list(intent.namesakes),
        "at": intent.begun.own.isoformat(timespec="seconds") if intent.begun else None,
        "sent_at": intent.sent.own.isoformat(timespec="seconds") if intent.sent else None,
    }
