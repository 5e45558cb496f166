"""Encode a state as JSON, and decode it: the snapshot, and each line of the journal.

Records, intents and removals are written with the fields of their dataclasses in the model, so that a new field is
stored without a change here. Only types that JSON lacks have a form of their own: addresses are text, and fields below
`config` are nested.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapSerializer,
)

from reconciler.model.address import Address
from reconciler.model.record import Exemption, Record, Relocation, State
from reconciler.model.removal import CompletedRemoval
from reconciler.model.state_location import parse_state_location
from reconciler.model.value import FieldPath

FORMAT: Final = 2
"""Format 1 has no removals, and no times of requests. It is still read. A release that only knows format 1
reports a state of format 2 as newer, and not as damaged."""
EXTENDED_FORMAT: Final = 3
"""Format 3 has the keys of `_LEFT_OUT_IF_EMPTY`. A snapshot without any of these keys is written in format 2, so that
releases that only know format 2 can read it."""
RELOCATED_FORMAT: Final = 4
"""Format 4 has a relocation, or the keys of `_SINCE_FORMAT_4`. Releases that do not know them refuse such a state as
newer: they would take a relocated state for a state that is in force."""
ASSERTED_FORMAT: Final = 5
"""Format 5 has fingerprints of asserted values. A release that does not know them refuses such a state as newer: it
would keep an assertion after a failed setup test, which refutes the assertion."""
TRUST_FORMAT: Final = 6
"""Format 6 has the keys of `_SINCE_FORMAT_6`. A release that does not know them refuses such a state as newer: it would
forget which servers wait for an approval, which were pinned, and the identity of each group."""

JournalValue: TypeAlias = Record | CompletedRemoval | None
"""The new record of an address; the removal that dropped the record; or None for a record that was dropped without a
removal."""

_MAX_YEAR = 9000
"""From this year on, adding to a time may overflow."""


class DamagedStateError(Exception):
    """Some bytes are no state. The text names the problem and never repeats content."""


class NewerStateError(Exception):
    """A state has a format that only a newer version of this program reads."""


def parse_time(text: str) -> datetime | None:
    """Parse an ISO 8601 time; None for text that is no time, that has no zone, or whose year is out of range."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if _is_calculable(moment) else None


def parse_address(text: str) -> Address:
    """Parse `kind.key`. Raises DamagedStateError."""
    kind, dot, key = text.partition(".")
    if not (kind and dot and key):
        raise DamagedStateError("a key of its records is no address")
    return Address(kind, key)


def _is_calculable(moment: datetime) -> bool:
    return moment.tzinfo is not None and moment.year < _MAX_YEAR


def _check_time(moment: datetime) -> datetime:
    if not _is_calculable(moment):
        raise ValueError("the time has no zone, or its year is out of range")
    return moment


def _check_record_times(record: Record) -> Record:
    intents = record.earlier if record.intent is None else (record.intent, *record.earlier)
    for intent in intents:
        for instant in filter(None, (intent.begun, intent.sent)):
            _check_time(instant.own)
            if instant.server is not None:
                _check_time(instant.server)
    return record


def _check_place(relocation: Relocation) -> Relocation:
    parse_state_location(relocation.place)
    return relocation


def _prepare_record(data: Any) -> Any:
    """Convert the JSON form of a record to the shape of its dataclass. Malformed parts stay unchanged, so that the
    validation of the dataclass names their places."""
    if not isinstance(data, dict):
        return data
    prepared = dict(data)
    for name in _NESTED:
        if isinstance(data.get(name), dict):
            prepared[name] = _flatten(data[name])
    if "intent" in data:
        prepared["intent"] = _prepare_intent(data["intent"])
    if isinstance(data.get("earlier"), list):
        prepared["earlier"] = [_prepare_intent(intent) for intent in data["earlier"]]
    return prepared


def _prepare_intent(data: Any) -> Any:
    """Convert `at`, the start of the run in format 1, to `begun`."""
    if not isinstance(data, dict) or not isinstance(data.get("at"), str):
        return data
    intent = {name: value for name, value in data.items() if name != "at"}
    if intent.get("begun") is None and parse_time(data["at"]) is not None:
        intent["begun"] = {"own": data["at"]}
    return intent


