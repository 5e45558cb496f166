"""Render the page of a plan, and parse it strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from reconciler.cli.exit import ExitCode
from reconciler.model.plan import Plan
from reconciler.report.plan_html.page import encode_for_any_charset, render_plan_page
from reconciler.report.renderer import PlanReport, RunView
from reconciler.report.style import StyledText

TIME = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
LINES = {("specs/groups/main.yaml", 7): "  - {group: events_prod, id: gentle_ivory}"}
_VOID = {"meta", "input", "br", "link"}
_TEXT_BLOCKS = {"h1", "h2", "h3", "p", "li", "tr", "summary", "dt", "dd", "label", "pre"}


def make_run(
    project: str = "specs/reconciler.yaml",
    read_line: Callable[[str, int], str | None] = lambda path, line: LINES.get((path, line)),
) -> RunView:
    """Make the facts of a run of `plan`."""
    return RunView(
        command="plan",
        project_file=project,
        to_repo_path=lambda path: path,
        read_line=read_line,
        get_time=lambda: TIME,
        get_out_width=lambda: None,
        get_err_width=lambda: None,
    )


def render_page(
    plan: Plan,
    run: RunView | None = None,
    *,
    header: str = "",
    footer: str = "",
    saved: Mapping[str, Any] | None = None,
) -> str:
    """Render the page as the command prints it."""
    report = PlanReport(
        plan,
        ExitCode.OK,
        TIME,
        header=StyledText(header) if header else None,
        footer=StyledText(footer) if footer else None,
        saved=saved,
    )
    return encode_for_any_charset(render_plan_page(report, run or make_run()))


@dataclass
class PageElement:
    """Element of a page with its children: elements and texts."""

    tag: str
    attributes: dict[str, str]
    children: list[PageElement | str] = field(default_factory=list)

    def walk(self) -> Iterator[PageElement]:
        """Iterate over this element and all elements in it, in the order of the page."""
        yield self
        for child in self.children:
            if isinstance(child, PageElement):
                yield from child.walk()

    def find_all(self, tag: str, name: str = "") -> list[PageElement]:
        """Find all elements of a tag, of a class if `name` is given."""
        return [
            each
            for each in self.walk()
            if each.tag == tag and (not name or name in each.attributes.get("class", "").split())
        ]

    def find(self, tag: str, name: str = "") -> PageElement:
        """Find the only element of a tag and a class."""
        [found] = self.find_all(tag, name)
        return found

    def find_section(self, id: str) -> PageElement | None:
        """Find the section whose heading has this id; None if the page has no such section."""
        found = [each for each in self.find_all("section") if each.attributes["aria-labelledby"] == id]
        return found[0] if found else None

    def list_lines(self) -> Iterator[str]:
        """List the texts of its innermost blocks in the order of the page: a line each, or one line for all blocks of
        an article. Announced requests are left out."""
        for child in self.children:
            if isinstance(child, str) or child.attributes.get("class") == "requests":
                continue
            lines = [child.text] if child.tag in _TEXT_BLOCKS else list(child.list_lines())
            yield from [" | ".join(lines)] if child.tag == "article" else filter(None, lines)

    @property
    def raw_text(self) -> str:
        """All texts in it as they are, style and script left out."""
        return "".join(
            child if isinstance(child, str) else child.raw_text
            for child in self.children
            if self.tag not in {"style", "script"}
        )

    @property
    def text(self) -> str:
        """All texts in it on one line."""
        return " ".join(self.raw_text.split())


class _StrictParser(HTMLParser):
    """Parser that refuses elements that are closed out of order or not at all."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = PageElement("", {})
        self.open = [self.root]
        self.others: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {attrs}"
        element = PageElement(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_pi = unknown_decl = handle_comment


def parse_page(page: str) -> PageElement:
    """Parse a page. Fails unless every element is closed in order, and nothing but the doctype is beside the root."""
    parser = _StrictParser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root]
    assert parser.others == ["doctype html"]
    return next(each for each in parser.root.walk() if each.tag == "html")
