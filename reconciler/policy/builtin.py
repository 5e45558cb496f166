"""The rules that come with the program."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Action, Plan
from reconciler.policy.base import Entry, Proposal, Rule, Violation
from reconciler.policy.matching import ANY, Condition, Wanted, is_place, judged, listed, shown

KEY, NAME = "key", "name"


class Trusted(StrEnum):
    """What Fivetran may be told to trust whatever it meets."""

    CERTIFICATES = "certificates"
    FINGERPRINTS = "fingerprints"


class Counted(StrEnum):
    """What an apply does, as limits count it: by entry, a group and its destination as one."""

    CREATES = "creates"
    UPDATES = "updates"
    REPLACES = "replaces"
    DELETES = "deletes"


_ACTIONS = {
    Counted.CREATES: Action.CREATE,
    Counted.UPDATES: Action.UPDATE,
    Counted.REPLACES: Action.REPLACE,
    Counted.DELETES: Action.DELETE,
}


@dataclass(frozen=True, slots=True)
class Allowed(Rule):
    """One field of a destination has one of these values. What the specs do not declare counts as it is."""

    field: str
    values: Wanted

    def of_entry(self, entry: Entry) -> Iterator[Violation]:
        if not entry.has_destination or entry.is_undecided(self.field) or entry.value(self.field) is None:
            return
        verdict = judged(entry, self.field, self.values, items=all)
        if verdict is not True:
            undeclared = "" if entry.wanted(self.field) is not None else ", which the spec does not declare,"
            yield Violation(
                f"`{self.field}`{undeclared} {_is(entry, self.field, verdict)}; allowed is {listed(self.values)}",
                entry.address_of(self.field),
                self.field,
                help=f"choose {listed(self.values)}",
            )


@dataclass(frozen=True, slots=True)
class Named(Rule):
    """Keys or names are of one form as a whole."""

    field: str
    pattern: re.Pattern[str]

    def of_entry(self, entry: Entry) -> Iterator[Violation]:
        value = str(entry.value(self.field) or "")
        if self.pattern.fullmatch(value) is None:
            yield Violation(
                f"the {self.field} `{value}` is not of the form `{self.pattern.pattern}`",
                entry.address_of(self.field),
                self.field,
                help=f"choose another {self.field}"
                + ("; `was:` keeps what exists" if self.field == KEY else ""),
            )


@dataclass(frozen=True, slots=True)
class Required(Rule):
    """Fields that specs must declare, with one of these values."""

    fields: Condition

    def of_entry(self, entry: Entry) -> Iterator[Violation]:
        for path, wanted in self.fields.items():
            if entry.is_undecided(path) or not _concerns(entry, path):
                continue
            if entry.wanted(path) is None:
                found = "is not declared"
            elif (verdict := judged(entry, path, wanted, items=all)) is True:
                continue
            else:
                found = _is(entry, path, verdict)
            required = "" if wanted == (ANY,) else f"; required is {_told(entry, path, wanted)}"
            yield Violation(
                f"`{path}` {found}{required}", entry.address_of(path), path, help=_advice(entry, path, wanted)
            )


@dataclass(frozen=True, slots=True)
class Forbidden(Rule):
    """Values that fields must not have."""

    fields: Condition

    def of_entry(self, entry: Entry) -> Iterator[Violation]:
        for path, wanted in self.fields.items():
            verdict = judged(entry, path, wanted, items=any)
            if verdict is True:
                yield Violation(
                    f"`{path}` {_is(entry, path, verdict)}, which is forbidden",
                    entry.address_of(path),
                    path,
                    help=f"choose another value of `{path}`, or none",
                )
            elif (
                verdict is None and path in entry.confidential
            ):  # or a secret would be a way around the policy
                yield Violation(
                    f"`{path}` {_is(entry, path, verdict)} it is {_told(entry, path, wanted)}",
                    entry.address_of(path),
                    path,
                    help=f'write `{{value: "{entry.value(path)}"}}`, which a plan shows, or let the policy name the'
                    " places that a secret may come from",
                )


@dataclass(frozen=True, slots=True)
class NoBlanketTrust(Rule):
    """Nothing is trusted without a person who looked at it."""

    what: tuple[Trusted, ...]

    def of_entry(self, entry: Entry) -> Iterator[Violation]:
        for each in self.what:
            path = f"trust.{each}"
            if entry.wanted(path) == "any":
                yield Violation(
                    f"`{path}: any` lets Fivetran trust {_ANY_OF[each]} that it meets",
                    entry.address_of(path),
                    path,
                    help=f"write `trust: {{{each}: none}}`; a person then approves what Fivetran shows",
                )


_ANY_OF = {
    Trusted.CERTIFICATES: "any TLS certificate",
    Trusted.FINGERPRINTS: "any SSH host key",
}


@dataclass(frozen=True, slots=True)
class Most:
    """A limit: a number, or a part of all entries that exist."""

    number: float
    is_fraction: bool = False

    def __str__(self) -> str:
        return f"{self.number * 100:g}%" if self.is_fraction else f"{self.number:g}"


@dataclass(frozen=True, slots=True)
class AtMost(Rule):
    """How much one apply may do."""

    limits: Mapping[Counted, Most]

    def of_plan(self, proposal: Proposal) -> Iterator[Violation]:
        existing = len(proposal.existing)
        for counted, most in self.limits.items():
            number = len(_keys(proposal.plan, _ACTIONS[counted]))
            allowed = most.number * existing if most.is_fraction else most.number
            if number <= allowed:
                continue
            of = f" of {existing:,} that exist" if most.is_fraction else ""
            yield Violation(
                f"{number:,} {'entry' if number == 1 else 'entries'}{of} would be {_DONE[counted]};"
                f" {f'at most {most}' if most.number else 'none'} may be",
                help="make several smaller changes of it",
            )


_DONE = {
    Counted.CREATES: "created",
    Counted.UPDATES: "updated",
    Counted.REPLACES: "replaced",
    Counted.DELETES: "deleted",
}


def _keys(plan: Plan, action: Action) -> Collection[str]:
    return {change.address.key for change in plan.changes if change.action is action}


def _told(entry: Entry, path: str, wanted: Wanted) -> str:
    """Values that a policy names, as far as values of this field may be shown; places of secrets always."""
    return "what the policy names" if _is_kept_back(entry, path, wanted) else listed(wanted)


def _is_kept_back(entry: Entry, path: str, wanted: Wanted) -> bool:
    return entry.is_masked(path) and not all(map(is_place, wanted))


def _advice(entry: Entry, path: str, wanted: Wanted) -> str:
    """How to declare a field."""
    if wanted == (ANY,):
        return f"add `{path}`"
    if _is_kept_back(entry, path, wanted):
        return f"write a value of `{path}` that the policy allows"
    first = next((each for each in wanted if not (isinstance(each, str) and "*" in each)), None)
    if first is None:
        return f"write a value of {listed(wanted)}"
    owner, _, name = path.rpartition(".")
    setting = f"{name}: {shown(first)}"
    return f"write `{f'{owner}: {{{setting}}}' if owner else setting}`"


def _is(entry: Entry, path: str, verdict: bool | None) -> str:
    """What a field is, as far as it may be told."""
    if verdict is None:
        return f"comes from `{entry.value(path)}`, so nobody can tell whether"
    return "has a value that is not shown" if entry.is_hidden(path) else f"is `{shown(entry.value(path))}`"


def _concerns(entry: Entry, path: str) -> bool:
    """A group without a destination has none of a destination's fields."""
    return entry.has_destination or path in (KEY, NAME, "id")
