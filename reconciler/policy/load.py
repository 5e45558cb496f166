"""From the `policies:` of a project file to rules that can judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from pydantic import ValidationError

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean
from reconciler.model.policy import Level
from reconciler.model.source import Span
from reconciler.policy.base import PolicyError, Rule
from reconciler.policy.matching import Condition
from reconciler.policy.plugin import installed, make_rule
from reconciler.policy.rules import OPTIONS, RULES, PolicyEntry
from reconciler.spec.errors import diagnostics_of
from reconciler.spec.tree import Entry, Scalar, Table, plain, span_at


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule and how it is meant. `name` is unique in a project; `kind` is what the project file calls the rule;
    `where` says for which entries it is, all by default."""

    name: str
    kind: str
    rule: Rule
    level: Level = Level.HARD
    where: Condition = field(default_factory=dict)
    because: str = ""
    span: Span | None = None


def policies_of(tables: Iterable[Table]) -> tuple[tuple[Policy, ...], list[Diagnostic]]:
    """The policies that are in order, and everything that is wrong with the others."""
    policies: dict[str, Policy] = {}
    findings: list[Diagnostic] = []
    others: Mapping[str, tuple[EntryPoint, ...]] | None = None
    for table in tables:
        if others is None and not table.entries.keys() <= {*RULES, *OPTIONS}:
            others = installed()
        found = _policy(table, others or {})
        if not isinstance(found, Policy):
            findings += found
        elif found.name in policies:
            findings.append(_called_alike(found, policies[found.name]))
        else:
            policies[found.name] = found
    return tuple(policies.values()), findings


def _policy(table: Table, others: Mapping[str, tuple[EntryPoint, ...]]) -> Policy | list[Diagnostic]:
    rules = [key for key in table.entries if key in RULES or key in others]
    unknown = [key for key in table.entries if key not in {*rules, *OPTIONS}]
    if unknown:
        return [_unknown(table, key, others) for key in unknown]
    empty = [key for key, node in table.items() if isinstance(node, Scalar) and node.value is None]
    if empty:
        return [_empty(table, key) for key in empty]
    if len(rules) != 1:
        return [_not_one_rule(table, rules)]
    [kind] = rules
    own = {key: entry for key, entry in table.entries.items() if key in {*RULES, *OPTIONS}}
    try:
        entry = PolicyEntry.model_validate(plain(Table(own, table.span)))
    except ValidationError as error:
        return diagnostics_of(error, table, PolicyEntry)
    try:
        rule = entry.rule() or make_rule(others[kind], plain(table.entries[kind].node))
    except PolicyError as error:
        return [_unusable(kind, table.entries[kind], error)]
    place = table.entries[kind].key.span
    return Policy(entry.name or kind, kind, rule, Level(entry.level), entry.where or {}, entry.because, place)


def _unknown(table: Table, key: str, others: Iterable[str]) -> Diagnostic:
    rules = ", ".join(f"`{each}`" for each in (*RULES, *sorted(others)))
    return Diagnostic(
        "unknown-key",
        f"`{key}` is no rule of a policy",
        table.entries[key].key.span,
        notes=(f"rules are {rules}; packages can bring more",),
        help=did_you_mean(key, (*RULES, *OPTIONS, *others))
        or "name one of the rules, or install the package that brings this one",
    )


def _empty(table: Table, key: str) -> Diagnostic:
    return Diagnostic(
        "wrong-shape",
        f"`{key}` has no value",
        table.entries[key].key.span,
        help="write what it is, or remove it",
    )


def _not_one_rule(table: Table, rules: list[str]) -> Diagnostic:
    if not rules:
        return Diagnostic(
            "bad-policy",
            "this policy has no rule",
            table.span,
            help="add one, for example `allowed-regions: [AWS_US_EAST_1]`",
        )
    return Diagnostic(
        "bad-policy",
        f"a policy has one rule, and this one has {len(rules)}: {', '.join(f'`{each}`' for each in rules)}",
        table.entries[rules[1]].key.span,
        help="make a policy of each: start a new `- ` for the second one",
    )


def _called_alike(policy: Policy, earlier: Policy) -> Diagnostic:
    return Diagnostic(
        "bad-policy",
        f"two policies are called `{policy.name}`",
        policy.span,
        notes=(f"the first one is at {earlier.span}",),
        help="give one of them another name, for example `name: " + f"{policy.kind}-in-production`",
    )


def _unusable(kind: str, entry: Entry, error: PolicyError) -> Diagnostic:
    return Diagnostic(
        "bad-policy",
        f"the rule `{kind}` cannot be used: {error}",
        span_at(entry.node, ()),
        help="correct its settings, or the package that brings it",
    )
