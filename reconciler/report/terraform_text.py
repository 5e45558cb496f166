"""A plan in the words of Terraform, for tools and people that look for them in a log.

Lines at column 0 are those of Terraform and our own; no text of a user begins one. Tools find the changes between the
line `Terraform will perform the following actions:` and the rule at the end, and what each resource does in the lines
that begin with `  # `.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity, in_reading_order
from reconciler.model.plan import Action, Change, Plan
from reconciler.report.live_objects import identified_text
from reconciler.report.neutral import neutral, one_line
from reconciler.report.plan_words import (
    RISKS,
    UNTESTED,
    account_text,
    added_changed_destroyed,
    asides,
    unsettled_text,
)
from reconciler.report.style import counted
from reconciler.report.terraform_values import (
    SENSITIVE,
    Sight,
    after,
    before,
    is_imported,
    last_applied,
    terraform_address,
    terraform_type,
)
from reconciler.report.values import value_text

NO_CHANGES = "No changes. Your infrastructure matches the configuration."
ACTIONS = "Terraform will perform the following actions:"
OUTSIDE = "Note: Objects have changed outside of Terraform"
END_OF_OUTSIDE = (
    "Unless you have made equivalent changes to your configuration, the following plan undoes these changes."
)
RULE = "─" * 77

_NESTED = "config"
_ALWAYS_SHOWN = {"id", "name"}
_FATES = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in-place",
    Action.REPLACE: "must be replaced",
    Action.DELETE: "will be destroyed",
    Action.ADOPT: "will be imported",
    Action.FORGET: "will no longer be managed by Terraform, but will not be destroyed",
}
_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.ADOPT: "",
    Action.FORGET: ".",
}
_LEGEND = {
    Action.CREATE: "create",
    Action.UPDATE: "update in-place",
    Action.REPLACE: "destroy and then create replacement",
    Action.DELETE: "destroy",
}


def terraform_text(plan: Plan) -> str:
    """The plan: what somebody changed outside the specs, each change with its fields, the counts, and our remarks."""
    ids = {change.address: change.id for change in plan.changes}
    shown = [change for change in plan.changes if change.action in _FATES]
    parts = [*_outside(plan.drifted)]
    if shown:
        parts += [_legend(shown), ACTIONS, *("\n".join(_block(change, ids)) for change in shown)]
    parts += [_counts(plan), RULE, "\n".join(_remarks(plan))]
    return "\n\n".join(parts)


def terraform_diagnostics(diagnostics: Iterable[Diagnostic]) -> str:
    """Findings as Terraform prints them: a line `Error: ` or `Warning: ` behind a bar, then where and why."""
    return "\n".join(
        "\n".join(["╷", *(f"│ {line}".rstrip() for line in _told(each)), "╵"])
        for each in in_reading_order(diagnostics)
    )


def _told(finding: Diagnostic) -> Iterator[str]:
    word = "Error" if finding.severity is Severity.ERROR else "Warning"
    yield f"{word}: {one_line(finding.message)} [{finding.code}]"
    yield ""
    if finding.span is not None:
        yield f"  on {neutral(finding.span.path)} line {finding.span.line}"
    for remark in (*finding.notes, *([finding.help] if finding.help else [])):
        yield f"  {one_line(remark)}"


def _legend(changes: Iterable[Change]) -> str:
    present = {change.action for change in changes}
    rows = [f"{_SYMBOLS[action]:>3} {meaning}" for action, meaning in _LEGEND.items() if action in present]
    intro = "Terraform used the selected providers to generate the following execution plan."
    if not rows:
        return intro
    return "\n".join([f"{intro} Resource actions are indicated with the following symbols:", *rows])


def _counts(plan: Plan) -> str:
    """What is only to be remembered counts as imported here, as in Terraform."""
    if not (plan.effective or plan.adopted or plan.forgotten or plan.unseen):
        return NO_CHANGES
    add, change, destroy = added_changed_destroyed(plan)
    imported = sum(map(is_imported, plan.changes))
    imports = f"{imported} to import, " if imported else ""
    return f"Plan: {imports}{add} to add, {change} to change, {destroy} to destroy."


def _remarks(plan: Plan) -> Iterator[str]:
    yield f"reconciler · account {account_text(plan)}"
    for change in plan.effective:
        if change.unsettled is not None:
            yield f"  {neutral(str(change.address))}: {unsettled_text(change.unsettled)}"
        if change.action is Action.VERIFY:
            yield f"  {neutral(str(change.address))}: {UNTESTED}"
        elif RISKS[change.risk]:
            of = f": {identified_text(change)}" if change.live is not None else ""
            yield f"  {neutral(str(change.address))}: {RISKS[change.risk]}{of}"
    if plan.unmanaged:
        yield f"  {counted(len(plan.unmanaged), 'group')} not managed, left alone"
    if plan.blockers:
        yield f"  apply refuses this plan: {', '.join(sorted({each.code for each in plan.blockers}))}"
    for aside in asides(plan):
        yield f"  {aside}"
    if plan.digest and plan.effective:
        yield f"  digest {neutral(plan.digest)}"


def _outside(drifted: Iterable[Change]) -> Iterator[str]:
    """Readers look for the last line wherever they have found the first."""
    blocks = ["\n".join(_drift(change)) for change in drifted]
    if blocks:
        yield OUTSIDE
        yield from blocks
        yield END_OF_OUTSIDE


def _drift(change: Change) -> Iterator[str]:
    now = before(change)
    gone = now.values is None
    yield f"  # {_named(change)} has {'been deleted' if gone else 'changed'}"
    yield from _resource("-" if gone else "~", change.address, _Rows(last_applied(change), now))


def _block(change: Change, ids: Mapping[Address, str | None]) -> Iterator[str]:
    yield f"  # {_named(change)} {_FATES[change.action]}"
    if is_imported(change) and change.action is not Action.ADOPT:
        yield f"  # (imported from {value_text(change.id)})"
    if change.action is Action.DELETE:
        yield f"  # (because {_named(change)} is not in configuration)"
    forced = frozenset(".".join(field.path) for field in change.fields if field.forces_replace)
    sent = frozenset(".".join(field.path) for field in change.fields)
    now, then = before(change), after(change, ids)
    if change.action is Action.FORGET:
        then = now
    yield from _resource(_SYMBOLS[change.action], change.address, _Rows(now, then, sent, forced))


def _named(change: Change) -> str:
    return neutral(terraform_address(change.address))


def _resource(symbol: str, address: Address, rows: _Rows) -> Iterator[str]:
    kind, name = neutral(terraform_type(address)), neutral(address.key)
    yield f'{symbol:>3} resource "{kind}" "{name}" {{'
    yield from rows.lines()
    yield "    }"


_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Rows:
    """The attributes of one object on both sides. `sent` are those that change although both sides look the same."""

    now: Sight
    then: Sight
    sent: frozenset[str] = frozenset()
    forced: frozenset[str] = frozenset()

    def lines(self) -> Iterator[str]:
        """One for each attribute that changes, and how many do not."""
        sides = tuple(_with_unknown(each) for each in (self.now, self.then))
        yield from self._level(sides[0], sides[1], "", 6)

    def _level(
        self, now: Mapping[str, Any] | None, then: Mapping[str, Any] | None, prefix: str, indent: int
    ) -> Iterator[str]:
        names = list(dict.fromkeys([*(now or {}), *(then or {})]))
        whole = now is None or then is None or (self.now is self.then)
        rows = [(name, *self._row(name, prefix, now, then)) for name in names if name != _NESTED or prefix]
        shown = [row for row in rows if row[1] or whole or row[0] in _ALWAYS_SHOWN]
        width = max((len(neutral(name)) for name, *_ in shown), default=0)
        for name, symbol, text in shown:
            yield f"{' ' * indent}{symbol or ' '} {neutral(name):<{width}} = {text}"
        hidden = len(rows) - len(shown)
        if hidden:
            yield f"{' ' * indent}  # ({counted(hidden, 'unchanged attribute')} hidden)"
        if not prefix and _NESTED in names:
            yield from self._config((now or {}).get(_NESTED), (then or {}).get(_NESTED), indent)

    def _config(self, now: Any, then: Any, indent: int) -> Iterator[str]:
        rows = list(self._level(now, then, f"{_NESTED}.", indent + 4))
        symbol = "+" if now is None else "-" if then is None else "~"
        if all("unchanged attribute" in row for row in rows):
            yield f"{' ' * indent}  # (1 unchanged block hidden)"
            return
        yield ""
        yield f"{' ' * indent}{symbol if now is not then else ' '} {_NESTED} {{"
        yield from rows
        yield f"{' ' * indent}  }}"

    def _row(
        self, name: str, prefix: str, now: Mapping[str, Any] | None, then: Mapping[str, Any] | None
    ) -> tuple[str, str]:
        path = f"{prefix}{name}"
        old, new = (now or {}).get(name, _ABSENT), (then or {}).get(name, _ABSENT)
        if now is None or old is _ABSENT:
            return "+", self._text(path, new, self.then)
        if then is None or new is _ABSENT:
            return "-", f"{self._text(path, old, self.now)} -> null"
        if old == new and path not in self.sent:
            return "", self._text(path, new, self.then)
        forces = " # forces replacement" if path in self.forced else ""
        if _is_hidden(self.then, path) or _is_hidden(self.now, path):
            return "~", f"{SENSITIVE}{forces}"
        return "~", f"{self._text(path, old, self.now)} -> {self._text(path, new, self.then)}{forces}"

    def _text(self, path: str, value: Any, sight: Sight) -> str:
        if value is _UNKNOWN:
            return "(known after apply)"
        return SENSITIVE if _is_hidden(sight, path) else value_text(value)


_UNKNOWN = object()


def _with_unknown(sight: Sight) -> dict[str, Any] | None:
    if sight.values is None:
        return None
    return {**dict.fromkeys(sight.unknown, _UNKNOWN), **sight.values}


def _is_hidden(sight: Sight, path: str) -> bool:
    mask: Any = sight.sensitive
    for step in path.split(".", 1):
        mask = mask.get(step, {}) if isinstance(mask, dict) else mask
    return mask is True
