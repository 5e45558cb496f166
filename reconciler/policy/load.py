"""Load `policies:` of a project file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from pydantic import ValidationError

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.policy import EnforcementLevel
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.policy.base import PolicyError, Rule
from reconciler.policy.matching import FieldCondition
from reconciler.policy.plugin import entry_points_by_name, make_rule
from reconciler.policy.rules import OPTIONS, RULES, PolicyEntry
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.nodes import KeyValue, MappingNode, Scalar, find_span, to_plain


@dataclass(frozen=True, slots=True)
class Policy:
    """Policy of a project: a rule with its settings.

    `name` is unique in a project. `kind` is the name of the rule in the project file. `where` selects the
    entries that the policy applies to, all by default.
    """

    name: str
    kind: str
    rule: Rule
    level: EnforcementLevel = EnforcementLevel.HARD
    where: FieldCondition = field(default_factory=dict)
    because: str = ""
    span: Span | None = None


def parse_policies(tables: Iterable[MappingNode]) -> tuple[tuple[Policy, ...], list[Diagnostic]]:
    """Parse the policies: all valid policies, and diagnostics of the invalid policies."""
    policies: dict[str, Policy] = {}
    findings: list[Diagnostic] = []
    plugins: Mapping[str, tuple[EntryPoint, ...]] | None = None
    for table in tables:
        # The search for packages is slow, so only an unknown key starts it.
        if plugins is None and not table.entries.keys() <= {*RULES, *OPTIONS}:
            plugins = entry_points_by_name()
        parsed = _parse_policy(table, plugins or {})
        if not isinstance(parsed, Policy):
            findings += parsed
        elif parsed.name in policies:
            findings.append(_diagnose_duplicate_name(parsed, policies[parsed.name]))
        else:
            policies[parsed.name] = parsed
    return tuple(policies.values()), findings


def _parse_policy(
    table: MappingNode, plugins: Mapping[str, tuple[EntryPoint, ...]]
) -> Policy | list[Diagnostic]:
    rules = [key for key in table.entries if key in RULES or key in plugins]
    unknown = [key for key in table.entries if key not in {*rules, *OPTIONS}]
    if unknown:
        return [_diagnose_unknown_key(table, key, plugins) for key in unknown]
    empty = [key for key, node in table.items() if isinstance(node, Scalar) and node.value is None]
    if empty:
        return [_diagnose_empty_value(table, key) for key in empty]
    if len(rules) != 1:
        return [_diagnose_rule_count(table, rules)]
    [kind] = rules
    built_in = {key: entry for key, entry in table.entries.items() if key in {*RULES, *OPTIONS}}
    try:
        entry = PolicyEntry.model_validate(to_plain(MappingNode(built_in, table.span)))
    except ValidationError as error:
        return to_diagnostics(error, table, PolicyEntry)
    try:
        rule = entry.build_rule() or make_rule(plugins[kind], to_plain(table.entries[kind].node))
    except PolicyError as error:
        return [_diagnose_unusable_rule(kind, table.entries[kind], error)]
    span = table.entries[kind].key.span
    return Policy(
        entry.name or kind, kind, rule, EnforcementLevel(entry.level), entry.where or {}, entry.because, span
    )


def _diagnose_unknown_key(table: MappingNode, key: str, plugins: Iterable[str]) -> Diagnostic:
    rules = ", ".join(f"`{rule}`" for rule in (*RULES, *sorted(plugins)))
    return Diagnostic(
        "unknown-key",
        f"`{key}` is no rule of a policy",
        table.entries[key].key.span,
        notes=(f"rules are {rules}; packages can bring more",),
        help=did_you_mean(key, (*RULES, *OPTIONS, *plugins))
        or "name one of the rules, or install the package that brings this one",
    )


def _diagnose_empty_value(table: MappingNode, key: str) -> Diagnostic:
    return Diagnostic(
        "wrong-shape",
        f"`{key}` has no value",
        table.entries[key].key.span,
        help="write a value, or remove the key",
    )


def _diagnose_rule_count(table: MappingNode, rules: list[str]) -> Diagnostic:
    if not rules:
        return Diagnostic(
            "bad-policy",
            "this policy has no rule",
            table.span,
            help="add one, for example `allowed-regions: [AWS_US_EAST_1]`",
        )
    return Diagnostic(
        "bad-policy",
        f"a policy has one rule, and this one has {len(rules)}: {', '.join(f'`{rule}`' for rule in rules)}",
        table.entries[rules[1]].key.span,
        help="make a policy of each: start a new `- ` for the second one",
    )


def _diagnose_duplicate_name(policy: Policy, earlier: Policy) -> Diagnostic:
    return Diagnostic(
        "bad-policy",
        f"two policies are called `{policy.name}`",
        policy.span,
        notes=(f"the first one is at {earlier.span}",),
        help="give one of them another name, for example `name: " + f"{policy.kind}-in-production`",
    )


def _diagnose_unusable_rule(kind: str, entry: KeyValue, error: PolicyError) -> Diagnostic:
    return Diagnostic(
        "bad-policy",
        f"the rule `{kind}` cannot be used: {error}",
        find_span(entry.node, ()),
        help="correct its settings, or the package that brings it",
    )
