"""What is remembered between runs, as people read it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from reconciler.model.address import Address, by_entry
from reconciler.model.holder import Holder
from reconciler.model.instant import utc
from reconciler.model.record import Exemption, Intent, Record, State, is_fingerprint
from reconciler.model.removal import Removed
from reconciler.model.value import FieldPath, dotted
from reconciler.report.neutral import neutral
from reconciler.report.style import QUIET, STRONG, WARN, counted, lines
from reconciler.report.values import value_text

_NAME_COLUMN = 22
_EXEMPTIONS_SHOWN = 10


def state_text(place: str, state: State) -> Text:
    """A heading, and one line for each address: id, when it was applied, marks."""
    heading = Text.assemble(
        ("state ", ""),
        (neutral(place), STRONG),
        (f" · account {neutral(state.account_id)} · {counted(len(state.records), 'record')}", QUIET),
    )
    rows = [_row(address, state.records[address]) for address in sorted(state.records, key=by_entry)]
    blocks = [heading, *([lines(_table(rows))] if rows else [])]
    blocks += [*_removals(state.removals), *_exemptions(state.exemptions)]
    return Text("\n\n").join(blocks)


def _removals(removals: Mapping[str, Removed]) -> Iterator[Text]:
    """What was removed, as long as the specs have a line for it."""
    if removals:
        rows = [(f"  {key}", neutral(each.id), str(each.extent)) for key, each in sorted(removals.items())]
        yield lines([Text("Removals that were carried out:"), *_table(rows)])


def _exemptions(exemptions: Sequence[Exemption]) -> Iterator[Text]:
    """What runs were let do beyond limits, policies and waiting, the last one first."""
    if exemptions:
        shown = [*reversed(exemptions)][:_EXEMPTIONS_SHOWN]
        more = f", the last {len(shown)}" if len(shown) < len(exemptions) else ""
        told = [Text(f"Exemptions from limits, policies and waiting{more}:")]
        told += [
            Text(
                f"  {neutral(each.at)}  {neutral(', '.join(each.what))}  by {neutral(each.by)}: {neutral(each.reason)}"
            )
            for each in shown
        ]
        yield lines(told)


def records_text(records: Mapping[Address, Record], hidden: Mapping[Address, Collection[FieldPath]]) -> Text:
    """Everything about some addresses, one block for each. `hidden` fields are not shown."""
    return Text("\n\n").join(
        [_block(address, records[address], hidden[address]) for address in sorted(records, key=by_entry)]
    )


def moved_text(pairs: Iterable[tuple[Address, Address]]) -> Text:
    """What has another address now."""
    told = [Text(f"{source} is remembered as {target} now.") for source, target in pairs]
    return lines([*told, Text("Nothing was changed at Fivetran. The specs must use the new key too.", QUIET)])


def to_forget_text(place: str, chosen: Mapping[Address, Record]) -> Text:
    """What is about to be forgotten, and what that means."""
    rows = [
        ("." + " " + str(address), *_row(address, chosen[address])[1:])
        for address in sorted(chosen, key=by_entry)
    ]
    told = [Text(f"To be forgotten in {neutral(place)}; nothing changes at Fivetran:"), *_table(rows)]
    if any(record.protected for record in chosen.values()):
        told.append(Text("  ! their protection is forgotten too, unless the specs declare it", WARN))
    if any(record.intent is not None for record in chosen.values()):
        told.append(Text("  ! an interrupted run is forgotten too: look whether it left something", WARN))
    return lines(told)


def forgotten_text(count: int) -> Text:
    """How a forgetting ended."""
    return Text(f"Forgot {counted(count, 'record')}. Nothing was changed at Fivetran.", STRONG)


def unlocked_text(place: str, left_by: Holder | None) -> Text:
    """A lock that nobody holds, and who left something there."""
    told = [Text(f"Nobody holds the lock of {neutral(place)}.", STRONG)]
    if left_by is not None:
        told.append(Text(f"The last holder ended without letting go: {neutral(str(left_by))}.", QUIET))
        told.append(Text("`reconciler plan` shows what it left to be done.", QUIET))
    return lines(told)


def to_break_text(place: str, holder: Holder | None, doubt: str) -> Text:
    """A lock that is about to be broken, and why nobody but a person can know whether it may be."""
    by = neutral(str(holder)) if holder is not None else "somebody who does not say who it is"
    return lines(
        [
            Text(f"The lock of {neutral(place)} is held by {by}."),
            Text(f"  ! {neutral(doubt)}", WARN),
            Text(f"  ! {_TWO_AT_ONCE}", WARN),
        ]
    )


_TWO_AT_ONCE = (
    "if that run still goes on, it starts nothing new some seconds after another one got the lock at the latest, unless"
    " it is cut off from the state; until then two may work at once"
)


def broken_text(place: str) -> Text:
    """How the breaking of a lock ended."""
    return lines(
        [
            Text(f"The lock of {neutral(place)} is broken.", STRONG),
            Text("`reconciler plan` shows what its holder left to be done.", QUIET),
        ]
    )


def marks(record: Record) -> list[str]:
    """What is special about a record, in one word each."""
    told = {
        "protected": record.protected,
        "unverified": record.unverified,
        "interrupted": record.intent is not None,
    }
    return [word for word, holds in told.items() if holds]


def _row(address: Address, record: Record) -> tuple[str, ...]:
    return (
        str(address),
        neutral(record.id or "-"),
        neutral(record.applied_at or "-"),
        ", ".join(marks(record)),
    )


def _table(rows: Sequence[Sequence[str]]) -> list[Text]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        Text("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        for row in rows
    ]


def _block(address: Address, record: Record, hidden: Collection[FieldPath]) -> Text:
    rows = [("id", neutral(record.id) if record.id else "(not known yet)")]
    rows += [("applied at", neutral(record.applied_at))] if record.applied_at else []
    rows += [(mark, "yes") for mark in marks(record) if mark != "interrupted"]
    rows += [("interrupted", _intent(record.intent))] if record.intent else []
    rows += [
        (neutral(dotted(path)), "(hidden)" if path in hidden else value_text(value))
        for path, value in record.applied.items()
    ]
    rows += [
        (neutral(dotted(path)), _fingerprint("hidden" if path in hidden else "secret", kept))
        for path, kept in record.fingerprints.items()
    ]
    width = max(_NAME_COLUMN, *(len(name) for name, _ in rows))
    return lines([Text(str(address), STRONG), *(Text(f"    {name:<{width}}  {told}") for name, told in rows)])


def _fingerprint(what: str, kept: str) -> str:
    return (
        f"({what}, {'fingerprint present' if is_fingerprint(kept) else 'cannot be compared: no fingerprint'})"
    )


def _intent(intent: Intent) -> str:
    at = f" at {utc(intent.begun.own)}" if intent.begun else ""
    sent = f", sent at {utc(intent.sent.own)} at the latest" if intent.sent else ""
    others = f", beside {counted(len(intent.namesakes), 'namesake')}" if intent.namesakes else ""
    return f"{intent.action} of {value_text(intent.name)}{at}{sent}{others}"
