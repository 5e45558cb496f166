"""What a rule is asked, and what it answers. Packages that bring rules of their own build on this module.

A rule sees entries of the specs and the plan, never a secret: of a secret it is told where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Plan
from reconciler.model.source import Span


class PolicyError(Exception):
    """The settings of a rule make no sense. The text is told to people, so it must not repeat secrets."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the specs: a group, with its destination where it has one.

    `declared` has what the specs say, by dotted path, in normal form: `name`, `id`, `service`, `region`,
    `config.host`, `trust.certificates` (`none` or `any`), `setup_tests.run`, `lifecycle.protected`, …; of the
    `confidential` ones the text of the reference, such as `vault:kv/data/orders#password`. `live` has what is at
    Fivetran, or will be by default, and the specs say nothing about; it is empty where only the specs are known.
    `undecided` are fields that the specs declare, with values that only a plan knows. `spans` says where values stand.
    """

    key: str
    span: Span
    has_destination: bool
    declared: Mapping[str, Any]
    spans: Mapping[str, Span] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=dict)
    undecided: frozenset[str] = frozenset()
    confidential: frozenset[str] = frozenset()

    def value(self, path: str) -> Any:
        """The value of a field, declared or live; None where it has none, or where it is not known here."""
        if path == "key":
            return self.key
        found = self.declared.get(path)
        return self.live.get(path) if found is None else found

    def is_undecided(self, path: str) -> bool:
        """Whether only a plan knows the value of this field."""
        return path in self.undecided

    def address_of(self, path: str) -> Address:
        """What a field belongs to."""
        return Address(GROUP if path in _OF_GROUPS or not self.has_destination else DESTINATION, self.key)


_OF_GROUPS = frozenset({"key", "name", "id"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, as rules see it. `entries` are those that it is about, by key; `existing` all that is managed and
    exists, whatever the plan is about. Of what is to be deleted only the key is known."""

    plan: Plan
    entries: Mapping[str, Entry]
    existing: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a rule does not allow.

    `message` starts in lower case, with names in backticks. Of one `field` of an entry (a dotted path) the finding
    points at its value. `help` is one thing to do.
    """

    message: str
    address: Address | None = None
    field: str | None = None
    help: str = ""


class Rule:
    """A rule. It overrides one of the methods or both; neither reads anything but its arguments.

    Whatever else it raises or returns counts as a policy that cannot judge, and refuses the plan.
    """

    def of_entry(self, entry: Entry) -> Iterable[Violation]:
        """What is wrong with one entry. Asked by `validate` too, with nothing but the specs."""
        return ()

    def of_plan(self, proposal: Proposal) -> Iterable[Violation]:
        """What is wrong with a plan as a whole."""
        return ()
