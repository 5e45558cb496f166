"""Render a plan in the words of Terraform, for tools and people that search for these words in a log.

No text of a user begins a line at column 0. Tools find the changes between the line
`Terraform will perform the following actions:` and the rule at the end, and the change of each resource in the lines
that begin with `  # `.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity, sort_diagnostics
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.sanitize import escape, to_one_line
from reconciler.report.alike_findings import combine_alike
from reconciler.report.apply import render_summary
from reconciler.report.live_objects import format_connections, format_identified_object
from reconciler.report.plan_facts import list_notes
from reconciler.report.plan_summary import (
    UNTESTED,
    count_changes,
    format_account,
    format_unplanned,
    format_unsettled,
    list_remarks,
)
from reconciler.report.renderer import ApplyReport, ExitStatus, Parts, Printed, Renderer, make_verbatim
from reconciler.report.risk import format_risk, format_risk_counts
from reconciler.report.style import format_count
from reconciler.report.terraform_values import (
    SENSITIVE,
    ResourceView,
    is_imported,
    to_terraform_address,
    to_terraform_type,
    view_after,
    view_before,
    view_last_applied,
)
from reconciler.report.trust import list_trust_rows
from reconciler.report.values import format_value

NO_CHANGES = "No changes. Your infrastructure matches the configuration."
ACTIONS_HEADER = "Terraform will perform the following actions:"
OUTSIDE_HEADER = "Note: Objects have changed outside of Terraform"
OUTSIDE_FOOTER = (
    "Unless you have made equivalent changes to your configuration, the following plan undoes these changes."
)
RULE = "─" * 77

_CONFIG_BLOCK = "config"
_ALWAYS_SHOWN = {"id", "name"}
_ACTION_PHRASES = {
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

_NOUNS = {
    Action.CREATE: "Creation",
    Action.UPDATE: "Modifications",
    Action.REPLACE: "Replacement",
    Action.DELETE: "Destruction",
    Action.VERIFY: "Setup tests",
    Action.APPROVE: "Approval",
    Action.REVOKE: "Revocation",
    Action.ADOPT: "Import",
    Action.FORGET: "Removal from state",
    Action.NO_OP: "Refresh",
}
_STATUS_PHRASES = {
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.HELD: "held back",
    Status.CANCELLED: "cancelled",
    Status.UNKNOWN: "ended unknown",
}
_IN_EFFECT = frozenset({Status.DONE, Status.AWAITING_APPROVAL})


def render_terraform_plan(plan: Plan) -> str:
    """Render the plan: changes made outside the specs, each change with its fields, the counts, and remarks."""
    ids = {change.address: change.id for change in plan.changes}
    shown = [change for change in plan.changes if _describe_action(change) is not None]
    parts = [*_render_outside_changes(plan.drifted)]
    if shown:
        parts += [
            _render_legend(shown),
            ACTIONS_HEADER,
            *("\n".join(_render_change(change, ids)) for change in shown),
        ]
    parts += [_format_counts(plan), RULE, "\n".join(_render_remarks(plan))]
    return "\n\n".join(parts)


def render_terraform_diagnostics(diagnostics: Iterable[Diagnostic], *, has_bars: bool = True) -> str:
    """Render diagnostics as Terraform prints them: a line `Error: ` or `Warning: `, then place and reasons. Alike
    diagnostics are one."""
    shown = combine_alike(sort_diagnostics(diagnostics))
    if not has_bars:
        return "\n".join("\n".join([*_render_diagnostic(diagnostic), ""]) for diagnostic in shown)
    return "\n".join(
        "\n".join(["╷", *(f"│ {line}".rstrip() for line in _render_diagnostic(diagnostic)), "╵"])
        for diagnostic in shown
    )


def _render_diagnostic(finding: Diagnostic) -> Iterator[str]:
    word = "Error" if finding.severity is Severity.ERROR else "Warning"
    yield f"{word}: {to_one_line(finding.message)} [{finding.code}]"
    yield ""
    if finding.span is not None:
        yield f"  on {escape(finding.span.path)} line {finding.span.line}"
    for remark in (*finding.notes, *([finding.help] if finding.help else [])):
        yield f"  {to_one_line(remark)}"


def _render_legend(changes: Iterable[Change]) -> str:
    present = {change.action for change in changes}
    rows = [f"{_SYMBOLS[action]:>3} {meaning}" for action, meaning in _LEGEND.items() if action in present]
    intro = "Terraform used the selected providers to generate the following execution plan."
    if not rows:
        return intro
    return "\n".join([f"{intro} Resource actions are indicated with the following symbols:", *rows])


def _format_counts(plan: Plan) -> str:
    """Format the counts. An object that is only recorded counts as imported, as in Terraform."""
    if not (plan.effective or plan.adopted or plan.forgotten or plan.moves or plan.omissions):
        return NO_CHANGES
    add, change, destroy = count_changes(plan)
    imported = sum(map(is_imported, plan.changes))
    imports = f"{imported} to import, " if imported else ""
    return f"Plan: {imports}{add} to add, {change} to change, {destroy} to destroy."


def _render_remarks(plan: Plan) -> Iterator[str]:
    yield f"reconciler · account {format_account(plan)}"
    for change in plan.effective:
        yield from (f"  {escape(str(change.address))}: {remark}" for remark in _list_change_remarks(change))
    for note in list_notes(plan):
        yield f"  {note.subject}: {note.format()}" if note.subject else f"  {note.format()}"
    if plan.undeclared:
        yield f"  {format_count(len(plan.undeclared), 'destination')} of declared groups not declared, left alone"
    if plan.unmanaged:
        yield f"  {format_count(len(plan.unmanaged), 'group')} not managed, left alone"
    if plan.owned:
        yield f"  {format_count(len(plan.owned), 'group')} of other projects, left alone"
    if plan.blockers:
        yield f"  apply refuses this plan: {', '.join(sorted({blocker.code for blocker in plan.blockers}))}"
    if plan.unplanned:
        yield f"  {format_unplanned(plan)}"
    if risks := format_risk_counts(plan):
        yield f"  {risks}"
    for remark in list_remarks(plan):
        yield f"  {remark}"
    if plan.digest and plan.needs_approval:
        yield f"  digest {escape(plan.digest)}"


def _list_change_remarks(change: Change) -> Iterator[str]:
    if change.unsettled is not None:
        yield format_unsettled(change.unsettled)
    if change.action is Action.VERIFY:
        yield UNTESTED
    yield from (f"{verb} {server}" for verb, server in list_trust_rows(change))
    if risk := format_risk(change):
        yield f"{risk}: {format_identified_object(change)}" if change.live is not None else risk


def _render_outside_changes(drifted: Iterable[Change]) -> Iterator[str]:
    """Render the changes made outside the specs. Readers that find the first line also look for the last line."""
    blocks = ["\n".join(_render_drift(change)) for change in drifted]
    if blocks:
        yield OUTSIDE_HEADER
        yield from blocks
        yield OUTSIDE_FOOTER


def _render_drift(change: Change) -> Iterator[str]:
    current_view = view_before(change)
    is_deleted = current_view.values is None
    yield f"  # {_format_address(change)} has {'been deleted' if is_deleted else 'changed'}"
    yield from _render_resource(
        "-" if is_deleted else "~", change.address, _AttributeDiff(view_last_applied(change), current_view)
    )


def _render_change(change: Change, ids: Mapping[Address, str | None]) -> Iterator[str]:
    yield f"  # {_describe_action(change)}"
    former = change.facts.moved_from
    if former is not None and change.action in _ACTION_PHRASES:
        yield f"  # (moved from {escape(to_terraform_address(former))})"
    if is_imported(change) and change.action is Action.UPDATE:
        yield f"  # (imported from {format_value(change.id)})"
    if change.action is Action.DELETE:
        yield f"  # (because {_format_address(change)} is not in configuration)"
    replace_paths = frozenset(".".join(field.path) for field in change.fields if field.forces_replace)
    sent_paths, resent_paths = (
        frozenset(".".join(field.path) for field in change.fields if field.sent_by_replacement is is_resent)
        for is_resent in (False, True)
    )
    before_view, after_view = view_before(change), view_after(change, ids)
    if change.action is Action.FORGET:
        after_view = before_view
    yield from _render_resource(
        _SYMBOLS.get(change.action, ""),
        change.address,
        _AttributeDiff(before_view, after_view, sent_paths, replace_paths, resent_paths),
    )


def _describe_action(change: Change) -> str | None:
    """Describe the action as Terraform does; None for a change without an action at Terraform."""
    address, former = _format_address(change), change.facts.moved_from
    phrase = _ACTION_PHRASES.get(change.action)
    if phrase is not None:
        return f"{address} {phrase}"
    if is_imported(change):
        return f"{address} {_ACTION_PHRASES[Action.ADOPT]}"
    return f"{escape(to_terraform_address(former))} has moved to {address}" if former is not None else None


def _format_address(change: Change) -> str:
    return escape(to_terraform_address(change.address))


def _render_resource(symbol: str, address: Address, attributes: _AttributeDiff) -> Iterator[str]:
    kind, name = escape(to_terraform_type(address)), escape(address.key)
    yield f'{symbol:>3} resource "{kind}" "{name}" {{'
    yield from attributes.render()
    yield "    }"


_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _AttributeDiff:
    """Diff of attributes. `sent_paths` are attributes that a run sends even if both sides look equal (secrets).
    `resent_paths` are sent by a replacement and shown, though both sides are equal."""

    before_view: ResourceView
    after_view: ResourceView
    sent_paths: frozenset[str] = frozenset()
    replace_paths: frozenset[str] = frozenset()
    resent_paths: frozenset[str] = frozenset()

    def render(self) -> Iterator[str]:
        """Render each attribute that changes, and the number of hidden attributes."""
        sides = tuple(_add_unknown(view) for view in (self.before_view, self.after_view))
        yield from self._render_level(sides[0], sides[1], "", 6)

    def _render_level(
        self,
        before_values: Mapping[str, Any] | None,
        after_values: Mapping[str, Any] | None,
        prefix: str,
        indent: int,
    ) -> Iterator[str]:
        names = list(dict.fromkeys([*(before_values or {}), *(after_values or {})]))
        show_all = before_values is None or after_values is None or (self.before_view is self.after_view)
        rows = [
            (name, *self._render_attribute(name, prefix, before_values, after_values))
            for name in names
            if name != _CONFIG_BLOCK or prefix
        ]
        shown = [
            row
            for row in rows
            if row[1] or show_all or row[0] in _ALWAYS_SHOWN or f"{prefix}{row[0]}" in self.resent_paths
        ]
        width = max((len(escape(name)) for name, *_ in shown), default=0)
        for name, symbol, text in shown:
            yield f"{' ' * indent}{symbol or ' '} {escape(name):<{width}} = {text}"
        hidden = len(rows) - len(shown)
        if hidden:
            yield f"{' ' * indent}  # ({format_count(hidden, 'unchanged attribute')} hidden)"
        if not prefix and _CONFIG_BLOCK in names:
            yield from self._render_config(
                (before_values or {}).get(_CONFIG_BLOCK), (after_values or {}).get(_CONFIG_BLOCK), indent
            )

    def _render_config(self, before_config: Any, after_config: Any, indent: int) -> Iterator[str]:
        rows = list(self._render_level(before_config, after_config, f"{_CONFIG_BLOCK}.", indent + 4))
        symbol = "+" if before_config is None else "-" if after_config is None else "~"
        if all("unchanged attribute" in row for row in rows):
            yield f"{' ' * indent}  # (1 unchanged block hidden)"
            return
        yield ""
        yield f"{' ' * indent}{symbol if before_config is not after_config else ' '} {_CONFIG_BLOCK} {{"
        yield from rows
        yield f"{' ' * indent}  }}"

    def _render_attribute(
        self,
        name: str,
        prefix: str,
        before_values: Mapping[str, Any] | None,
        after_values: Mapping[str, Any] | None,
    ) -> tuple[str, str]:
        path = f"{prefix}{name}"
        old, new = (before_values or {}).get(name, _ABSENT), (after_values or {}).get(name, _ABSENT)
        if before_values is None or old is _ABSENT:
            return "+", self._render_value(path, new, self.after_view)
        if after_values is None or new is _ABSENT:
            return "-", f"{self._render_value(path, old, self.before_view)} -> null"
        if old == new and path not in self.sent_paths:
            return "", self._render_value(path, new, self.after_view)
        forces = " # forces replacement" if path in self.replace_paths else ""
        if _is_sensitive(self.after_view, path) or _is_sensitive(self.before_view, path):
            return "~", f"{SENSITIVE}{forces}"
        return (
            "~",
            f"{self._render_value(path, old, self.before_view)} ->"
            f" {self._render_value(path, new, self.after_view)}{forces}",
        )

    def _render_value(self, path: str, value: Any, view: ResourceView) -> str:
        if value is _UNKNOWN:
            return "(known after apply)"
        return SENSITIVE if _is_sensitive(view, path) else format_value(value)


_UNKNOWN = object()


def _add_unknown(view: ResourceView) -> dict[str, Any] | None:
    if view.values is None:
        return None
    return {**dict.fromkeys(view.unknown, _UNKNOWN), **view.values}


def _is_sensitive(view: ResourceView, path: str) -> bool:
    mask: Any = view.sensitive
    for step in path.split(".", 1):
        mask = mask.get(step, {}) if isinstance(mask, dict) else mask
    return mask is True


class TerraformRenderer(Renderer):
    """Renderer of texts in the words of Terraform."""

    shows_outcomes_live = False

    def diagnostics(self, diagnostics: Collection[Diagnostic]) -> Parts:
        """Render findings as Terraform prints them."""
        # tfcmt finds an error of a plan also behind a bar, and an error of an apply only at the start of a line.
        has_bars = self.run.command != "apply"
        yield Printed(
            render_terraform_diagnostics(diagnostics, has_bars=has_bars), to_stderr=True, is_verbatim=True
        )

    def plan_warnings(self, plan: Plan) -> Parts:
        """Render all warnings of a plan."""
        yield from self.warnings(plan.warnings)

    def changes(self, plan: Plan) -> Parts:
        """Render the plan."""
        yield make_verbatim(render_terraform_plan(plan))

    def applied(self, report: ApplyReport) -> Parts:
        """Render the results, the errors, and the counts. Readers expect either the counts or an error."""
        if report.applied is None:
            yield _render_end(report.exit, ())
            yield from self.assertions(report)
            return
        outcomes = report.applied.outcomes
        lines = [line for outcome in outcomes for line in _render_outcome_lines(outcome)]
        yield make_verbatim("\n".join(["", *lines, ""]))
        problems = [
            *(diagnostic for outcome in outcomes for diagnostic in outcome.diagnostics),
            *report.applied.problems,
        ]
        if problems:
            yield from self.diagnostics(problems)
        yield _render_end(report.exit, outcomes)
        yield make_verbatim(f"\n{render_summary(report.applied).plain}")
        yield from self.assertions(report)


def _render_end(exit_code: ExitStatus, outcomes: Iterable[Outcome]) -> Printed:
    """Render the line by which readers distinguish a complete apply."""
    if int(exit_code):
        return Printed(f"Error: the apply ended as `{exit_code.reason}`", to_stderr=True, is_verbatim=True)
    return make_verbatim(format_apply_counts(outcomes))


def _render_outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Render an outcome after the connections that were deleted before the object."""
    address = escape(to_terraform_address(outcome.address))
    for connection in format_connections(outcome.deleted_first):
        yield f"{address}: deleted first: connection {connection}"
    yield render_terraform_outcome(outcome)


def render_terraform_outcome(outcome: Outcome) -> str:
    """Render an outcome on a line: `fivetran_group.orders: Creation complete after 1s [id=…]`."""
    address = escape(to_terraform_address(outcome.address))
    suffix = f" [id={escape(outcome.id)}]" if outcome.id else ""
    if outcome.status not in _IN_EFFECT:
        return f"{address}: {_NOUNS[outcome.action]} {_STATUS_PHRASES[outcome.status]}{suffix}"
    return f"{address}: {_NOUNS[outcome.action]} complete after {outcome.seconds:.0f}s{suffix}"


def format_apply_counts(outcomes: Iterable[Outcome]) -> str:
    """Format `Apply complete! Resources: 1 added, 0 changed, 0 destroyed.` A replacement counts as added and
    destroyed."""
    actions = [outcome.action for outcome in outcomes if outcome.status in _IN_EFFECT]
    replaced = actions.count(Action.REPLACE)
    added, destroyed = actions.count(Action.CREATE) + replaced, actions.count(Action.DELETE) + replaced
    changed = actions.count(Action.UPDATE)
    return f"Apply complete! Resources: {added} added, {changed} changed, {destroyed} destroyed."
