"""Facts of a plan that need no request, as one line each: moves, protection, undeclared and incomparable fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Action, Change, Plan, ProtectionChange, Visibility
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.style import format_count
from reconciler.report.trust import format_unmet, format_unpinned

MAX_PER_KIND = 5
MAX_SECRET_ENTRIES = 2
"""Number of entries whose secrets that cannot be compared have a note each."""


class NoteKind(StrEnum):
    """Kind of a note. A text shows only the first notes of a kind."""

    MOVED = "moved"
    PROTECTION = "protection"
    UNDECLARED = "undeclared"
    REWRITTEN = "rewritten"
    SECRET = "secret"  # noqa: S105 - a kind of note, not a password
    EXTERNAL_SECRET = "external-secret"  # noqa: S105
    PIN_NOT_MET = "pin-not-met"
    NOT_PINNED = "not-pinned"


@dataclass(frozen=True, slots=True)
class Note:
    """A fact about `subject`: an address, a move, or empty for several entries. `text` follows the names of `fields`;
    only these names may have any characters."""

    kind: NoteKind
    subject: str
    text: str
    fields: tuple[str, ...] = ()

    def format(self) -> str:
        """Format the fields and the text on one line."""
        names = ", ".join(f"`{escape(name)}`" for name in self.fields)
        return f"{names} {self.text}" if names else self.text


def list_notes(plan: Plan, *, names_all: bool = False) -> tuple[Note, ...]:
    """List the notes of a plan, kind by kind, in the order of its changes. Many secrets that could be sent again are
    counted in one note, unless `names_all`."""
    is_counted = has_many_uncomparable_secrets(plan) and not names_all
    resendable = frozenset(plan.uncomparable_secrets)
    notes = [
        note
        for change in plan.changes
        for note in _list_change_notes(change, resendable)
        if not (is_counted and note.kind is NoteKind.SECRET)
    ]
    notes += [_count_secrets(plan)] if is_counted else []
    return tuple(note for kind in NoteKind for note in notes if note.kind is kind)


def has_many_uncomparable_secrets(plan: Plan) -> bool:
    """Whether so many entries have secrets that cannot be compared that a text does not name each."""
    return len(_list_addresses(plan)) > MAX_SECRET_ENTRIES


def _list_addresses(plan: Plan) -> set[str]:
    return {name.partition(":")[0] for name in plan.uncomparable_secrets}


def _count_secrets(plan: Plan) -> Note:
    secrets = format_count(len(plan.uncomparable_secrets), "secret")
    return Note(
        NoteKind.SECRET,
        "",
        f"{secrets} of {format_count(len(_list_addresses(plan)), 'destination')} cannot be compared:"
        " `reconciler apply --secrets-as-they-are --reason TEXT` records them as what Fivetran has,"
        " `--resend-secret GLOB` sends them",
    )


def limit_notes(notes: Iterable[Note]) -> tuple[list[Note], int]:
    """Choose the first notes of each kind, and count the others."""
    counts: dict[NoteKind, int] = {}
    shown: list[Note] = []
    left_out = 0
    for note in notes:
        counts[note.kind] = counts.get(note.kind, 0) + 1
        if counts[note.kind] <= MAX_PER_KIND:
            shown.append(note)
        else:
            left_out += 1
    return shown, left_out


def has_facts(change: Change) -> bool:
    """Whether a change has facts beside the status of its object."""
    facts = change.facts
    trust = facts.trust
    return bool(
        (facts.moved_from or facts.protection or facts.undeclared or facts.unkept or change.unreadable)
        or (trust.unmet or trust.unpinned or trust.waiting)
    )


def _list_change_notes(change: Change, resendable: Collection[str]) -> Iterator[Note]:
    facts, address = change.facts, str(change.address)
    if facts.moved_from is not None:
        move = f"{facts.moved_from} -> {address}"
        yield Note(NoteKind.MOVED, move, "moved by `was:`; apply records the new address")
    if facts.protection is not None:
        is_forgotten = facts.protection is ProtectionChange.KEPT and change.action is Action.FORGET
        text = _STILL_PROTECTED if is_forgotten else _PROTECTION_TEXTS[facts.protection]
        yield Note(NoteKind.PROTECTION, address, text)
    if facts.undeclared:
        is_one = len(facts.undeclared) == 1
        text = f"{'is' if is_one else 'are'} no longer declared and {_STAYS if is_one else _STAY}"
        yield Note(NoteKind.UNDECLARED, address, text, _name_fields(facts.undeclared))
    if change.unreadable:
        text = "cannot be compared: Fivetran shows another value or none"
        yield Note(NoteKind.REWRITTEN, address, text, _name_fields(change.unreadable))
    yield from _list_secret_notes(change, resendable)
    for pin in facts.trust.unmet:
        yield Note(NoteKind.PIN_NOT_MET, address, format_unmet(pin))
    for server in facts.trust.unpinned:
        yield Note(NoteKind.NOT_PINNED, address, format_unpinned(server))


def _list_secret_notes(change: Change, resendable: Collection[str]) -> Iterator[Note]:
    """List the secrets that cannot be compared and that the change does not send; none if the run compares no secrets.
    A secret that Fivetran fetches from a secrets manager is shown by its name, and cannot be sent again."""
    address, sent = str(change.address), {field.path for field in change.fields}
    left = [path for path in change.secrets.uncomparable if path not in sent]
    named = {value.path for value in change.other_values if value.shown is Visibility.CLEAR}
    fetched = [path for path in left if path in named]
    stored = [path for path in left if f"{address}:{format_path(path)}" in resendable]
    if stored:
        advice = f"`--resend-secret {address}` sends {'it' if len(stored) == 1 else 'them'}"
        yield Note(NoteKind.SECRET, address, f"cannot be compared; {advice}", _name_fields(stored))
    if fetched:
        text = "cannot be compared: Fivetran does not show names in a secrets manager"
        yield Note(NoteKind.EXTERNAL_SECRET, address, text, _name_fields(fetched))


_STAYS, _STAY = "stays as it is", "stay as they are"
_PROTECTION_TEXTS = {
    ProtectionChange.GAINED: "protected from now on",
    ProtectionChange.LOST: "no longer protected",
    ProtectionChange.KEPT: "stays protected until an apply changes nothing else in it",
}


_STILL_PROTECTED = "is protected, and the project file still protects its key from deletion"


def _name_fields(paths: Iterable[FieldPath]) -> tuple[str, ...]:
    return tuple(map(format_path, paths))
