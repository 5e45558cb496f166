"""Render the page of a plan, and the page of a run without a plan."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.instant import format_utc
from reconciler.model.policy import PolicyResult
from reconciler.model.sanitize import escape, to_one_line
from reconciler.report.diagnostics import format_severity_counts
from reconciler.report.plan_html.content import collect_findings, collect_plan
from reconciler.report.renderer import DocumentRenderer, ExitStatus, Parts, PlanReport, RunView, make_verbatim


def render_plan_page(report: PlanReport, run: RunView) -> str:
    """Render the page of a plan. It is whole in itself: style and script stand inside, and nothing is loaded."""
    saved = report.saved or {}
    return _render(
        "plan.html",
        plan=collect_plan(report.plan, run.read_line),
        project=run.project,
        created_at=format_utc(report.created_at),
        version=saved.get("tool", __version__),
        is_expired=bool(saved.get("is_expired")),
        header=report.header.plain if report.header is not None else "",
        footer=report.footer.plain if report.footer is not None else "",
    )


def render_failure_page(
    diagnostics: Collection[Diagnostic],
    run: RunView,
    exit_code: ExitStatus,
    policy_results: Collection[PolicyResult] = (),
) -> str:
    """Render the page of a failed run. It has the diagnostics, and does not look like a plan without changes."""
    return _render(
        "failure.html",
        headline=f"{run.failure_headline}: {format_severity_counts(list(diagnostics))}",
        findings=collect_findings(diagnostics, run.read_line),
        policies=policy_results,
        project=run.project,
        created_at=format_utc(run.get_time()),
        version=__version__,
        exit=f"{int(exit_code)} ({exit_code.reason})",
    )


def _render(template: str, **content: Any) -> str:
    return _load_environment().get_template(template).render(content).rstrip()


@cache
def _load_environment() -> Environment:
    loader = PackageLoader("reconciler.report.plan_html")
    environment = Environment(
        loader=loader,
        autoescape=True,
        finalize=_sanitize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"one_line": to_one_line, "lines": _keep_lines}
    for name in ("page.css", "page.js"):
        text, *_ = loader.get_source(environment, name)
        environment.globals |= _describe_inline_file(name.rpartition(".")[2], text)
    return environment


def _describe_inline_file(kind: str, text: str) -> Mapping[str, Markup]:
    """Describe a file that stands inside of the page: its text, and the hash by which a browser accepts it."""
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return {kind: Markup(text), f"{kind}_hash": Markup(f"'sha256-{digest}'")}  # noqa: S704 - both are ours


def _sanitize(value: Any) -> Any:
    """Make a text of a spec or an answer harmless, before it is escaped: no character rearranges or hides others."""
    return value if isinstance(value, Markup) else escape(str(value))


def _keep_lines(text: str) -> Markup:
    """Keep the line breaks of a text, and nothing else that does not print."""
    return Markup("\n").join(map(escape, text.split("\n")))


def encode_for_any_charset(page: str) -> str:
    """Write a page in ASCII, so that it survives every encoding of standard output. The style and the script have no
    other characters, since references are no references there."""
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


class HtmlRenderer(DocumentRenderer):
    """Renderer of a plan as a page. Diagnostics of a failure also go to stderr, since a job log does not show the
    page."""

    def plan(self, report: PlanReport) -> Parts:
        """Render the page of a plan."""
        yield make_verbatim(encode_for_any_charset(render_plan_page(report, self.run)))

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the page of a failure."""
        yield from self.diagnostics(diagnostics)
        page = render_failure_page(diagnostics, self.run, exit_code, policy_results)
        yield make_verbatim(encode_for_any_charset(page))
