"""The JSON form of a state: what stands in the snapshot, and in each line of the journal."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Exemption, Intent, Record, State
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.value import FieldPath

FORMAT: Final = 2
"""Format 1 knew no removals, and did not say when a request left. It is still read; an earlier version of this program
says of a state of format 2 that it is newer, and not that it is damaged."""

ReadFormat: TypeAlias = Literal[1, 2]
JournalValue: TypeAlias = Record | CompletedRemoval | None
"""What becomes of the record of an address: another one, none since it was removed, or just none."""


class DamagedStateError(Exception):
    """Bytes that are no state. The text says what is wrong and never repeats content."""


class NewerStateError(Exception):
    """A state of a format that only a newer version of this program reads."""


class _StrictDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


_Document = TypeVar("_Document", bound=_StrictDocument)


def _check_year(moment: datetime) -> datetime:
    if moment.year >= _MAX_YEAR:
        raise ValueError("no clock shows this time")
    return moment


_MAX_YEAR = 9000
"""Years with which nothing can be reckoned any more."""
_Time: TypeAlias = Annotated[AwareDatetime, AfterValidator(_check_year)]


class InstantDocument(_StrictDocument):
    """A point in time by two clocks."""

    own: _Time
    server: _Time | None = None


class IntentDocument(_StrictDocument):
    """An intent. `at` is how the first format wrote when its run began."""

    action: Action
    name: str
    namesakes: tuple[str, ...] = ()
    at: str = Field("", exclude=True)
    begun: InstantDocument | None = None
    sent: InstantDocument | None = None


class RecordDocument(_StrictDocument):
    """A record. Fields of `config` are nested, all others are at the top."""

    id: str | None = None
    applied: dict[str, Any] = Field(default_factory=dict)
    fingerprints: dict[str, Any] = Field(default_factory=dict)
    protected: bool = False
    unverified: bool = False
    intent: IntentDocument | None = None
    applied_at: str = ""
    earlier: tuple[IntentDocument, ...] = ()


class ExemptionDocument(_StrictDocument):
    """An exemption."""

    by: str
    at: str
    what: tuple[str, ...]
    reason: str
    digest: str


class RemovedDocument(_StrictDocument):
    """A removal that was carried out."""

    id: str
    extent: Extent


class StateDocument(_StrictDocument):
    """A snapshot."""

    format: ReadFormat = FORMAT
    lineage: str = Field(min_length=1)
    serial: int = Field(ge=0)
    account_id: str
    records: dict[str, RecordDocument] = Field(default_factory=dict)
    reviewed: dict[str, str] = Field(default_factory=dict)
    exemptions: tuple[ExemptionDocument, ...] = ()
    written_at: _Time | None = None
    removals: dict[str, RemovedDocument] = Field(default_factory=dict)


class EntryDocument(_StrictDocument):
    """One line of the journal: the new record of an address, or null where it is forgotten; `removed` says by which
    removal."""

    address: str
    record: RecordDocument | None = None
    removed: RemovedDocument | None = None


class HeadDocument(_StrictDocument):
    """The first line of a journal: the snapshot that it continues."""

    format: ReadFormat = FORMAT
    lineage: str
    serial: int


def encode_state(state: State) -> bytes:
    """A snapshot as canonical JSON: sorted keys, two spaces, a final newline."""
    document = StateDocument(
        lineage=state.lineage,
        serial=state.serial,
        account_id=state.account_id,
        records={str(address): _to_record_document(record) for address, record in state.records.items()},
        reviewed=dict(state.reviewed),
        exemptions=tuple(ExemptionDocument(**asdict(item)) for item in state.exemptions),
        written_at=state.written_at,
        removals={key: RemovedDocument(**asdict(item)) for key, item in state.removals.items()},
    )
    data = document.model_dump(mode="json", exclude_defaults=False)
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode()


def decode_state(content: bytes) -> State:
    """The state in a snapshot. Raises DamagedError, NewerError."""
    data = _parse_json(content)
    if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
        raise NewerStateError(f"its format is {data['format']}, this version knows {FORMAT}")
    document = _validate(StateDocument, data)
    return State(
        lineage=document.lineage,
        serial=document.serial,
        account_id=document.account_id,
        records={parse_address(text): _to_record(record) for text, record in document.records.items()},
        reviewed=document.reviewed,
        exemptions=tuple(Exemption(**item.model_dump()) for item in document.exemptions),
        written_at=document.written_at,
        marks_requests=document.format > 1,
        removals={key: CompletedRemoval(item.id, item.extent) for key, item in document.removals.items()},
    )


def encode_head(state: State) -> bytes:
    """The first line of the journal that continues a snapshot."""
    return _encode_line(HeadDocument(lineage=state.lineage, serial=state.serial))


def decode_head(line: bytes) -> HeadDocument:
    """The snapshot that a journal continues. Raises DamagedError."""
    return _validate(HeadDocument, _parse_json(line))


def encode_entry(address: Address, entry: JournalValue) -> bytes:
    """One line of the journal."""
    match entry:
        case Record():
            document = EntryDocument(address=str(address), record=_to_record_document(entry))
        case CompletedRemoval():
            document = EntryDocument(address=str(address), removed=RemovedDocument(**asdict(entry)))
        case None:
            document = EntryDocument(address=str(address))
    return _encode_line(document)


def decode_entry(line: bytes) -> tuple[Address, JournalValue]:
    """What a line of the journal says. Raises DamagedError."""
    document = _validate(EntryDocument, _parse_json(line))
    address = parse_address(document.address)
    if document.removed is not None:
        return address, CompletedRemoval(document.removed.id, document.removed.extent)
    return address, _to_record(document.record) if document.record else None


def parse_address(text: str) -> Address:
    """`kind.key` as an address. Raises DamagedError."""
    kind, dot, key = text.partition(".")
    if not (kind and dot and key):
        raise DamagedStateError("a key of its records is no address")
    return Address(kind, key)


def _to_record_document(record: Record) -> RecordDocument:
    return RecordDocument(
        id=record.id,
        applied=_nest(record.applied),
        fingerprints=_nest(record.fingerprints),
        protected=record.protected,
        unverified=record.unverified,
        intent=_to_intent_document(record.intent) if record.intent else None,
        applied_at=record.applied_at,
        earlier=tuple(_to_intent_document(intent) for intent in record.earlier),
    )


def _to_intent_document(intent: Intent) -> IntentDocument:
    return IntentDocument(
        action=intent.action,
        name=intent.name,
        namesakes=intent.namesakes,
        begun=_to_instant_document(intent.begun),
        sent=_to_instant_document(intent.sent),
    )


def _to_instant_document(instant: Instant | None) -> InstantDocument | None:
    return None if instant is None else InstantDocument(own=instant.own, server=instant.server)


def _to_record(document: RecordDocument) -> Record:
    return Record(
        id=document.id,
        applied=_flatten(document.applied),
        fingerprints=_flatten(document.fingerprints),
        protected=document.protected,
        unverified=document.unverified,
        intent=_to_intent(document.intent) if document.intent else None,
        applied_at=document.applied_at,
        earlier=tuple(map(_to_intent, document.earlier)),
    )


def _to_intent(document: IntentDocument) -> Intent:
    begun = _to_instant(document.begun)
    if begun is None and (at := parse_time(document.at)) is not None:
        begun = Instant(at)
    return Intent(document.action, document.name, document.namesakes, begun, _to_instant(document.sent))


def _to_instant(document: InstantDocument | None) -> Instant | None:
    return None if document is None else Instant(document.own, document.server)


def parse_time(text: str) -> datetime | None:
    """The time in a text that was written for people; None where it is none that can be reckoned with."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.year < _MAX_YEAR else None


def _nest(fields: Any) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in fields.items():
        if len(path) == 1:
            nested[path[0]] = value
        else:
            nested.setdefault(path[0], {})[path[1]] = value
    return nested


def _flatten(nested: dict[str, Any]) -> dict[FieldPath, Any]:
    flat: dict[FieldPath, Any] = {}
    for name, value in nested.items():
        if name == "config" and isinstance(value, dict):
            flat |= {(name, inner): leaf for inner, leaf in value.items()}
        else:
            flat[(name,)] = value
    return flat


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
        places = ", ".join(
            ".".join(map(str, finding["loc"])) or "the whole" for finding in error.errors()[:3]
        )
        raise DamagedStateError(f"it has not the shape of a state at {places}") from None
