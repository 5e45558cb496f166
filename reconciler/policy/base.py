"""Interface of rules: input, output and base class. Packages build their own rules on this module.

A rule sees entries of the specs and the plan, never a secret: of a secret it sees the reference.
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
    """The settings of a rule are invalid. The text is shown to users, so it must not hold secrets."""


@dataclass(frozen=True, slots=True)
class EntryView:
    """View of an entry of the specs: a group, with its destination if it has one.

    `declared` has the values of the specs by dotted path, in normal form: `name`, `id`, `service`, `region`,
    `config.host`, `trust.certificates` (`none` or `any`), `setup_tests.run`, `lifecycle.protected`, … A
    declared None clears the field. Paths in `confidential` hold the text of a reference, such as
    `vault:kv/data/orders#password`. For fields in `ignore_changes` of an existing destination, `declared` has
    the live value.

    `live` has the values at Fivetran, or the defaults of a new or replaced destination. It is empty if only the
    specs are known. `before` has the present values at Fivetran, also of a destination that is replaced.

    `unknown` are fields whose values only a plan can resolve. `hidden` are fields whose values must not be
    shown. `spans` has the source positions of values. `exists` is true if the entry exists at Fivetran; of an
    entry that `is_removed` from the specs only the key is known.
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
        """Return the declared or live value of a field, None if it has none or is unknown."""
        if path == "key":
            return self.key
        return _look_up(self.declared if _has_path(self.declared, path) else self.live, path)

    def declared_value(self, path: str) -> Any:
        """Return the declared value of a field, None if the specs omit or clear it."""
        return self.key if path == "key" else _look_up(self.declared, path)

    def is_unknown(self, path: str) -> bool:
        """Return whether the value of a field is unknown."""
        return path in self.unknown or (self.is_removed and path != "key")

    def is_hidden(self, path: str) -> bool:
        """Return whether the value of a field must not be shown. A secret is shown as its reference."""
        if path in self.confidential:
            return False
        return self.is_masked(path) or any(
            path == hidden_path or path.startswith(f"{hidden_path}.") for hidden_path in self.hidden
        )

    def is_masked(self, path: str) -> bool:
        """Return whether no value of a field may be shown, neither the entry's value nor a policy's."""
        service = self.value("service")
        return path.startswith("config.") and (
            visibility(DESTINATION, service, tuple(path.split("."))) is not Sensitivity.PUBLIC
        )

    def get_address(self, path: str) -> Address:
        """Return the address of the object that a field belongs to."""
        return Address(GROUP if path in _GROUP_FIELDS or not self.has_destination else DESTINATION, self.key)


_GROUP_FIELDS = frozenset({"key", "name", "id"})


def _look_up(fields: Mapping[str, Any], path: str) -> Any:
    """Look up the value at a path, which may lead into a mapping below `config`."""
    if path in fields:
        return fields[path]
    parent, _, name = path.rpartition(".")
    mapping = _look_up(fields, parent) if "." in parent else None
    return mapping.get(name) if isinstance(mapping, Mapping) else None


def _has_path(fields: Mapping[str, Any], path: str) -> bool:
    """Return whether a path or one of its parents is declared. The nearest declaration wins over live values."""
    parent = path.rpartition(".")[0]
    return path in fields or ("." in parent and _has_path(fields, parent))


@dataclass(frozen=True, slots=True)
class PlanView:
    """View of a plan for rules.

    `entries` has the entries that the plan covers, by key. `existing` has all managed entries that exist, also
    entries outside the scope of the plan. Of a deleted entry only the key is known.
    """

    plan: Plan
    entries: Mapping[str, EntryView]
    existing: Mapping[str, EntryView]


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation of a rule.

    `message` starts in lower case, with names in backticks. `field` is a dotted path of an entry: the finding
    points at its value. `help` is one thing that the user can do.
    """

    message: str
    address: Address | None = None
    field: str | None = None
    help: str = ""


class Rule:
    """Base class of rules. A rule overrides one or both methods, which depend on their arguments alone.

    A rule that raises an error, or returns anything but violations, has failed, and its policy refuses the
    plan.
    """

    def check_entry(self, entry: EntryView) -> Iterable[Violation]:
        """Check an entry. `validate` calls this method too, with the specs alone."""
        return ()

    def check_plan(self, plan_view: PlanView) -> Iterable[Violation]:
        """Check a plan as a whole."""
        return ()
