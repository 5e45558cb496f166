"""What a rule is asked, and what it answers. Packages that bring rules of their own build on this module.

A rule sees entries of the specs and the plan, never a secret: of a secret it is told where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Plan
from reconciler.model.source import Span


class PolicyError(Exception):
    """The settings of a rule make no sense. The text is told to people, so it must not repeat secrets."""


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of the specs: a group, with its destination where it has one.

    `declared` has what the specs say, by dotted path, in normal form: `name`, `id`, `service`, `region`,
    `config.host`, `trust.certificates` (`none` or `any`), `setup_tests.run`, `lifecycle.protected`, …; None where they
    clear a field; of the `confidential` ones the text of the reference, such as `vault:kv/data/orders#password`.
    `live` has what is at Fivetran, or will be by default; it is empty where only the specs are known. What specs
    declare to be ignored once it exists is `declared` as it is. `undecided` are fields whose values only a plan knows,
    `hidden` those that are never shown. `before` is what is at Fivetran now, which is not what stays there of something
    that is deleted and made again. `spans` says where values stand. With `exists` it is at Fivetran already; of
    what `is_gone` from the specs only the key is known.
    """

    key: str
    span: Span
    has_destination: bool
    declared: Mapping[str, Any]
    spans: Mapping[str, Span] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    confidential: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    exists: bool = False
    is_removed: bool = False

    def value(self, path: str) -> Any:
        """The value of a field, declared or live; None where it has none, or where it is not known here."""
        if path == "key":
            return self.key
        return _look_up(self.declared if _has_path(self.declared, path) else self.live, path)

    def declared_value(self, path: str) -> Any:
        """The value that the specs declare; None where they leave the field alone or clear it."""
        return self.key if path == "key" else _look_up(self.declared, path)

    def is_unknown(self, path: str) -> bool:
        """Whether the value of this field is not known here."""
        return path in self.unknown or (self.is_removed and path != "key")

    def is_hidden(self, path: str) -> bool:
        """Whether the value of this field must not be shown. A secret is told by its reference instead."""
        if path in self.confidential:
            return False
        return self.is_masked(path) or any(
            path == hidden_path or path.startswith(f"{hidden_path}.") for hidden_path in self.hidden
        )

    def is_masked(self, path: str) -> bool:
        """Whether no value of this field may be shown, neither that of the entry nor one that a policy names."""
        service = self.value("service")
        return path.startswith("config.") and (
            visibility(DESTINATION, service, tuple(path.split("."))) is not Sensitivity.PUBLIC
        )

    def get_address(self, path: str) -> Address:
        """What a field belongs to."""
        return Address(GROUP if path in _GROUP_FIELDS or not self.has_destination else DESTINATION, self.key)


_GROUP_FIELDS = frozenset({"key", "name", "id"})


def _look_up(fields: Mapping[str, Any], path: str) -> Any:
    """The value at a path, which may lead into a mapping below `config`."""
    if path in fields:
        return fields[path]
    parent, _, name = path.rpartition(".")
    mapping = _look_up(fields, parent) if "." in parent else None
    return mapping.get(name) if isinstance(mapping, Mapping) else None


def _has_path(fields: Mapping[str, Any], path: str) -> bool:
    parent = path.rpartition(".")[0]
    return path in fields or ("." in parent and _has_path(fields, parent))


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, as rules see it. `entries` are those that it is about, by key; `existing` all that is managed and
    exists, whatever the plan is about. Of what is to be deleted only the key is known."""

    plan: Plan
    entries: Mapping[str, EntryView]
    existing: Mapping[str, EntryView]


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

    def check_entry(self, entry: EntryView) -> Iterable[Violation]:
        """What is wrong with one entry. Asked by `validate` too, with nothing but the specs."""
        return ()

    def check_plan(self, plan_view: PlanView) -> Iterable[Violation]:
        """What is wrong with a plan as a whole."""
        return ()
