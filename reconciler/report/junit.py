"""Findings as JUnit XML, which GitLab and Jenkins show as tests: one for each entry, one for each policy.

Readers take one failure of a test, so all that is wrong with an entry is told in one. The text is ASCII, and free of
characters that XML cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from reconciler.model.diagnostic import Diagnostic, Severity, errors_among, in_reading_order
from reconciler.model.plan import Change, Plan
from reconciler.model.policy import Judgement, Standing
from reconciler.report.diagnostics import count_line, headline, identity, remarks
from reconciler.report.live_objects import identified_text
from reconciler.report.neutral import neutral
from reconciler.report.plan_words import RISKS

_POLICIES = "policies"


@dataclass(slots=True)
class _Case:
    """One test. `place` is the file that it is about, or what else groups it."""

    name: str
    place: str
    findings: list[Diagnostic] = field(default_factory=list)
    skipped: str = ""
    remark: str = ""

    @property
    def errors(self) -> list[Diagnostic]:
        return [] if self.skipped else errors_among(self.findings)


def plan_junit(plan: Plan, project: str) -> str:
    """A plan: an entry fails if something refuses its change, `project` if it is about no single one."""
    cases = [
        _Case(str(each.address), each.span.path if each.span else project, remark=_remark(each))
        for each in plan.changes
    ]
    return _document("plan", cases, (*plan.warnings, *plan.blockers), plan.judgements, project)


def validated_junit(
    entries: Mapping[str, str], findings: Iterable[Diagnostic], judgements: Iterable[Judgement], project: str
) -> str:
    """Specs: `entries` are the files of all addresses that were read."""
    cases = [_Case(name, place or project) for name, place in entries.items()]
    return _document("validate", cases, findings, judgements, project)


def failure_junit(
    diagnostics: Iterable[Diagnostic], project: str, judgements: Iterable[Judgement] = ()
) -> str:
    """A run that could not do its work: what is wrong, by the entries or files that it is wrong with."""
    return _document("reconciler", (), diagnostics, judgements, project)


def _remark(change: Change) -> str:
    """What a change deletes, replaces or gives up."""
    return (
        f"{RISKS[change.risk] or change.action}: {identified_text(change)}" if change.live is not None else ""
    )


def _document(
    suite: str,
    entries: Iterable[_Case],
    findings: Iterable[Diagnostic],
    judgements: Iterable[Judgement],
    otherwise: str,
) -> str:
    judgements = list(judgements)
    told_there = {identity(each) for judgement in judgements for each in judgement.findings}
    own = [each for each in findings if identity(each) not in told_there]
    suites = [(suite, _cases(entries, own, otherwise))]
    if judgements:
        suites.append((_POLICIES, [_policy(each) for each in judgements]))
    root = _counted(
        ElementTree.Element("testsuites", name="reconciler"), [case for _, cases in suites for case in cases]
    )
    for name, cases in suites:
        element = _counted(ElementTree.SubElement(root, "testsuite", name=name), cases)
        for case in cases:
            _add(element, case)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode("ascii")


def _cases(entries: Iterable[_Case], findings: Iterable[Diagnostic], otherwise: str) -> list[_Case]:
    """One test for each entry, then one for each file, or for the whole, that something else is wrong with."""
    cases = {case.name: case for case in entries}
    for each in in_reading_order(findings):
        place = each.span.path if each.span else otherwise
        name = str(each.address) if each.address else place
        cases.setdefault(name, _Case(name, place)).findings.append(each)
    return list(cases.values()) or [_Case(otherwise, otherwise)]


def _policy(judgement: Judgement) -> _Case:
    overridden = "overridden for this run" if judgement.standing is Standing.OVERRIDDEN else ""
    return _Case(judgement.policy, _POLICIES, list(judgement.findings), overridden)


def _counted(element: ElementTree.Element, cases: Sequence[_Case]) -> ElementTree.Element:
    counts = {
        "tests": len(cases),
        "failures": sum(bool(case.errors) for case in cases),
        "errors": 0,
        "skipped": sum(bool(case.skipped) for case in cases),
        "time": 0,
    }
    element.attrib.update({name: str(number) for name, number in counts.items()})
    return element


def _add(suite: ElementTree.Element, case: _Case) -> None:
    named = {"name": neutral(case.name), "classname": neutral(case.place), "time": "0"}
    element = ElementTree.SubElement(suite, "testcase", named)
    if case.skipped:
        ElementTree.SubElement(element, "skipped", message=case.skipped)
    elif case.errors:
        first = case.errors[0]
        told = neutral(first.message) if len(case.errors) == 1 else count_line(case.errors)
        failure = ElementTree.SubElement(element, "failure", message=told, type=first.code)
        failure.text = _text(case.errors)
    others = (
        case.findings
        if case.skipped
        else [each for each in case.findings if each.severity is Severity.WARNING]
    )
    told = "\n\n".join(filter(None, (case.remark, _text(others))))
    if told:
        ElementTree.SubElement(element, "system-out").text = told


def _text(findings: Iterable[Diagnostic]) -> str:
    return "\n\n".join("\n".join(_lines(each)) for each in findings)


def _lines(finding: Diagnostic) -> Iterator[str]:
    yield headline(finding).plain
    if finding.span is not None:
        yield f"  --> {neutral(str(finding.span))}"
    for remark in remarks(finding, "  "):
        yield remark.plain
