"""Render findings as JUnit XML. GitLab and Jenkins show them as tests: a test for each entry, and for each policy.

Readers accept one failure for each test, so all findings about an entry are one failure. The text is ASCII, and free of
characters that XML cannot hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity, select_errors, sort_diagnostics
from reconciler.model.outcome import ApplyResult, Check, CheckStatus, Outcome
from reconciler.model.plan import Change, Plan
from reconciler.model.policy import PolicyResult, PolicyStatus
from reconciler.model.sanitize import escape, to_one_line
from reconciler.report.check_details import render_details
from reconciler.report.diagnostics import (
    format_severity_counts,
    identify_finding,
    render_headline,
    render_notes,
)
from reconciler.report.live_objects import format_identified_object
from reconciler.report.renderer import (
    DocumentRenderer,
    ExitStatus,
    Parts,
    PlanReport,
    SetupTestReport,
    ValidationReport,
    make_verbatim,
)
from reconciler.report.risk import format_risk

_POLICIES = "policies"
SETUP_TESTS_FAILED = "setup-tests-failed"


@dataclass(slots=True)
class _TestCase:
    """A test. `classname` is the file of its entry, or another name that groups tests."""

    name: str
    classname: str
    findings: list[Diagnostic] = field(default_factory=list)
    skipped: str = ""
    remark: str = ""
    seconds: float = 0.0

    @property
    def errors(self) -> list[Diagnostic]:
        return [] if self.skipped else select_errors(self.findings)


def render_plan_junit(plan: Plan, project: str) -> str:
    """Render a plan: the test of an entry fails if a finding refuses its change, the test of `project` if the finding
    concerns no single entry."""
    cases = [
        _TestCase(
            str(change.address), change.span.path if change.span else project, remark=_describe_risk(change)
        )
        for change in plan.changes
    ]
    return _render_document("plan", cases, (*plan.warnings, *plan.blockers), plan.judgements, project)


def render_validation_junit(
    entries: Mapping[str, str],
    findings: Iterable[Diagnostic],
    policy_results: Iterable[PolicyResult],
    project: str,
) -> str:
    """Render checked specs. `entries` are the files of all addresses."""
    cases = [_TestCase(name, file or project) for name, file in entries.items()]
    return _render_document("validate", cases, findings, policy_results, project)


def render_failure_junit(
    diagnostics: Iterable[Diagnostic], project: str, policy_results: Iterable[PolicyResult] = ()
) -> str:
    """Render a failed run: its errors, by entry or file."""
    return _render_document("reconciler", (), diagnostics, policy_results, project)


def render_test_run_junit(applied: ApplyResult, left: Iterable[Address], missing: Iterable[Address]) -> str:
    """Render a run of setup tests: a suite for each destination, and a test for each of its setup tests.

    `left` are destinations that the budget or the deadline left out, `missing` are entries without a live destination.
    """
    suites = [(str(outcome.address), _build_check_cases(outcome)) for outcome in applied.outcomes]
    for addresses, reason in ((left, "left for another run"), (missing, "not created yet")):
        suites += [
            (str(address), [_TestCase(_SETUP_TESTS, str(address), skipped=reason)]) for address in addresses
        ]
    if applied.problems:
        suites.append(("reconciler", _group_findings((), applied.problems, "reconciler")))
    return _render_suites(suites)


_SETUP_TESTS = "setup tests"


def _build_check_cases(outcome: Outcome) -> list[_TestCase]:
    """Build a case for each setup test of a destination, and one for findings that belong to no setup test."""
    address = str(outcome.address)
    checks = outcome.checks or ()
    cases = [_build_check_case(check, address) for check in checks]
    # A failed test says itself what its finding about the whole run says.
    other_findings = [] if any(check.has_failed for check in checks) else list(outcome.diagnostics)
    if other_findings or not cases:
        reason = "" if other_findings else f"{outcome.status}"
        cases.append(_TestCase(_SETUP_TESTS, address, other_findings, skipped=reason))
    # Fivetran answers no durations of single tests.
    return [replace(cases[0], seconds=round(outcome.seconds, 3)), *cases[1:]]


def _build_check_case(check: Check, address: str) -> _TestCase:
    title = to_one_line(check.title) or _SETUP_TESTS
    if check.status == CheckStatus.SKIPPED:
        return _TestCase(title, address, skipped=to_one_line(check.message) or "skipped")
    if check.has_passed:
        return _TestCase(title, address)
    severity = Severity.ERROR if check.has_failed else Severity.WARNING
    message = to_one_line(check.message) or check.status
    finding = Diagnostic(
        SETUP_TESTS_FAILED, message, severity=severity, notes=tuple(render_details(check.details))
    )
    return _TestCase(title, address, [finding])


def _describe_risk(change: Change) -> str:
    """Describe the objects that a change deletes, replaces or gives up."""
    return (
        f"{format_risk(change) or change.action}: {format_identified_object(change)}"
        if change.live is not None
        else ""
    )


def _render_document(
    suite: str,
    entries: Iterable[_TestCase],
    findings: Iterable[Diagnostic],
    policy_results: Iterable[PolicyResult],
    default_file: str,
) -> str:
    policy_results = list(policy_results)
    policy_findings = {
        identify_finding(finding) for policy_result in policy_results for finding in policy_result.findings
    }
    other_findings = [finding for finding in findings if identify_finding(finding) not in policy_findings]
    suites = [(suite, _group_findings(entries, other_findings, default_file))]
    if policy_results:
        suites.append((_POLICIES, [_build_policy_case(policy_result) for policy_result in policy_results]))
    return _render_suites(suites)


def _render_suites(suites: Sequence[tuple[str, list[_TestCase]]]) -> str:
    """Render suites, each a name with its tests."""
    root = _set_counts(
        ElementTree.Element("testsuites", name="reconciler"), [case for _, cases in suites for case in cases]
    )
    for name, cases in suites:
        element = _set_counts(ElementTree.SubElement(root, "testsuite", name=escape(name)), cases)
        for case in cases:
            _add_case(element, case)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode("ascii")


def _group_findings(
    entries: Iterable[_TestCase], findings: Iterable[Diagnostic], default_file: str
) -> list[_TestCase]:
    """Group findings by tests: a test for each entry, then for each other file with findings."""
    cases = {case.name: case for case in entries}
    for finding in sort_diagnostics(findings):
        file = finding.span.path if finding.span else default_file
        name = str(finding.address) if finding.address else file
        cases.setdefault(name, _TestCase(name, file)).findings.append(finding)
    return list(cases.values()) or [_TestCase(default_file, default_file)]


def _build_policy_case(policy_result: PolicyResult) -> _TestCase:
    skip_reason = "overridden for this run" if policy_result.standing is PolicyStatus.OVERRIDDEN else ""
    return _TestCase(policy_result.policy, _POLICIES, list(policy_result.findings), skip_reason)


def _set_counts(element: ElementTree.Element, cases: Sequence[_TestCase]) -> ElementTree.Element:
    counts = {
        "tests": len(cases),
        "failures": sum(bool(case.errors) for case in cases),
        "errors": 0,
        "skipped": sum(bool(case.skipped) for case in cases),
        "time": f"{sum(case.seconds for case in cases):g}",
    }
    element.attrib.update({name: str(number) for name, number in counts.items()})
    return element


def _add_case(suite: ElementTree.Element, case: _TestCase) -> None:
    attributes = {"name": escape(case.name), "classname": escape(case.classname), "time": f"{case.seconds:g}"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.skipped:
        ElementTree.SubElement(element, "skipped", message=case.skipped)
    elif case.errors:
        first = case.errors[0]
        text = escape(first.message) if len(case.errors) == 1 else format_severity_counts(case.errors)
        failure = ElementTree.SubElement(element, "failure", message=text, type=first.code)
        failure.text = _render_findings(case.errors)
    reported = (
        case.findings
        if case.skipped
        else [finding for finding in case.findings if finding.severity is Severity.WARNING]
    )
    text = "\n\n".join(filter(None, (case.remark, _render_findings(reported))))
    if text:
        ElementTree.SubElement(element, "system-out").text = text


def _render_findings(findings: Iterable[Diagnostic]) -> str:
    return "\n\n".join("\n".join(_render_finding(finding)) for finding in findings)


def _render_finding(finding: Diagnostic) -> Iterator[str]:
    yield render_headline(finding).plain
    if finding.span is not None:
        yield f"  --> {escape(str(finding.span))}"
    for remark in render_notes(finding, "  "):
        yield remark.plain


class JunitRenderer(DocumentRenderer):
    """Renderer of findings as tests. Errors also go to stderr, since a job log does not show the report."""

    def plan(self, report: PlanReport) -> Parts:
        """Render a test for each entry of a plan."""
        yield make_verbatim(render_plan_junit(report.plan, self.run.project_file))

    def tested(self, report: SetupTestReport) -> Parts:
        """Render a test for each setup test of each destination."""
        yield make_verbatim(render_test_run_junit(report.applied, report.left, report.missing))

    def validation(self, report: ValidationReport) -> Parts:
        """Render a test for each checked entry."""
        if report.refusals:
            yield from self.diagnostics(report.findings)
        yield make_verbatim(
            render_validation_junit(
                report.entries, report.findings, report.policy_results, self.run.project_file
            )
        )

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render a test for each entry or file with an error."""
        yield from self.diagnostics(diagnostics)
        yield make_verbatim(render_failure_junit(diagnostics, self.run.project_file, policy_results))
