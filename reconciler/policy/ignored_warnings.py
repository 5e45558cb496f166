"""Parse `warnings: {ignore: …}` of a project file, and set aside the warnings that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from reconciler.model.codes import load_codes
from reconciler.model.diagnostic import Diagnostic, IgnoredWarning, Severity
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.policy.base import EntryView
from reconciler.policy.matching import FieldCondition, meets
from reconciler.policy.rules import Conditions
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.nodes import MappingNode, find_span, to_plain
from reconciler.spec.schema import StrictModel


def list_ignorable_codes() -> tuple[str, ...]:
    """List the codes of warnings about entries, sorted."""
    return tuple(sorted(code for code, facts in load_codes().items() if facts.warns is not None))


def _check_code(code: str) -> str:
    known = load_codes()
    if code in list_ignorable_codes():
        return code
    if code in known:
        problem, advice = (
            f"`{code}` cannot be ignored",
            f"{_IGNORABLE}: `reconciler help validation` lists them",
        )
    else:
        problem = f"there is no code `{code}`"
        advice = did_you_mean(code, list_ignorable_codes()) or f"{_IGNORABLE}, for example `legacy-service`"
    raise PydanticCustomError("wrong-shape", problem.replace("{", "{{"), {"help": advice})


_IGNORABLE = "only warnings about single entries can be"


def _check_reason(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError(
            "wrong-shape", "a reason is not empty", {"help": "write why it is no problem"}
        )
    return text


class IgnoreEntry(StrictModel):
    """An entry of `warnings.ignore`."""

    code: Annotated[str, AfterValidator(_check_code)] = Field(description="Code of the warnings.")
    where: Conditions | None = Field(None, description="Only for entries with these values; globs work.")
    because: Annotated[str, AfterValidator(_check_reason)] = Field(
        json_schema_extra={"minLength": 1},
        description="Reason of the team, shown in JSON.",
    )


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Warnings of one code that a project ignores for the entries that `where` selects, all by default."""

    code: str
    because: str
    where: FieldCondition = field(default_factory=dict)
    span: Span | None = None

    @property
    def is_about_gaps(self) -> bool:
        """Whether `--strict` makes errors of these warnings."""
        return load_codes()[self.code].severity_if_strict is not None

    def covers(self, warning: Diagnostic, entries: Mapping[str, EntryView]) -> bool:
        """Whether this rule ignores a warning. Errors, and warnings about no entry, are never ignored."""
        if warning.code != self.code or warning.severity is not Severity.WARNING or warning.address is None:
            return False
        entry = entries.get(warning.address.key)
        return entry is not None and meets(self.where, entry) is True


def parse_ignores(tables: Iterable[MappingNode]) -> tuple[tuple[IgnoreRule, ...], list[Diagnostic]]:
    """Parse the entries of `warnings.ignore`: all valid rules, and diagnostics of the invalid entries."""
    rules: list[IgnoreRule] = []
    findings: list[Diagnostic] = []
    for table in tables:
        if problems := list(_find_wrong_keys(table)):
            findings += problems
            continue
        try:
            entry = IgnoreEntry.model_validate(to_plain(table))
        except ValidationError as error:
            findings += to_diagnostics(error, table, IgnoreEntry)
        else:
            rules.append(
                IgnoreRule(entry.code, entry.because, entry.where or {}, find_span(table, ("code",)))
            )
    return tuple(rules), findings


def _find_wrong_keys(table: MappingNode) -> Iterator[Diagnostic]:
    keys = tuple(IgnoreEntry.model_fields)
    unknown = [key for key in table.entries if key not in keys]
    for key in unknown:
        yield Diagnostic(
            "unknown-key",
            f"`{key}` is no key of an ignored warning",
            table.entries[key].key.span,
            help=did_you_mean(key, keys) or f"known here are {', '.join(f'`{known}`' for known in keys)}",
        )
    for key, field_info in IgnoreEntry.model_fields.items():
        if field_info.is_required() and key not in table.entries and not unknown:
            yield Diagnostic(
                "missing-key",
                f"`{key}` is missing from this ignored warning",
                table.span,
                help=_MISSING_ADVICE[key],
            )


_MISSING_ADVICE = {
    "code": "name the code of the warnings, for example `code: legacy-service`",
    "because": 'write why it is no problem, for example `because: "stays until 2027"`',
}


def ignore_warnings(
    rules: Iterable[IgnoreRule], entries: Mapping[str, EntryView], findings: Iterable[Diagnostic]
) -> tuple[list[Diagnostic], list[IgnoredWarning]]:
    """Split findings into those that stay, and the ignored ones with their reasons. `entries` are all by key."""
    kept: list[Diagnostic] = []
    ignored: list[IgnoredWarning] = []
    for finding in findings:
        rule = next((rule for rule in rules if rule.covers(finding, entries)), None)
        if rule is None:
            kept.append(finding)
        else:
            ignored.append(IgnoredWarning(finding, rule.because))
    return kept, ignored


def find_unused_ignores(
    rules: Iterable[IgnoreRule], entries: Mapping[str, EntryView], ignored: Iterable[IgnoredWarning]
) -> list[Diagnostic]:
    """Find the rules that ignore nothing: no entry is as `where` says, or none has such a warning.

    A plan finds some warnings in the account alone. Of their rules only the entries can be judged.
    """
    warnings = [each.warning for each in ignored]
    findings = []
    for rule in rules:
        matching = [entry for entry in entries.values() if meets(rule.where, entry) is not False]
        is_used = any(rule.covers(warning, entries) for warning in warnings)
        if matching and (is_used or load_codes()[rule.code].warns == _IN_PLAN):
            continue
        problem = "no entry has such a warning" if matching else "no entry is as `where` says"
        findings.append(
            Diagnostic(
                "unused-ignore",
                f"nothing is ignored here for `{rule.code}`: {problem}",
                rule.span,
                Severity.WARNING,
                help="remove this entry of `ignore`, or correct it",
            )
        )
    return findings


_IN_PLAN = "plan"