def _nest_record(record: Record, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
    empty: dict[str, Any] = {name: {} for name in _NESTED}
    nested = {name: _nest(getattr(record, name)) for name in _NESTED}
    data: dict[str, Any] = {**dump(replace(record, **empty)), **nested}
    return {
        name: value for name, value in data.items() if getattr(record, name) or name not in _LEFT_OUT_IF_EMPTY
    }


_NESTED = ("applied", "fingerprints", "answers", "answer_fingerprints")
_SINCE_FORMAT_4 = frozenset({"setup_status"})
_SINCE_FORMAT_6 = frozenset({"awaiting", "grants", "ssh_public_key", "service_account"})
_LEFT_OUT_IF_EMPTY = (
    _SINCE_FORMAT_4
    | _SINCE_FORMAT_6
    | {
        "answers",
        "answer_fingerprints",
        "settled_status",
        "awaited_approvals",
    }
)
"""Keys that an earlier release of this format does not read. It reads a record without them."""


def _nest(fields: Mapping[FieldPath, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in fields.items():
        if len(path) == 1:
            nested[path[0]] = value
        else:
            nested.setdefault(path[0], {})[path[1]] = value
    return nested


def _flatten(nested: Mapping[str, Any]) -> dict[FieldPath, Any]:
    flat: dict[FieldPath, Any] = {}
    for name, value in nested.items():
        if name == "config" and isinstance(value, dict):
            flat |= {(name, inner): leaf for inner, leaf in value.items()}
        else:
            flat[(name,)] = value
    return flat


_Format: TypeAlias = Literal[1, 2, 3, 4, 5, 6]
_Time: TypeAlias = Annotated[AwareDatetime, AfterValidator(_check_time)]
_StoredRecord: TypeAlias = Annotated[
    Record,
    BeforeValidator(_prepare_record),
    AfterValidator(_check_record_times),
    WrapSerializer(_nest_record),
]


_StoredRelocation: TypeAlias = Annotated[Relocation, AfterValidator(_check_place)]


class _StrictDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


_Document = TypeVar("_Document", bound=_StrictDocument)


class StateDocument(_StrictDocument):
    """Snapshot: a state with its format, and with text for addresses."""

    format: _Format = FORMAT
    lineage: str = Field(min_length=1)
    serial: int = Field(ge=0)
    account_id: str
    records: dict[str, _StoredRecord] = Field(default_factory=dict)
    reviewed: dict[str, str] = Field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    written_at: _Time | None = None
    removals: dict[str, CompletedRemoval] = Field(default_factory=dict)
    relocation: _StoredRelocation | None = None


class EntryDocument(_StrictDocument):
    """One line of the journal: the new record of an address; null for a dropped record, with its removal if a removal
    dropped it."""

    address: str
    record: _StoredRecord | None = None
    removed: CompletedRemoval | None = None


class HeadDocument(_StrictDocument):
    """First line of a journal: the snapshot that the journal continues."""

    format: _Format = FORMAT
    lineage: str
    serial: int


def encode_state(state: State) -> bytes:
    """Encode a snapshot as canonical JSON: sorted keys, two spaces, a final newline."""
    document = StateDocument(
        format=_choose_format(state),
        lineage=state.lineage,
        serial=state.serial,
        account_id=state.account_id,
        records={str(address): record for address, record in state.records.items()},
        reviewed=dict(state.reviewed),
        exemptions=state.exemptions,
        written_at=state.written_at,
        removals=dict(state.removals),
        relocation=state.relocation,
    )
    unused = None if state.relocation is not None else {"relocation"}
    data = document.model_dump(mode="json", exclude=unused)
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True)
    return f"{text}\n".encode()


def _choose_format(state: State) -> Literal[2, 3, 4, 5, 6]:
    """Choose the earliest format that has all parts of a state."""
    if _has_any(state, _SINCE_FORMAT_6):
        return TRUST_FORMAT
    if any(record.asserted for record in state.records.values()):
        return ASSERTED_FORMAT
    if state.relocation is not None or _has_any(state, _SINCE_FORMAT_4):
        return RELOCATED_FORMAT
    return EXTENDED_FORMAT if _has_any(state, _LEFT_OUT_IF_EMPTY) else FORMAT


def _has_any(state: State, names: Iterable[str]) -> bool:
    return any(getattr(record, name) for record in state.records.values() for name in names)


def decode_state(content: bytes) -> State:
    """Decode a snapshot. Raises DamagedStateError, NewerStateError."""
    data = _parse_json(content)
    if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > TRUST_FORMAT:
        raise NewerStateError(f"its format is {data['format']}, this version knows {TRUST_FORMAT}")
    document = _validate(StateDocument, data)
    fields = {name: value for name, value in document if name not in ("format", "records")}
    records = {parse_address(text): record for text, record in document.records.items()}
    return State(**fields, records=records, marks_requests=document.format > 1)


def encode_head(state: State) -> bytes:
    """Encode the first line of the journal that continues a snapshot."""
    return _encode_line(HeadDocument(lineage=state.lineage, serial=state.serial))


def decode_head(line: bytes) -> HeadDocument:
    """Decode the first line of a journal. Raises DamagedStateError."""
    return _validate(HeadDocument, _parse_json(line))


def encode_entry(address: Address, entry: JournalValue) -> bytes:
    """Encode one line of the journal."""
    record = entry if isinstance(entry, Record) else None
    removed = entry if isinstance(entry, CompletedRemoval) else None
    return _encode_line(EntryDocument(address=str(address), record=record, removed=removed))


def decode_entry(line: bytes) -> tuple[Address, JournalValue]:
    """Decode one line of the journal. Raises DamagedStateError."""
    document = _validate(EntryDocument, _parse_json(line))
    return parse_address(document.address), document.removed or document.record


def _encode_line(document: BaseModel) -> bytes:
    return (json.dumps(document.model_dump(mode="json"), sort_keys=True) + "\n").encode()


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedStateError("it is not valid JSON") from None


def _validate(model: type[_Document], data: Any) -> _Document:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        places = ", ".join(_format_place(finding["loc"]) for finding in error.errors()[:3])
        raise DamagedStateError(f"it has not the shape of a state at {places}") from None


def _format_place(location: Iterable[int | str]) -> str:
    # pydantic names a field path by its Python form, which does not occur in the JSON text.
    keys = [str(part) for part in location if not str(part).startswith("(")]
    return ".".join(keys) or "the whole"
